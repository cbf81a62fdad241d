"""What a live server answers: views that wait for the tests, and a look at what is left of the batches before."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from pathlib import Path
from typing import Any
from weakref import WeakSet

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from django_batch.signals import batch_finished
from django_batch.views import AsyncBatchView, BatchView
from example_project.bookshop.models import Author

SECONDS = 60
wrappers: WeakSet[BaseDatabaseWrapper] = WeakSet()
ended = threading.Condition()
counts = {"batches": 0}


@receiver(connection_created)
def remember(connection: BaseDatabaseWrapper, **arguments: object) -> None:
    wrappers.add(connection)


@receiver(batch_finished)
def count(**arguments: object) -> None:
    with ended:
        counts["batches"] += 1
        ended.notify_all()


def line(request: HttpRequest, size: int) -> HttpResponse:
    return HttpResponse("x" * size, content_type="text/plain")


async def aline(request: HttpRequest, size: int) -> HttpResponse:
    return line(request, size)


def gate(request: HttpRequest) -> HttpResponse:
    """Answer when a test opens the gate, a FIFO, at its other end."""
    return HttpResponse(Path(settings.FOLDER, "gate").read_text())


async def agate(request: HttpRequest) -> HttpResponse:
    return await asyncio.to_thread(gate, request)


def open_gate(request: HttpRequest) -> HttpResponse:
    """Do what a test does at the gate."""
    Path(settings.FOLDER, "gate").write_text("")
    return HttpResponse()


def page(request: HttpRequest) -> HttpResponse:
    """What a test has written for a browser."""
    return HttpResponse(Path(settings.FOLDER, "page.html").read_text())


@csrf_exempt
def author(request: HttpRequest, name: str) -> HttpResponse:
    Author.objects.create(name=name)
    return HttpResponse(status=201)


def after(request: HttpRequest, batches: int) -> HttpResponse:
    """Answer when so many batches have ended."""
    with ended:
        return HttpResponse(ended.wait_for(lambda: counts["batches"] >= batches, SECONDS))


def left() -> dict[str, Any]:
    gc.collect()
    own = threading.current_thread()
    threads = [
        each.name for each in threading.enumerate() if each is not own and not each.name.startswith("django_batch")
    ]
    open_ones = [each for each in wrappers if each.connection is not None and each._thread_ident != own.ident]
    authors = Author.objects.filter(name__startswith="live").values_list("name", flat=True)
    return {
        "batches": counts["batches"],
        "threads": len(threads),
        "connections": len(open_ones),
        "authors": sorted(authors),
        "objects": len(gc.get_objects()),
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
    }


async def state(request: HttpRequest) -> JsonResponse:
    """What is left beside this request: threads, connections, tasks."""
    files = [task.get_coro().cr_code.co_filename for task in asyncio.all_tasks()]
    return JsonResponse({**await sync_to_async(left)(), "tasks": sum("django" in file for file in files)})


urlpatterns = [
    path("line/<int:size>/", line),
    path("aline/<int:size>/", aline),
    path("gate/", gate),
    path("agate/", agate),
    path("open-gate/", open_gate),
    path("page/", page),
    path("author/<name>/", author),
    path("after/<int:batches>/", after),
    path("state/", state),
    path("batch/", BatchView.as_view()),
    path("async/batch/", AsyncBatchView.as_view()),
    path("", include("example_project.urls")),
]
