"""Batches whose answers are sent as they come, through the real chain, under WSGI and ASGI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from threading import Event

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, connections
from django.http import HttpResponse, JsonResponse
from django.test import Client
from django.urls import include, path
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt

from django_batch import signals
from django_batch.core.batch import Subresponse
from django_batch.dialects.base import Writer
from django_batch.dialects.native import NativeDialect
from django_batch.dialects.native.writers import NativeWriter
from django_batch.execution.executors.pool import SIZE, pool
from django_batch.views import AsyncBatchView, BatchView
from example_project.bookshop.models import Order
from tests import asgi
from tests.bank.batches import fates
from tests.file_databases import in_files

LINES = "application/jsonl"
DONE = {"done": True, "responses": 3, "failed": 1}
SECONDS = 60
go_on = Event()
calls: list[str] = []  # the paths of the sub-requests that a view has been called for

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]


@csrf_exempt
def called(request, name, status=200):
    calls.append(name)
    return HttpResponse(name, status=status, content_type="text/plain")


def wait(request):
    """Answer when the test says so."""
    return HttpResponse(go_on.wait(SECONDS))


def language(request):
    return JsonResponse(translation.get_language(), safe=False)


def in_french(get_response):
    """Of the batch alone, which has a language only as long as its view."""

    def middleware(request):
        if not hasattr(request, "_batch_subrequest"):
            with translation.override("fr"):
                return get_response(request)
        return get_response(request)

    return middleware


class InOrder(NativeDialect):
    """Streamed in request order, as one document."""

    def writer(self, batch):
        writer = NativeWriter()
        writer.streamed = True
        return writer


class Bare(Writer):
    """Writes statuses, with nothing before and behind them."""

    streamed = True

    def write(self, subresponse):
        return b"%d" % subresponse.status


class BareDialect(NativeDialect):
    def writer(self, batch):
        return Bare()


urlpatterns = [
    path("called/<name>/", called),
    path("called/<name>/<int:status>/", called),
    path("wait/", wait),
    path("language/", language),
    path("in-order/", BatchView.as_view(dialect=InOrder)),
    path("async-in-order/", AsyncBatchView.as_view(dialect=InOrder)),
    path("bare/", BatchView.as_view(dialect=BareDialect)),
    path("async-bare/", AsyncBatchView.as_view(dialect=BareDialect)),
    path("", include("example_project.urls")),
]


@pytest.fixture(autouse=True)
def _no_calls():
    calls.clear()
    go_on.clear()


def requests(*paths: str, **members: object) -> bytes:
    return json.dumps({"requests": [{"path": path} for path in paths], **members}).encode()


# Under WSGI


def send(content: bytes, url: str = "/batch/", client: Client | None = None, **headers: str):
    client = client or Client(raise_request_exception=False)
    return client.post(url, content, content_type="application/json", headers={"Accept": LINES, **headers})


def values(response) -> list[dict[str, object]]:
    return [json.loads(line) for line in response.getvalue().splitlines()]


def test_answer_is_sent_before_the_next_sub_request_is_run():
    response = send(requests("/called/a/", "/called/b/404/", "/called/c/"))
    assert (response.status_code, response.streaming, calls) == (207, True, [])
    assert response.headers["Content-Type"] == LINES
    for number, line in enumerate(response.streaming_content, 1):
        assert len(calls) == min(number, 3)
        last = json.loads(line)
    assert last == DONE


def test_answers_are_those_of_a_batch_that_is_not_streamed():
    content = requests("/called/a/", "/api/books/999/", "/api/me/")
    *answers, last = values(send(content))
    assert answers == send(content, Accept="application/json").json()["responses"]
    assert last == DONE


@pytest.mark.parametrize("name", ["X-Accel-Buffering", "Content-Encoding"])
def test_headers_keep_proxies_and_compressors_from_holding_it_back(name, settings):
    settings.MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware", *settings.MIDDLEWARE]
    response = send(requests("/called/a/"), **{"Accept-Encoding": "gzip"})
    assert response.headers[name] in ("no", "identity")
    assert values(response)[-1] == {"done": True, "responses": 1, "failed": 0}


@pytest.mark.parametrize(
    ("content", "status"), [(b"{", 400), (b'{"requests":[{"path":"/","depends_on":"x"}]}', 400), (b"[]", 400)]
)
def test_batch_that_is_refused_is_refused_whole(content, status):
    response = send(content)
    assert (response.status_code, response.streaming) == (status, False)
    assert response.headers["Content-Type"] == "application/problem+json"


def test_group_is_told_after_its_commit(bookshop):
    group = [
        {"method": "PUT", "path": f"/api/orders/N-{number}/", "body": {}, "atomicity_group": "g"} for number in (1, 2)
    ]
    client = Client(headers={"Authorization": "Token ada-token"})
    content = json.dumps({"requests": [{"path": "/called/a/"}, *group, {"path": "/called/b/"}]}).encode()
    pieces = iter(send(content, client=client).streaming_content)
    assert json.loads(next(pieces))["id"] == "0"
    assert not Order.objects.filter(number="N-1").exists()
    assert fates(map(json.loads, next(pieces).splitlines())) == ["201", "201"]
    assert (Order.objects.filter(number__startswith="N-").count(), connection.in_atomic_block) == (2, False)
    assert calls == ["a"]
    assert b"".join(pieces).count(b"\n") == 2


def test_what_is_not_run_is_told_at_the_end():
    *answers, last = values(send(requests("/called/a/400/", "/called/b/", "/called/c/", continue_on_error=False)))
    assert fates(answers) == ["400", "424 not_run", "424 not_run"]
    assert last == {"done": True, "responses": 3, "failed": 3}


def test_writer_that_wants_request_order_is_given_each_answer_in_its_turn():
    content = json.dumps(
        {
            "requests": [
                {"path": "/called/a/", "depends_on": "c"},
                {"path": "/called/b/"},
                {"id": "c", "path": "/called/c/"},
            ]
        }
    )
    pieces = iter(send(content.encode(), "/in-order/").streaming_content)
    assert (next(pieces), calls) == (b'{"responses":[', [])
    piece = next(pieces)
    assert calls == ["b", "c", "a"]
    answers = json.loads(b'{"responses":[' + piece + b"".join(pieces))["responses"]
    assert [answer["body"] for answer in answers] == ["a", "b", "c"]


@pytest.mark.parametrize("url", ["/bare/", "/async-bare/"])
def test_no_piece_is_empty(bookshop, url):
    content = json.dumps([{"path": "/called/a/", "depends_on": "1"}, {"path": "/called/b/201/"}]).encode()
    assert list(send(content, url).streaming_content) == [b"200201"]
    received = served(content, path=url)
    assert [event.get("body") for event in received if event.get("more_body")] == [b"200201"]


@pytest.mark.parametrize("url", ["/in-order/", "/async-in-order/"])
def test_writer_that_wants_request_order_is_given_it_by_asgi(bookshop, url):
    content = json.dumps([{"path": "/called/a/", "depends_on": "1"}, {"path": "/called/b/"}]).encode()
    answers = json.loads(b"".join(event.get("body", b"") for event in served(content, path=url)))["responses"]
    assert [each["body"] for each in answers] == ["a", "b"]


THREADS = "django_batch.execution.executors.ThreadExecutor"


def test_answers_are_sent_while_another_step_is_in_progress(bookshop, templates, tmp_path, settings):
    settings.BATCH = {"EXECUTOR": THREADS, "MAX_WORKERS": 2}
    with in_files(templates, tmp_path):
        pieces = iter(send(requests("/wait/", *["/called/a/"] * 40, parallel=True)).streaming_content)
        before = [json.loads(next(pieces))["id"] for _ in range(40)]
        assert "0" not in before
        go_on.set()
        assert b'"id":"0"' in b"".join(pieces)


def test_threads_do_not_run_ahead_of_a_slow_client(bookshop, templates, tmp_path, settings):
    settings.BATCH = {"EXECUTOR": THREADS, "MAX_REQUESTS": 1000}
    with in_files(templates, tmp_path):
        response = send(requests(*["/called/a/"] * 500, parallel=True))
        pieces = iter(response.streaming_content)
        assert all(next(pieces) for _ in range(10))
        response.close()
    assert len(calls) < 100


def test_streamed_batch_ends_though_the_pool_is_exhausted(bookshop, templates, tmp_path, settings):
    settings.BATCH = {"EXECUTOR": THREADS}
    taken = [pool.take() for _ in range(SIZE)]
    try:
        with in_files(templates, tmp_path):
            assert len(values(send(requests(*["/called/a/"] * 5, parallel=True)))) == 6
    finally:
        for _ in range(taken.count(True)):
            pool._free.release()


def test_dry_run_is_streamed_and_rolled_back(bookshop):
    order = {"method": "PUT", "path": "/api/orders/N-1/", "body": {}}
    client = Client(headers={"Authorization": "Token ada-token"})
    *answers, last = values(send(json.dumps({"requests": [order], "dry_run": True}).encode(), client=client))
    assert (fates(answers), last) == (["201"], {"done": True, "dry_run": True, "responses": 1, "failed": 0})
    assert not Order.objects.filter(number="N-1").exists()


def test_language_of_the_batch_stays_while_it_is_streamed(settings):
    settings.MIDDLEWARE = [f"{__name__}.in_french"]
    answer, _ = values(send(requests("/language/")))
    assert (answer["body"], translation.get_language()) == ("fr", "en")


# Cookies and sessions: the site's middleware has saved them before the first sub-request.


LOGIN = {"method": "POST", "path": "/api/login/", "body": {"username": "ada", "password": "ada-secret"}}
ME = {"path": "/api/me/"}
VISITS = {"path": "/api/visits/"}


@pytest.mark.parametrize("save_every_request", [False, True])
def test_login_is_seen_by_later_sub_requests_and_sets_no_cookie(bookshop, settings, save_every_request):
    settings.SESSION_SAVE_EVERY_REQUEST = save_every_request
    client = Client()
    response = send(json.dumps([ME, LOGIN, ME]).encode(), client=client)
    before, _, after, _ = values(response)
    assert (before["body"]["username"], after["body"]["username"]) == ("", "ada")
    assert not response.cookies
    assert client.get("/api/me/").json()["username"] == ""


@pytest.mark.parametrize("save_every_request", [False, True])
@pytest.mark.parametrize(
    "engine", ["django.contrib.sessions.backends.db", "django.contrib.sessions.backends.cached_db"]
)
def test_what_sub_requests_do_to_the_session_is_kept(bookshop, settings, save_every_request, engine):
    settings.SESSION_SAVE_EVERY_REQUEST = save_every_request
    settings.SESSION_ENGINE = engine
    client = Client()
    client.login(username="ada", password="ada-secret")
    answers = values(send(json.dumps([VISITS, VISITS]).encode(), client=client))
    assert [answer["body"]["visits"] for answer in answers[:-1]] == [1, 2]
    assert client.get("/api/visits/").json()["visits"] == 3
    csrf = client.get("/accounts/login/").cookies["csrftoken"].value
    logout = json.dumps([{"method": "POST", "path": "/accounts/logout/"}, ME]).encode()
    answers = values(send(logout, client=client, **{"X-CSRFToken": csrf}))
    assert (answers[0]["status"], answers[1]["body"]["username"]) == (302, "")
    assert client.get("/api/me/").json()["username"] == ""


# How it ends


@pytest.fixture
def heard() -> Iterator[list[tuple[str, list[Subresponse]]]]:
    """The names of the signals, with the subresponses of the last."""
    heard = []

    def started(**arguments):
        heard.append(("started", []))

    def finished(subresponses, **arguments):
        heard.append(("finished", subresponses))

    signals.batch_started.connect(started)
    signals.batch_finished.connect(finished)
    yield heard
    signals.batch_started.disconnect(started)
    signals.batch_finished.disconnect(finished)


def test_signals_are_sent_when_it_begins_and_ends(heard):
    response = send(requests("/called/a/", "/called/b/404/"))
    assert heard == []
    values(response)
    (started, _), (finished, subresponses) = heard
    assert (started, finished) == ("started", "finished")
    assert [(each.status, each.body) for each in subresponses] == [(200, b""), (404, b"")]


def test_client_that_goes_away_ends_it_after_the_step_in_progress(heard):
    response = send(requests("/called/a/", "/called/b/", "/called/c/"))
    next(iter(response.streaming_content))
    response.close()
    assert calls == ["a"]
    assert [name for name, _ in heard] == ["started", "finished"]
    assert [each.status for each in heard[1][1]] == [200, 424, 424]


def test_client_that_goes_away_at_once_starts_nothing(heard):
    send(requests("/called/a/")).close()
    assert (calls, heard) == ([], [])


def test_dry_run_whose_client_goes_away_is_rolled_back(bookshop, heard):
    orders = [{"method": "PUT", "path": f"/api/orders/N-{number}/", "body": {}} for number in range(3)]
    client = Client(headers={"Authorization": "Token ada-token"})
    response = send(json.dumps({"requests": orders, "dry_run": True}).encode(), client=client)
    next(iter(response.streaming_content))
    assert connection.in_atomic_block
    response.close()
    assert not connections["default"].in_atomic_block
    assert not Order.objects.filter(number__startswith="N-").exists()
    assert [each.status for each in heard[1][1]] == [201, 424, 424]


# Under ASGI


events = partial(asgi.events, headers={"Accept": LINES})


@async_to_sync
async def served(content: bytes, **options: object) -> list[dict[str, object]]:
    return [event async for event in events(content, **options)]


def test_answer_is_sent_by_asgi_as_by_wsgi(bookshop):
    content = requests("/called/a/", "/called/b/404/", "/called/c/")
    start, *bodies = served(content)
    assert start["status"] == 207
    assert (b"Content-Type", LINES.encode()) in start["headers"]
    assert [body.get("body") for body in bodies[:-1]] == [*send(content).streaming_content]


def test_answer_is_sent_by_asgi_before_the_next_sub_request_is_run(bookshop):
    @async_to_sync
    async def told() -> list[object]:
        bodies = []
        async for event in events(requests("/called/a/", "/wait/")):
            bodies.append(event.get("body"))
            if len(bodies) == 2:  # the first line is here
                go_on.set()
        return bodies

    assert len(told()) == 5


def test_client_of_asgi_that_goes_away_ends_it_after_the_step_in_progress(bookshop, heard):
    go_on.set()
    served(requests("/called/a/", *["/wait/"] * 50), leave_after=1)
    assert [name for name, _ in heard] == ["started", "finished"]
    assert {each.status for each in heard[1][1]} == {200, 424}


def test_language_of_the_batch_stays_while_it_is_streamed_by_asgi(bookshop, settings):
    settings.MIDDLEWARE = [f"{__name__}.in_french"]
    assert json.loads(served(requests("/language/"))[1]["body"])["body"] == "fr"
