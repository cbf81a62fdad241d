"""Files in a batch: each view has them as if they had been sent to it alone, and nobody holds them twice."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, RequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from django_batch.execution.executors import ThreadExecutor
from django_batch.views import BatchView
from example_project.bookshop.models import Book
from example_project.urls import urlpatterns as site_urls

from .forms import CONTENT_TYPE, form, part

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]

MIB = 2**20
PNG = b"\x89PNG\r\n\x1a\n"
STAFF = {"HTTP_AUTHORIZATION": "Token staff-token"}
seen: list[int] = []  # bytes that each try has read
conflicts: list[OperationalError] = []


@csrf_exempt
def read(request: HttpRequest) -> JsonResponse:
    """How long the files are, and what else is in the form."""
    sizes = {name: [sum(map(len, file.chunks())) for file in files] for name, files in request.FILES.lists()}
    seen.append(sum(map(sum, sizes.values())))
    return JsonResponse({"sizes": sizes, "fields": dict(request.POST.lists())})


@csrf_exempt
def read_and_fail(request: HttpRequest) -> HttpResponse:
    """Reads it all, and then finds another transaction in the way, as often as the test says."""
    read(request)
    with connection.execute_wrapper(conflict):
        Book.objects.count()
    return HttpResponse()


def conflict(execute: Callable[..., object], *args: object) -> object:
    if conflicts:
        raise conflicts.pop()
    return execute(*args)


def books(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"id": 7, "name": "Ü", "ids": [1, 2]})


urlpatterns = [
    path("read/", read),
    path("fail/", read_and_fail),
    path("found/", books),
    path("large/", BatchView.as_view(max_size=64 * MIB)),
    *site_urls,
]


@pytest.fixture(autouse=True)
def nothing_seen(bookshop, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    seen.clear()


def send(items: object, *files: bytes, **environ: str) -> Any:
    content = form(part("batch", json.dumps(items).encode()), *files)
    return Client(raise_request_exception=False).generic("POST", "/batch/", content, CONTENT_TYPE, **environ).json()


def post(url: str, **members: object) -> dict[str, object]:
    return {"method": "POST", "path": url, **members}


COVER = {"method": "PUT", "path": "/api/books/1/cover/", "files": {"cover": "a"}}


def test_file_reaches_its_view_byte_for_byte():
    picture = PNG + bytes(range(256)) * 100
    (answer,) = send([COVER], part("a", picture, "a.png", "image/png"), **STAFF)
    assert answer == {"status": 200, "response": {"id": 1, "size": len(picture)}}
    with Book.objects.get(pk=1).cover as cover:
        assert cover.read() == picture


def test_file_that_the_view_does_not_want_is_its_400():
    (answer,) = send([COVER], part("a", b"no picture", "a.png"), **STAFF)
    assert answer == {"status": 400, "response": {"cover": ["A cover must be a PNG picture."]}}


def test_fields_and_references_stand_beside_the_files():
    items = [
        {"path": "/found/", "id": "found"},
        post(
            "/read/",
            files={"f": ["a", "b"], "g": "c"},
            depends_on="found",
            body={"id": {"$ref": "found#/body/id"}, "ids": {"$ref": "found#/body/ids"}, "name": "x", "flag": True},
        ),
    ]
    parts = [part("a", b"1", "a"), part("b", b"22", "b"), part("c", b"", "c"), part("c", b"333", "c")]
    assert send(items, *parts)[1]["response"] == {
        "sizes": {"f": [1, 2], "g": [0, 3]},
        "fields": {"id": ["7"], "ids": ["1", "2"], "name": ["x"], "flag": ["true"]},
    }


def test_limits_of_the_site_hold_for_each_item(settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 2
    answers = send(
        [post("/read/", files={"f": "a"}, body={"x": ["y"] * count}) for count in (1, 4)], part("a", b"1", "a")
    )
    assert [answer["status"] for answer in answers] == [200, 400]


def test_upload_handlers_of_a_view_are_run(settings):
    settings.FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
    (answer,) = send([post("/read/", files={"f": "a"})], part("a", b"x" * 1_000, "a"))
    assert answer["response"]["sizes"] == {"f": [1_000]}


def test_group_that_is_run_again_sends_its_files_again(settings):
    settings.BATCH = {"ATOMIC_RETRIES": 1}
    conflicts.append(OperationalError(1213, "Deadlock"))
    answers = send(
        {"atomic": True, "requests": [post("/fail/", files={"f": "a", "g": "b"})]},
        part("a", b"x" * 1_000, "a"),
        part("b", b"x" * 500, "b"),
    )
    assert [answer["status"] for answer in answers["responses"]] == [200]
    assert seen == [1_500, 1_500]


def test_one_file_is_sent_side_by_side(bookshop_in_files, settings):
    settings.BATCH = {"EXECUTOR": ThreadExecutor}
    items = [{"path": "/read/", "files": {"f": "a"}, "method": "POST"} for _ in range(8)]
    settings.FILE_UPLOAD_HANDLERS = [f"{TemporaryFileUploadHandler.__module__}.TemporaryFileUploadHandler"]
    answers = send({"parallel": True, "requests": items}, part("a", bytes(range(256)) * 1_000, "a"))
    assert [answer["body"]["sizes"] for answer in answers["responses"]] == [{"f": [256_000]}] * 8


def test_files_are_held_on_disk_and_sent_on_from_there(settings):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
    content = form(
        part("batch", json.dumps([post("/read/", files={"f": ["a", "b"]})] * 3).encode()),
        part("a", b"x" * 8 * MIB, "a"),
        part("b", b"y" * 8 * MIB, "b"),
    )
    environ = RequestFactory()._base_environ(PATH_INFO="/large/", REQUEST_METHOD="POST", CONTENT_TYPE=CONTENT_TYPE)
    environ.update({"CONTENT_LENGTH": str(len(content)), "wsgi.input": BytesIO(content), "wsgi.errors": sys.stderr})
    handler = WSGIHandler()
    tracemalloc.start()
    try:
        response = handler(environ, lambda status, headers: None)
        peak = tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()
    answers = json.loads(b"".join(response))
    response.close()
    assert [answer["response"]["sizes"] for answer in answers] == [{"f": [8 * MIB, 8 * MIB]}] * 3
    assert peak < 2


def cut(content: bytes) -> Any:
    return Client(raise_request_exception=False).generic("POST", "/batch/", content, CONTENT_TYPE)


WHOLE = form(part("batch", json.dumps([post("/read/", files={"f": "a"})]).encode()), part("a", b"\r\n--x", "a"))


def test_form_cut_at_any_byte_is_refused_or_answered_whole():
    end = len(WHOLE) - len(b"--\r\n")
    for length in range(1, len(WHOLE)):
        response = cut(WHOLE[:length])
        if length > end and response.status_code == 207:
            assert response.json()[0]["response"]["sizes"] == {"f": [5]}
        else:
            assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert cut(WHOLE).status_code == 207
