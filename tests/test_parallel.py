"""Batches with `"parallel": true`, through the real chain, on databases that several threads can use."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from threading import Barrier, current_thread, main_thread

import pytest
from django.db import connections, transaction
from django.db.backends.signals import connection_created
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import clear_script_prefix, get_script_prefix, include, path, set_script_prefix
from django.utils import timezone, translation
from django.views.decorators.csrf import csrf_exempt

from django_batch.core.batch import Batch, Subrequest
from django_batch.execution.executors import ThreadExecutor
from django_batch.signals import subrequest_finished
from django_batch.testing import BatchClient
from django_batch.views import BatchView, run_batch
from example_project.bookshop.models import Author, Book, Order
from tests.bank.batches import fates
from tests.file_databases import in_files

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]

SECONDS = 60  # until what should meet is taken to have missed each other
BOOK = {"path": "/api/books/1/"}
fruit: ContextVar[str] = ContextVar("fruit", default="none")
barrier = Barrier(1)  # a test puts its own here


def thread(request):
    """Which thread answers."""
    return HttpResponse(current_thread().name)


@csrf_exempt
def meet(request):
    """Answer when as many are here as the test wants."""
    barrier.wait(SECONDS)
    return HttpResponse(current_thread().name)


def meet_and_read(request):
    barrier.wait(SECONDS)
    return JsonResponse({"books": Book.objects.count()})


def stream(request):
    """A hundred bytes, when as many are read as the test wants."""

    def chunks() -> Iterator[bytes]:
        barrier.wait(SECONDS)
        yield b"x" * 100

    return StreamingHttpResponse(chunks(), content_type="text/plain")


def surroundings(request):
    barrier.wait(SECONDS)
    zone = timezone.get_current_timezone_name()
    return JsonResponse([fruit.get(), translation.get_language(), get_script_prefix(), zone], safe=False)


def surround(request):
    """A batch inside a view that has changed what surrounds it."""
    fruit.set("pear")
    set_script_prefix("/shop/")
    with translation.override("de"), timezone.override("Asia/Kathmandu"):
        return nested(request, "/shop/surroundings/")


def interrupt(request):
    barrier.wait(SECONDS)
    if current_thread() is main_thread():
        return HttpResponse()
    raise KeyboardInterrupt


def nested(request, url="/thread/"):
    """A batch of four, side by side."""
    batch = Batch(tuple(Subrequest(str(number), "GET", url) for number in range(4)), parallel=True)
    answers = run_batch(request, batch, executor=ThreadExecutor)
    return JsonResponse([answer.body.decode() for answer in answers], safe=False)


urlpatterns = [
    path("thread/", thread),
    path("meet/", meet),
    path("meet-and-read/", meet_and_read),
    path("stream/", stream),
    path("surroundings/", surroundings),
    path("surround/", surround),
    path("interrupt/", interrupt),
    path("nested/", nested),
    path("unordered/", BatchView.as_view(parallel_writes=True)),
    path("", include("example_project.urls")),
]


@pytest.fixture(autouse=True)
def threads(settings):
    settings.BATCH = {"DRY_RUN": True, "EXECUTOR": "django_batch.execution.executors.ThreadExecutor"}


@pytest.fixture
def bookshop(bookshop, templates, tmp_path):
    """In files."""
    with in_files(templates, tmp_path) as restore:
        yield restore


@pytest.fixture
def meeting(monkeypatch):
    """Lets so many views meet as it is called with."""
    return lambda parties: monkeypatch.setitem(globals(), "barrier", Barrier(parties))


@pytest.fixture
def ada():
    client = BatchClient()
    client.credentials(HTTP_AUTHORIZATION="Token ada-token")
    return client


def bodies(answers):
    assert {answer["status"] for answer in answers} == {200}
    return [answer["body"] for answer in answers]


def put(number, **members):
    return {"method": "PUT", "path": f"/api/orders/{number}/", "body": {"note": "x"}, **members}


# Side by side.


def test_reads_are_answered_side_by_side_and_in_their_order(bookshop, meeting):
    meeting(4)
    answers = BatchClient().batch([{"id": str(number), "path": "/meet/"} for number in range(4)], parallel=True)
    assert len(set(bodies(answers))) == 4
    assert [answer["id"] for answer in answers] == ["0", "1", "2", "3"]


def test_max_workers_are_as_many_as_the_site_says(bookshop, meeting, settings):
    settings.BATCH = {**settings.BATCH, "MAX_WORKERS": 2}
    meeting(2)
    answers = BatchClient().batch([{"path": "/meet/"}] * 6, parallel=True)
    assert len(set(bodies(answers))) == 2


def test_unsafe_requests_of_a_view_that_allows_it_are_answered_side_by_side(bookshop, meeting):
    meeting(2)
    answers = BatchClient().batch([{"method": "POST", "path": "/meet/"}] * 2, path="/unordered/", parallel=True)
    assert len(set(bodies(answers))) == 2


def test_unsafe_requests_are_answered_in_their_order(ada, bookshop):
    writes = [{"method": "POST", "path": "/api/orders/A-1/lines/", "body": {"book": 1, "quantity": 3}}] * 5
    answers = ada.batch([*writes, {"path": "/api/books/1/"}], parallel=True)
    assert fates(answers) == ["201", "201", "201", "400", "400", "200"]
    assert answers[5]["body"]["stock"] == 1


def test_group_is_answered_by_one_thread_beside_a_read(bookshop, meeting):
    meeting(2)
    group = {"atomicity_group": "g"}
    batch = [
        {"path": "/thread/", **group},
        {"path": "/meet/", **group},
        {"path": "/thread/", **group},
        {"path": "/meet/"},
    ]
    first, second, third, single = bodies(BatchClient().batch(batch, parallel=True))
    assert first == second == third != single


def test_dependencies_are_waited_for(ada, bookshop):
    chain = [put("N-0", id="0")]
    chain += [put(f"N-{n}", id=str(n), depends_on=str(n - 1), atomicity_group=f"g{n}") for n in range(1, 6)]
    reads = [{"id": f"read {n}", "path": f"/api/orders/N-{n}/", "depends_on": str(n)} for n in range(6)]
    answers = ada.batch([*reads, *chain], parallel=True)
    assert fates(answers) == ["200"] * 6 + ["201"] * 6


# On one thread.


@pytest.fixture
def finished():
    """The ids in the order they were answered."""
    ids = []

    def note(subrequest, **kwargs):
        ids.append(subrequest.id)

    subrequest_finished.connect(note)
    yield ids
    subrequest_finished.disconnect(note)


ONE_THREAD = {
    "not asked for": {},
    "asked for not": {"parallel": False},
    "atomic": {"parallel": True, "atomic": True},
    "dry run": {"parallel": True, "dry_run": True},
}


@pytest.mark.parametrize("members", ONE_THREAD.values(), ids=ONE_THREAD)
def test_batch_is_answered_in_its_order_by_its_own_thread(bookshop, finished, members):
    answers = BatchClient().batch([{"path": "/thread/"}] * 20, **members)
    assert set(bodies(answers)) == {current_thread().name}
    assert finished == [str(number) for number in range(20)]


def test_serial_executor_does_not_mind(bookshop, finished, settings):
    settings.BATCH = {}
    answers = BatchClient().batch([{"path": "/thread/"}] * 20, parallel=True)
    assert set(bodies(answers)) == {current_thread().name}
    assert finished == [str(number) for number in range(20)]


def test_batch_in_a_transaction_sees_what_that_has_written(ada, bookshop):
    with transaction.atomic():
        Book.objects.filter(pk=1).update(title="Uncommitted")
        answers = ada.batch([BOOK, {"path": "/thread/"}] * 4, parallel=True)
    assert {answer["title"] for answer in bodies(answers)[::2]} == {"Uncommitted"}
    assert set(bodies(answers)[1::2]) == {current_thread().name}


@pytest.mark.django_db(databases="__all__")
def test_rows_of_a_test_case_are_seen():
    Author.objects.create(name="Ursula")
    answers = BatchClient().batch([{"path": "/api/authors/?search=Ursula"}, {"path": "/thread/"}] * 4, parallel=True)
    assert {answer["count"] for answer in bodies(answers)[::2]} == {1}
    assert set(bodies(answers)[1::2]) == {current_thread().name}


def test_dry_run_is_rolled_back_with_all_its_writes(ada, bookshop):
    answers = ada.batch(
        [put(f"N-{number}", atomicity_group=str(number % 3) + "g") for number in range(9)], parallel=True, dry_run=True
    )
    assert fates(answers) == ["201"] * 9
    assert not Order.objects.filter(number__startswith="N-").exists()


# What surrounds a sub-request, and what it leaves behind.


@pytest.fixture
def shop_prefix():
    """Of a server that has the site under /shop/."""
    yield "/shop"
    clear_script_prefix()
    fruit.set("none")


def test_sub_requests_see_the_script_prefix_and_nothing_else_that_surrounds_the_batch(
    bookshop, meeting, settings, shop_prefix
):
    settings.MIDDLEWARE = []
    meeting(4)
    seen = BatchClient().get("/surround/", SCRIPT_NAME=shop_prefix)
    assert seen.json() == ['["none", "en", "/shop/", "UTC"]'] * 4


def test_connections_of_workers_are_closed_when_the_batch_has_ended(bookshop, meeting):
    opened = []

    def note(connection, **kwargs):
        opened.append(connection)

    connection_created.connect(note)
    try:
        meeting(4)
        assert bodies(BatchClient().batch([{"path": "/meet-and-read/"}] * 4, parallel=True)) == [{"books": 240}] * 4
    finally:
        connection_created.disconnect(note)
    assert len(opened) >= 3
    assert [each for each in opened if each.connection is not None and each is not connections[each.alias]] == []


def test_cookies_of_all_are_set_and_the_last_in_order_wins(bookshop, meeting):
    setting = [
        {"method": "POST", "path": f"/api/cookies/?name={name}&value={n}&path=/"} for n in range(8) for name in "ab"
    ]
    response = BatchClient().send_batch({"requests": setting, "parallel": True}, path="/unordered/")
    assert {name: morsel.value for name, morsel in response.cookies.items()} == {"a": "7", "b": "7"}


def test_login_is_known_to_what_depends_on_it(bookshop):
    login = {
        "id": "login",
        "method": "POST",
        "path": "/api/login/",
        "body": {"username": "ada", "password": "ada-secret"},
    }
    answers = BatchClient().batch([login, *[{"path": "/api/me/", "depends_on": "login"}] * 6], parallel=True)
    assert {answer["body"]["username"] for answer in answers} == {"ada"}


def test_bodies_together_are_bounded_though_they_are_read_at_once(bookshop, meeting, settings):
    settings.BATCH = {**settings.BATCH, "MAX_RESPONSE_SIZE": 250}
    meeting(4)
    answers = BatchClient().batch([{"path": "/stream/"}] * 4, parallel=True)
    sizes = sorted(len(answer["body"]) for answer in answers if isinstance(answer["body"], str))
    assert sizes == [100, 100]
    assert [answer["body"]["code"] for answer in answers if not isinstance(answer["body"], str)] == [
        "body_too_large"
    ] * 2


def test_bodies_of_a_group_and_beside_it_are_bounded_together(bookshop, meeting, settings):
    settings.BATCH = {**settings.BATCH, "MAX_RESPONSE_SIZE": 150}
    meeting(2)
    answers = BatchClient().batch([{"path": "/stream/", "atomicity_group": "g"}, {"path": "/stream/"}], parallel=True)
    assert sorted(isinstance(answer["body"], str) for answer in answers) == [False, True]


def test_bodies_that_were_rolled_back_take_no_room(bookshop, settings):
    settings.BATCH = {"MAX_RESPONSE_SIZE": 400}
    group = [{"path": path, "atomicity_group": "g"} for path in ("/stream/", "/stream/", "/stream/", "/api/books/999/")]
    answers = BatchClient().batch([*group, {"path": "/stream/"}, {"path": "/stream/"}])
    assert [answer["body"] for answer in answers[4:]] == ["x" * 100] * 2


# How it ends.


def test_interrupt_in_a_worker_ends_the_batch_on_its_own_thread(bookshop, meeting):
    meeting(2)
    with pytest.raises(KeyboardInterrupt):
        BatchClient().batch([{"path": "/interrupt/"}] * 2, parallel=True)
    assert bodies(BatchClient().batch([BOOK] * 4, parallel=True))[0]["id"] == 1


def test_batch_that_stops_at_a_failure_starts_nothing_more(bookshop):
    batch = [{"path": "/api/books/999/", "id": "a"}, *[{**BOOK, "method": "PATCH", "depends_on": "a"}] * 9]
    answers = BatchClient().batch(batch, parallel=True, continue_on_error=False)
    assert fates(answers) == ["404"] + ["424 not_run"] * 9


def test_views_that_run_batches_side_by_side_end(bookshop):
    answers = BatchClient().batch([{"path": "/nested/"}] * 12, parallel=True)
    assert [len(body) for body in bodies(answers)] == [4] * 12


def test_batches_at_once_end_however_many_there_are(bookshop):
    def send(number):
        try:
            return bodies(BatchClient().batch([{"path": "/nested/"}, BOOK, {"path": "/thread/"}] * 3, parallel=True))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as clients:
        sent = [clients.submit(send, number) for number in range(16)]
        assert [len(each.result(SECONDS)) for each in sent] == [9] * 16
