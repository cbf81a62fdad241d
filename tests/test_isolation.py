"""What a sub-request leaves behind: nothing that the next, the batch or the process would notice."""

from __future__ import annotations

import gc
import json
import logging
import os
import threading
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from pathlib import Path
from threading import Event
from urllib.request import Request, urlopen

import hypothesis
import pytest
from asgiref.sync import async_to_sync
from django.core.signals import request_finished, request_started
from django.db import DatabaseError, connection, connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient
from django.urls import get_script_prefix, get_urlconf, include, path, set_script_prefix, set_urlconf
from django.utils import timezone, translation
from django.views.decorators.csrf import csrf_exempt

from django_batch.testing import BatchClient
from django_batch.views import BatchView
from example_project.bookshop.models import Author
from example_project.settings import MIDDLEWARE

from .file_databases import in_files

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]

mood = ContextVar("mood", default="calm")


def surroundings():
    """All that Django and Python keep for the code that runs now."""
    return {
        "language": translation.get_language(),
        "time zone": timezone.get_current_timezone_name(),
        "urlconf": get_urlconf(),
        "prefix": get_script_prefix(),
        "mood": mood.get(),
    }


def look(request):
    return JsonResponse(surroundings())


def change_everything():
    translation.activate("de")
    timezone.activate("Asia/Tokyo")
    set_urlconf("example_project.bookshop.urls")
    set_script_prefix("/changed/")
    mood.set("changed")


def wreck(request):
    """Changes all of it, and says so."""
    change_everything()
    return JsonResponse(surroundings(), status=int(request.GET.get("status", 200)))


def wreck_and_raise(request):
    change_everything()
    raise RuntimeError("This view is broken on purpose.")


def wreck_while_streaming(request):
    def stream():
        change_everything()
        yield json.dumps(surroundings()).encode()

    return StreamingHttpResponse(stream(), content_type="application/json")


async def look_async(request):
    return JsonResponse(surroundings())


async def wreck_async(request):
    return wreck(request)


class WatchedBatchView(BatchView):
    """Knows what surrounds it before and after its work."""

    seen: list[dict[str, object]] = []

    def answer(self, writer, exchange):
        with translation.override("fr"), timezone.override("Europe/Paris"):
            token = mood.set("of the batch")
            before = surroundings()
            response = super().answer(writer, exchange)
            self.seen[:] = [before, surroundings()]
            mood.reset(token)
        return response


class Held:
    """What uploads and streams hold, to be looked at later."""

    files: list[object] = []
    streams: list[str] = []


@csrf_exempt
def upload(request):
    file = request.FILES["file"]
    Held.files.append(file)
    return JsonResponse({"size": file.size})


def stream(request, kind):
    def chunks():
        try:
            yield b"first "
            if kind == "raise":
                raise RuntimeError("The stream is broken on purpose.")
            yield b"second"
        finally:
            Held.streams.append(f"{kind} closed")

    return StreamingHttpResponse(chunks())


async def stream_async(request, kind):
    async def chunks():
        yield b"first "
        if kind == "raise":
            raise RuntimeError("The stream is broken on purpose.")
        yield b"second"

    return StreamingHttpResponse(chunks())


def lose(request, what):
    """Leaves the connection in a bad state, and says nothing of it."""
    connection.set_autocommit(what != "autocommit")
    Author.objects.create(name="never committed") if what == "autocommit" else connection.connection.close()
    with suppress(DatabaseError):
        Author.objects.count()
    return HttpResponse()


urlpatterns = [
    path("look/", look),
    path("look-async/", look_async),
    path("wreck/", wreck),
    path("wreck-async/", wreck_async),
    path("wreck-and-raise/", wreck_and_raise),
    path("wreck-while-streaming/", wreck_while_streaming),
    path("watched/", WatchedBatchView.as_view()),
    path("upload/", upload),
    path("stream/<slug:kind>/", stream),
    path("stream-async/<slug:kind>/", stream_async),
    path("lose/<slug:what>/", lose),
    path("", include("example_project.urls")),
]


@pytest.fixture
def own_language(settings):
    """The language is that of the code around, and not asked for by each request."""
    settings.MIDDLEWARE = [name for name in MIDDLEWARE if "Locale" not in name]


WRECKS = [
    ("/wreck/", 200),
    ("/wreck/?status=400", 400),
    ("/wreck-and-raise/", 500),
    ("/wreck-while-streaming/", 200),
    ("/wreck-async/", 200),
]


@pytest.mark.parametrize("members", [{}, {"atomic": True}, {"dry_run": True}], ids=["each", "atomic", "dry_run"])
@pytest.mark.parametrize(("url", "status"), WRECKS)
def test_surroundings_that_a_view_changes_are_not_those_of_the_next(bookshop, own_language, url, status, members):
    looks = [{"path": "/look/"}, {"path": "/look-async/"}]
    untouched = [answer["body"] for answer in BatchClient().batch(looks)]
    wrecked, *after = BatchClient().batch([{"path": url}, *looks], **members)
    assert wrecked["status"] == status
    if status < 400 or "atomic" not in members:
        assert [answer["body"] for answer in after] == untouched
    assert [answer["body"] for answer in BatchClient().batch(looks)] == untouched


@pytest.mark.parametrize(("url", "status"), WRECKS)
def test_surroundings_of_the_batch_are_what_they_were(bookshop, own_language, url, status):
    (wrecked,) = BatchClient().batch([{"path": url}], path="/watched/")
    before, after = WatchedBatchView.seen
    assert before == after
    assert (before["language"], before["mood"]) == ("fr", "of the batch")
    assert status >= 400 or wrecked["body"]["language"] == "de"


@contextmanager
def counting(*signals):
    """Counts what is sent; of the last signal one can wait for."""
    counts, event = [0] * len(signals), Event()

    def receive(signal, **kwargs):
        counts[signals.index(signal)] += 1
        if signal is signals[-1]:
            event.set()

    for signal in signals:
        signal.connect(receive)
    try:
        yield counts, event
    finally:
        for signal in signals:
            signal.disconnect(receive)


def test_batch_over_http_is_one_request_that_starts_and_finishes(bookshop, live_server):
    batch = json.dumps({"requests": [{"path": "/look/"}, {"path": "/api/terms/"}, {"path": "/wreck/"}]}).encode()
    with counting(request_started, request_finished) as (counts, finished):
        with urlopen(Request(f"{live_server.url}/batch/", batch, {"Content-Type": "application/json"})) as response:
            answers = json.load(response)["responses"]
        assert finished.wait(10)
    assert [answer["status"] for answer in answers] == [200, 200, 200]
    assert counts == [1, 1]


UPLOAD = {
    "method": "POST",
    "path": "/upload/",
    "headers": {"Content-Type": "multipart/form-data; boundary=x"},
    "body": '--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\ntext\r\n--x--\r\n',
}


@pytest.mark.parametrize("in_memory", [0, 1000], ids=["temporary file", "memory"])
def test_uploaded_file_is_closed_and_its_temporary_file_is_gone(bookshop, settings, in_memory):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = in_memory
    Held.files.clear()
    assert [answer["body"] for answer in BatchClient().batch([UPLOAD, UPLOAD])] == [{"size": 4}] * 2
    assert [file.closed for file in Held.files] == [True, True]
    assert not any(Path(file.temporary_file_path()).exists() for file in Held.files if not in_memory)


STREAMS = [("/stream/good/", 200), ("/stream/raise/", 500), ("/stream-async/good/", 200), ("/stream-async/raise/", 500)]


@pytest.mark.parametrize(("url", "status"), STREAMS)
def test_stream_is_read_to_its_end_and_a_broken_one_is_a_500(bookshop, url, status):
    before, streamed, after = BatchClient().batch([{"path": "/look/"}, {"path": url}, {"path": "/look/"}])
    assert streamed["status"] == status
    assert ("first second" in streamed["body"]) == (status == 200)
    assert before["body"] == after["body"]


@pytest.mark.parametrize("kind", ["good", "raise"])
def test_generator_of_a_stream_is_closed(bookshop, kind):
    Held.streams.clear()
    BatchClient().batch([{"path": f"/stream/{kind}/"}])
    assert Held.streams == [f"{kind} closed"]


def test_error_of_a_stream_is_raised_where_a_test_wants_it(bookshop):
    with pytest.raises(RuntimeError, match="stream is broken"):
        BatchClient(raise_request_exception=True).batch([{"path": "/stream/raise/"}])


def test_batch_under_asgi_is_answered_as_under_wsgi(bookshop):
    batch = json.dumps([{"path": url} for url, _ in (*STREAMS, *WRECKS)])
    expected = BatchClient().send_batch(batch.encode())
    found = async_to_sync(AsyncClient(raise_request_exception=False).post)(
        "/batch/", batch, content_type="application/json"
    )
    assert (found.status_code, found.json()) == (expected.status_code, expected.json())


AUTHOR = {"method": "POST", "path": "/api/authors/", "body": {"name": "Eve"}}


@pytest.mark.parametrize("what", ["autocommit", "driver"])
def test_connection_that_a_view_has_spoilt_is_a_good_one_for_the_next(bookshop, templates, tmp_path, what):
    client = BatchClient(headers={"authorization": "Token staff-token"})
    with in_files(templates, tmp_path):
        answers = client.batch([{"path": f"/lose/{what}/"}, AUTHOR])
        assert [answer["status"] for answer in answers] == [200, 201]
        connection.close()
        names = Author.objects.filter(name__in=["Eve", "never committed"]).values_list("name", flat=True)
        assert [*names] == ["Eve"]


BATCHES = [
    {"requests": [{"path": "/look/"}, {"path": "/api/me/"}, {"path": "/api/visits/"}, {"path": "/api/nothing/"}]},
    {"requests": [UPLOAD, {"path": "/api/terms/"}, {"path": "/stream-async/good/"}, {"path": "/stream/raise/"}]},
    {"requests": [AUTHOR, {"path": "/api/broken/"}, {"path": "/wreck/"}], "atomic": True},
    {"requests": [AUTHOR, {"path": "/api/books/1/"}, {"path": "/wreck-async/"}], "dry_run": True},
    {"requests": [{"path": "/batch/"}, {"path": "//"}]},
]
ROUNDS = 2 * hypothesis.settings().max_examples  # of five batches each: a thousand where a hundred examples are tried


def held_by_the_process():
    """What could be left behind: connections, threads, the lowest free file descriptor, requests and contexts."""
    gc.collect()
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    kinds = (HttpRequest, HttpResponseBase, Context)
    return {
        "connections": len(connections.all(initialized_only=True)),
        "threads": threading.active_count(),
        "descriptor": descriptor,
        **{kind.__name__: sum(issubclass(type(each), kind) for each in gc.get_objects()) for kind in kinds},
    }


@pytest.fixture
def unlogged():
    """A log record holds its request, and pytest holds the records."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def test_many_batches_leave_nothing_behind(bookshop, unlogged, settings):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
    client = BatchClient(headers={"authorization": "Token staff-token"})

    def send(times):
        for _ in range(times):
            for batch in BATCHES:
                client.send_batch(batch)
        Held.files.clear()
        Held.streams.clear()
        return held_by_the_process()

    after_few = send(2)
    after_many = send(ROUNDS)
    assert {kind: number for kind, number in after_many.items() if number > after_few[kind]} == {}
