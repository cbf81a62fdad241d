"""`AsyncBatchView` on the loop of an ASGI server, through the real chain, on databases that several threads can use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from threading import Barrier, Event, current_thread
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.db.backends.signals import connection_created
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import include, path, register_converter
from django.urls.converters import StringConverter
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from rest_framework.permissions import IsAuthenticated
from rest_framework.throttling import AnonRateThrottle

from django_batch import signals
from django_batch.core.batch import Batch, Subrequest
from django_batch.core.plan import plan
from django_batch.core.schedule import Schedule
from django_batch.decorators import batch_exempt
from django_batch.execution.batch_run import BatchRun
from django_batch.execution.executors.asynchronous import AsyncExecutor
from django_batch.execution.executors.deadline import Deadline
from django_batch.execution.executors.pool import pool
from django_batch.sharing import lookups
from django_batch.signals import subrequest_started
from django_batch.testing import BatchClient
from django_batch.views import AsyncBatchView
from example_project.bookshop.models import Author, Order
from tests.asgi import answer, events
from tests.bank.batches import fates
from tests.file_databases import in_files

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]

SECONDS = 60  # until what should meet is taken to have missed each other
LINES = {"Accept": "application/jsonl"}
ADA = {"Authorization": "Token ada-token"}
waiting: list[asyncio.Future[None]] = []
begun = Event()
ended: list[str] = []  # what the views below have come to
barrier = Barrier(1)  # a test puts its own here


def thread(request):
    """Which thread answers."""
    return HttpResponse(current_thread().name)


async def async_thread(request):
    return HttpResponse(current_thread().name)


@csrf_exempt
def meet(request):
    """Answer when as many are here as the test wants."""
    barrier.wait(SECONDS)
    return HttpResponse(current_thread().name)


async def async_meet(request, number):
    """Answer when `number` are here."""
    waiting.append(asyncio.get_running_loop().create_future())
    if len(waiting) == number:
        for each in waiting:
            each.set_result(None)
    async with asyncio.timeout(SECONDS):
        await waiting[-1] if len(waiting) == number else await asyncio.gather(waiting[-1])
    return HttpResponse(current_thread().name)


async def wait(request):
    """Never answer."""
    begun.set()
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("wait")


async def count(request):
    return JsonResponse(await Order.objects.acount(), safe=False)


async def count_authors(request):
    return JsonResponse(await Author.objects.acount(), safe=False)


async def cancel(request):
    """Wait for what it has cancelled itself."""
    task = asyncio.create_task(asyncio.sleep(SECONDS))
    task.cancel()
    await task


async def fail(request):
    raise ZeroDivisionError


async def stream(request, size):
    """As many bytes, of which the last is an error if there are seven."""

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(size):
            if number == 6:
                raise ZeroDivisionError
            yield b"x"

    return StreamingHttpResponse(chunks(), content_type="text/plain")


async def sync_stream(request):
    """What is read from the database while it is streamed."""

    def chunks() -> Iterator[str]:
        for author in Author.objects.order_by("pk")[:2]:
            yield str(author.pk)

    return StreamingHttpResponse(chunks(), content_type="text/plain")


async def language(request):
    return JsonResponse([translation.get_language(), await sync_to_async(translation.get_language)()], safe=False)


async def cookie(request):
    response = JsonResponse(request.COOKIES)
    response.set_cookie("fruit", "pear", path="/")
    return response


async def disturb(request):
    """Leave the connection in manual commit."""
    await sync_to_async(lambda: connection.set_autocommit(False))()  # of the thread's connection, not of the loop's
    return HttpResponse()


async def is_in_autocommit(request):
    return JsonResponse(await sync_to_async(lambda: connection.get_autocommit())(), safe=False)


def user(request):
    return HttpResponse(request.user.get_username())


async def async_user(request):
    return HttpResponse((await request.auser()).get_username())


async def visits(request):
    """As that of the bookshop."""
    number = await request.session.aget("visits", 0) + 1
    await request.session.aset("visits", number)
    return JsonResponse({"visits": number})


@batch_exempt
async def exempt(request):
    return HttpResponse()


class Broken(StringConverter):
    """Fails at what it is there for."""

    def to_python(self, value):
        raise ZeroDivisionError


class Guarded(AsyncBatchView):
    permission_classes = (IsAuthenticated,)


class OncePerDay(AnonRateThrottle):
    rate = "1/day"


class Throttled(AsyncBatchView):
    throttle_classes = (OncePerDay,)


register_converter(Broken, "broken")
urlpatterns = [
    path("broken/<broken:name>/", thread),
    path("thread/", thread),
    path("async-thread/", async_thread),
    path("meet/", meet),
    path("async-meet/<int:number>/", async_meet),
    path("wait/", wait),
    path("count/", count),
    path("async-count/", count_authors),
    path("cancel/", cancel),
    path("fail/", fail),
    path("stream/<int:size>/", stream),
    path("sync-stream/", sync_stream),
    path("language/", language),
    path("cookie/", cookie),
    path("disturb/", disturb),
    path("autocommit/", is_in_autocommit),
    path("user/", user),
    path("async-user/", async_user),
    path("visits/", visits),
    path("exempt/", exempt),
    path("abatch/", AsyncBatchView.as_view()),
    path("guarded/", Guarded.as_view()),
    path("throttled/", Throttled.as_view()),
    path("", include("example_project.urls")),
]


@pytest.fixture
def bookshop(bookshop, templates, tmp_path):
    """In files."""
    with in_files(templates, tmp_path) as restore:
        yield restore


@pytest.fixture(autouse=True)
def _nobody_waits():
    waiting.clear()
    begun.clear()
    ended.clear()


@pytest.fixture
def meeting(monkeypatch):
    """Lets so many views meet as it is called with."""
    return lambda parties: monkeypatch.setitem(globals(), "barrier", Barrier(parties))


def content(requests: list[dict[str, Any]], **members: object) -> bytes:
    return json.dumps({"requests": requests, **members}).encode()


def send(
    requests: list[dict[str, Any]], *, headers: Mapping[str, str] = {}, url: str = "/abatch/", **members: object
) -> list[dict[str, Any]]:
    """The answers, in request order, however they were sent."""
    status, _, body = async_to_sync(answer)(content(requests, **members), url, headers=headers)
    assert status == 207, body
    if headers.get("Accept") != LINES["Accept"]:
        return json.loads(body)["responses"]
    *answers, last = map(json.loads, body.splitlines())
    assert last["done"]
    return sorted(answers, key=lambda each: [request.get("id") for request in requests].index(each["id"]))


def bodies(answers):
    assert {each["status"] for each in answers} == {200}
    return [each["body"] for each in answers]


def gets(*paths: str) -> list[dict[str, Any]]:
    return [{"id": str(number), "path": path} for number, path in enumerate(paths)]


both = pytest.mark.parametrize("headers", [{}, LINES], ids=["whole", "lines"])
in_any_order = pytest.mark.parametrize("parallel", [False, True], ids=["in turn", "side by side"])


# What is answered


MIXED = [
    {"id": "0", "path": "/api/books/1/"},
    {"id": "1", "path": "/cookie/"},
    {"id": "2", "path": "/cookie/", "depends_on": "1"},
    {"id": "3", "method": "PUT", "path": "/api/orders/N-1/", "body": {"note": "x"}},
    {"id": "4", "path": "/count/", "depends_on": "3"},
    {"id": "5", "path": "/stream/5/"},
    {"id": "6", "path": "/fail/"},
    {"id": "7", "path": "/stream/7/"},
    {"id": "8", "path": "/sync-stream/"},
    {"id": "9", "path": "/exempt/"},
    {"id": "10", "path": "/abatch/", "method": "POST", "body": []},
    {"id": "11", "path": "/count/", "atomicity_group": "g"},
    {"id": "12", "method": "PUT", "path": "/api/orders/N-2/", "body": {}, "atomicity_group": "g"},
    {"id": "13", "path": "/cancel/", "depends_on": "g"},
    {"id": "14", "path": "/count/", "depends_on": "6"},
    {"id": "15", "path": "/nowhere/"},
    {"id": "16", "path": "{0#/body/url}", "depends_on": "0"},
    {"id": "17", "path": "/stream/{11#/status}/", "depends_on": "11"},
    {"id": "18", "method": "HEAD", "path": "/stream/5/"},
    {"id": "19", "path": "/broken/x/"},
]
FATES = [
    *["200"] * 3,
    "201",
    "200",
    "200",
    "500",
    "500",
    "200",
    "403 batch_exempt",
    "403 nested_batch",
    "200",
    "201",
    "500",
]
FATES += ["424 failed_dependency", "404", "200", "500", "200", "500"]


@both
@in_any_order
def test_async_and_sync_views_are_answered_as_by_batch_view(bookshop, headers, parallel, settings):
    settings.BATCH = {"MAX_WORKERS": 3}
    answers = send(MIXED, headers={**headers, **ADA}, parallel=parallel)
    assert fates(answers) == FATES
    assert [each["body"] for each in answers[1:3]] == [{}, {"fruit": "pear"}]
    assert [answers[place]["body"] for place in (5, 8)] == ["xxxxx", "12"]
    bookshop()
    kept = ("status", "headers", "body")
    expected = send(MIXED, headers=ADA, url="/batch/")
    assert [[each[name] for name in kept] for each in answers] == [[each[name] for name in kept] for each in expected]


def test_cookies_are_set_on_the_answer(bookshop):
    _, headers, _ = async_to_sync(answer)(content(gets("/cookie/")), "/abatch/")
    assert headers["Set-Cookie"].startswith("fruit=pear")


def test_body_past_the_limit_is_not_read_to_its_end(bookshop, settings):
    settings.BATCH = {"MAX_RESPONSE_SIZE": 3}
    large, small = bodies(send(gets("/stream/7/", "/stream/3/")))
    assert (large["code"], small) == ("body_too_large", "xxx")


@both
def test_language_of_the_batch_is_that_of_its_async_views(bookshop, headers):
    answers = send(gets("/language/"), headers={**headers, "Accept-Language": "de"})
    assert bodies(answers) == [["de", "de"]]


def test_connection_that_an_async_view_disturbs_is_closed_as_after_a_request_alone(bookshop):
    assert bodies(send(gets("/disturb/", "/autocommit/")))[1] is True


def test_references_and_paths_that_lead_nowhere_are_no_async_views(bookshop):
    requests = [*gets("/count/"), {"path": "{0#/body/url}", "depends_on": "0"}]
    assert fates(send(requests)) == ["200", "424 unresolved_reference"]


def test_batch_inside_a_transaction_is_done_by_its_thread(bookshop):
    """As where a test of Django's `TestCase` sends it."""
    with transaction.atomic():
        Author.objects.create(name="Ursula")
        sent = content(gets("/thread/", "/async-count/"), parallel=True)
        response = async_to_sync(AsyncClient().post)("/abatch/", sent, content_type="application/json")
    assert bodies(response.json()["responses"]) == [current_thread().name, Author.objects.count()]


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache"])
@both
def test_session_that_an_async_view_changes_is_seen_by_sync_ones_and_the_other_way(bookshop, headers, engine, settings):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    client = Client()
    client.force_login(User.objects.get(username="ada"))
    client.get("/accounts/login/")  # sets the CSRF cookie
    cookies = {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())}
    cookies["X-CSRFToken"] = client.cookies["csrftoken"].value
    requests = [
        {"id": str(number), "path": url} for number, url in enumerate(["/api/visits/", "/visits/"] * 3 + ["/api/me/"])
    ]
    *visits, me = bodies(send(requests, headers={**headers, **cookies}))
    assert [each["visits"] for each in visits] == [1, 2, 3, 4, 5, 6]
    assert me["username"] == "ada"
    assert client.get("/api/visits/").json() == {"visits": 7}


@in_any_order
def test_no_statement_is_listened_to_when_it_has_ended(bookshop, parallel):
    heard = []

    def note(**kwargs):
        heard.append(len(lookups._active))

    subrequest_started.connect(note)
    try:
        send(gets(*["/api/books/1/", "/count/"] * 3), parallel=parallel)
    finally:
        subrequest_started.disconnect(note)
    assert heard == [1] * 6
    assert lookups._active == set()


def test_atomic_batch_is_all_or_nothing(bookshop):
    write = {"id": "w", "method": "PUT", "path": "/api/orders/N-1/", "body": {}}
    answers = send([write, *gets("/fail/")], headers=ADA, atomic=True)
    assert fates(answers) == ["424 rolled_back", "500"]
    assert not Order.objects.filter(number="N-1").exists()


@both
def test_dry_run_is_rolled_back(bookshop, headers):
    requests = [{"id": "0", "method": "PUT", "path": "/api/orders/N-1/", "body": {}}, {"id": "1", "path": "/count/"}]
    before = Order.objects.count()
    answers = send(requests, headers={**ADA, **headers}, dry_run=True)
    assert (fates(answers), answers[1]["body"]) == (["201", "200"], before + 1)
    assert Order.objects.count() == before


# Who may send it


def test_batch_is_refused_as_by_batch_view(bookshop):
    for url, batch, headers in [
        ("/guarded/", b"[]", {}),
        ("/abatch/", b"{", {}),
        ("/abatch/", b'[{"path":"/","depends_on":"x"}]', LINES),
        ("/abatch/", b"[]", {"Content-Type": "text/plain"}),
        ("/abatch/", b"[]", {"Authorization": "Token nobody"}),
    ]:
        refused = async_to_sync(answer)(batch, url, headers=headers)
        assert refused[0] in (400, 401, 415)
        if url == "/abatch/":
            assert refused == async_to_sync(answer)(batch, "/batch/", headers=headers)


@pytest.mark.parametrize("url", ["/abatch/", "/batch/"])
@both
def test_remote_user_is_known_by_the_header_that_django_reads_under_asgi(bookshop, url, headers, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.RemoteUserMiddleware"]
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    requests = [*gets("/user/", "/async-user/"), {"id": "2", "path": "/user/", "atomicity_group": "g"}]
    token = {"Cookie": f"csrftoken={'a' * 32}", "X-CSRFToken": "a" * 32}
    answers = send(requests, headers={**headers, **token, "Remote-User": "ada"}, url=url)
    assert bodies(answers) == ["ada", "ada", "ada"]


def test_batch_is_throttled(bookshop):
    statuses = [async_to_sync(answer)(content(gets("/api/me/")), "/throttled/")[0] for _ in range(2)]
    assert statuses == [207, 429]


def test_under_wsgi_it_is_a_batch_view(bookshop, settings, meeting):
    settings.BATCH = {"EXECUTOR": "django_batch.execution.executors.ThreadExecutor"}
    client = BatchClient()
    meeting(2)
    names = bodies(client.batch([{"path": "/meet/"}] * 2, path="/abatch/", parallel=True))
    assert len({*names}) == 2
    lines = client.post("/abatch/", content(gets("/thread/")), content_type="application/json", headers=LINES)
    assert json.loads(b"".join(lines.streaming_content).splitlines()[-1])["done"]


# Who does it


@both
def test_async_views_are_tasks_of_the_loop(bookshop, headers):
    @async_to_sync
    async def sent() -> tuple[str, list[str]]:
        _, _, body = await answer(content(gets("/async-thread/", "/thread/", "/async-thread/", "/thread/")), "/abatch/")
        return current_thread().name, bodies(json.loads(body)["responses"])

    loop, (first, second, third, fourth) = sent()
    assert first == third == loop
    assert second == fourth != loop


@both
def test_async_views_wait_together(bookshop, headers):
    assert len(send(gets(*["/async-meet/4/"] * 4), headers=headers, parallel=True)) == 4


@both
def test_sync_views_overlap_on_threads(bookshop, headers, meeting):
    meeting(3)
    names = bodies(send(gets(*["/meet/"] * 3), headers=headers, parallel=True))
    assert len({*names}) == 3
    assert all(name.startswith("django_batch") for name in names)


@both
def test_sync_views_overlap_with_async_ones_that_use_the_database(bookshop, headers, monkeypatch):
    arrived, released = Event(), Event()

    class Gate:
        def wait(self, seconds: float) -> None:
            arrived.set()
            assert released.wait(seconds)

    def release(subresponse, **arguments):
        if subresponse.subrequest.path == "/count/":
            released.set()

    monkeypatch.setitem(globals(), "barrier", Gate())
    signals.subrequest_finished.connect(release)
    try:
        bodies(send(gets("/meet/", "/count/"), headers=headers, parallel=True))
    finally:
        signals.subrequest_finished.disconnect(release)


def test_no_more_than_max_workers_are_in_progress(bookshop, meeting, settings):
    settings.BATCH = {"MAX_WORKERS": 2}
    meeting(2)
    assert len({*bodies(send(gets(*["/meet/"] * 8), parallel=True))}) == 2


def test_group_is_done_by_one_thread_beside_a_read(bookshop, meeting):
    meeting(2)
    group = [{**each, "atomicity_group": "g"} for each in gets("/thread/", "/meet/", "/thread/")]
    *names, other = bodies(send([*group, {"path": "/meet/"}], parallel=True))
    assert len({*names}) == 1
    assert other not in names


@both
def test_batch_ends_though_the_pool_is_exhausted(bookshop, headers):
    taken = 0
    while pool.take():
        taken += 1
    try:
        assert len(send(gets(*["/thread/", "/count/"] * 4), headers=headers, parallel=True)) == 8
    finally:
        for _ in range(taken):
            pool.threads.submit(pool.give_back).result(SECONDS)


@in_any_order
def test_connections_of_threads_are_closed_when_it_has_ended(bookshop, parallel):
    opened = []

    def note(connection, **kwargs):
        opened.append(connection)

    connection_created.connect(note)
    try:
        requests = gets(*["/api/books/1/", "/count/"] * 4, "/api/books/2/")
        assert len(send(requests, parallel=parallel)) == 9
    finally:
        connection_created.disconnect(note)
    assert opened
    assert [each for each in opened if each.connection is not None and each is not connections[each.alias]] == []


@in_any_order
@pytest.mark.django_db(databases="__all__")
def test_rows_of_a_test_case_are_seen(parallel):
    Author.objects.create(name="Ursula")
    requests = gets("/api/authors/?search=Ursula", "/thread/", "/async-count/", "/thread/")
    sent = content(requests, parallel=parallel)
    response = async_to_sync(AsyncClient().post)("/abatch/", sent, content_type="application/json")
    found, first, async_found, second = bodies(response.json()["responses"])
    assert (found["count"], async_found) == (1, 1)
    assert first == second == current_thread().name


@pytest.mark.parametrize("url", ["/abatch/", "/batch/"])
@pytest.mark.django_db(databases="__all__")
def test_rows_of_a_test_case_are_seen_where_answers_are_streamed(url):
    Author.objects.create(name="Ursula")
    sent = content(gets("/api/authors/?search=Ursula", "/async-count/", "/thread/"))

    @async_to_sync
    async def lines() -> list[dict[str, Any]]:
        response = await AsyncClient().post(url, sent, content_type="application/json", headers=LINES)
        return [json.loads(line) async for line in response.streaming_content]

    found, async_found, thread = bodies(lines()[:3])
    assert (found["count"], async_found, thread) == (1, 1, current_thread().name)


# How it ends


@pytest.fixture
def heard() -> Iterator[list[list[int]]]:
    """The statuses that each `batch_finished` tells."""
    heard: list[list[int]] = []

    def note(subresponses, **arguments):
        heard.append([each.status for each in subresponses])

    signals.batch_finished.connect(note)
    yield heard
    signals.batch_finished.disconnect(note)


def tasks_left() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


@in_any_order
def test_client_that_goes_away_cancels_async_views(bookshop, heard, parallel):
    sent = content(gets("/thread/", "/wait/", "/thread/"), parallel=parallel)

    @async_to_sync
    async def leave() -> set[asyncio.Task[Any]]:
        async for event in events(sent, "/abatch/", headers=LINES, leave_after=1):
            if event.get("body"):
                assert await asyncio.to_thread(begun.wait, SECONDS)
        return tasks_left()

    assert leave() == set()
    assert ended == ["wait"]
    assert [statuses[1] for statuses in heard] == [424]


def test_time_out_cancels_async_views(bookshop, settings, heard, monkeypatch):
    settings.BATCH = {"TIMEOUT": 0.5}  # enough to reach the view
    # However long the way to the view takes, there is that much time left.
    monkeypatch.setattr("django_batch.runs.Deadline", partial(Deadline, clock=lambda: 0.0))
    for parallel in (False, True):
        answers = send(gets("/wait/", "/thread/"), parallel=parallel, headers={})
        assert fates(answers)[0] == "504 timed_out"
    assert ended == ["wait", "wait"]


def test_batch_that_is_cancelled_before_its_thread_is_free_begins_all_the_same():
    """`batch_finished` is sent for it, and so `batch_started` has to be, and first."""
    told: list[str] = []
    busy, go_on = Event(), Event()

    def occupy() -> None:
        busy.set()
        assert go_on.wait(SECONDS)

    def begin(**arguments):
        told.append("begun")

    def end(**arguments):
        told.append("ended")

    @async_to_sync
    async def cancel() -> None:
        schedule = Schedule(plan(Batch((Subrequest("a", "GET", "/"),))))
        async with ThreadSensitiveContext():
            occupied = asyncio.create_task(sync_to_async(occupy)())
            assert await asyncio.to_thread(busy.wait, SECONDS)
            run = BatchRun(RequestFactory().post("/batch/"), schedule, None, sender=None)
            task = asyncio.create_task(anext(run.afinished(AsyncExecutor(), max_workers=1)))
            for _ in range(20):
                await asyncio.sleep(0)
            task.cancel()
            for _ in range(20):
                await asyncio.sleep(0)
            go_on.set()
            await asyncio.wait([task, occupied])
            assert task.cancelled()

    signals.batch_started.connect(begin)
    signals.batch_finished.connect(end)
    try:
        cancel()
    finally:
        signals.batch_started.disconnect(begin)
        signals.batch_finished.disconnect(end)
    assert told == ["begun", "ended"]


def test_receivers_of_signals_may_use_the_database_or_be_async(bookshop):
    told = []

    def note(**arguments):
        told.append(Order.objects.count())

    async def anote(**arguments):
        told.append(await Order.objects.acount())

    for signal in (signals.batch_started, signals.subrequest_finished, signals.batch_finished):
        signal.connect(note)
        signal.connect(anote)
    try:
        send(gets("/thread/"))
    finally:
        for signal in (signals.batch_started, signals.subrequest_finished, signals.batch_finished):
            signal.disconnect(note)
            signal.disconnect(anote)
    assert len(told) == 6
    assert len({*told}) == 1
