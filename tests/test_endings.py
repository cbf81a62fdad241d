"""How batches end: the time is over, or the client goes away, at every point of every small batch, on every road.

A point is a moment before, in or behind a view, at the commit of a group, between two steps, or while an answer is
sent. Each run counts them, so that none is left out: the next one ends at the next, until one has come to its end.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, product
from threading import Lock
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from django_batch import signals
from django_batch.execution.executors.deadline import Deadline
from django_batch.execution.executors.pool import SIZE, pool
from django_batch.views import BatchView
from tests import asgi
from tests.bank import open_bank
from tests.bank.batches import references
from tests.bank.models import Entry
from tests.roads import NIGHTLY, SOME, Road

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

SECONDS = 60
TURNS = 10  # of a loop, in which a client that is gone is noticed
DISCONNECT = {"type": "http.disconnect"}


class Ending:
    """What happens at the point `at`: the clock of the batch jumps, or its client, if `leaves`, goes away."""

    def __init__(self, at: int, *, leaves: bool) -> None:
        self.points = 0
        self.time = 0.0
        self.begun = 0  # batches
        self._at, self._leaves = at, leaves
        self._lock = Lock()
        self._leave: Callable[[], object] = int

    def begin(self, asked: asyncio.Queue[dict[str, Any]]) -> None:
        """The client is that of the running loop."""
        self._loop = asyncio.get_running_loop()
        self._leave = partial(self._loop.call_soon_threadsafe, asked.put_nowait, DISCONNECT)

    def reach(self, **arguments: object) -> None:
        """There may be no loop on this thread: what is on another is waited for."""
        if self._is_here() and self._leaves and not _on_a_loop():
            for _ in range(TURNS):
                asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop).result(SECONDS)

    async def areach(self) -> None:
        if self._is_here():
            for _ in range(TURNS):
                await asyncio.sleep(0)

    def _is_here(self) -> bool:
        with self._lock:
            is_here = self.points == self._at
            self.points += 1
        if is_here and self._leaves:
            self._leave()
        elif is_here:
            self.time = 100.0
        return is_here


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


ending = Ending(-1, leaves=False)  # a test puts its own here


@csrf_exempt
def write(request: HttpRequest, reference: str) -> HttpResponse:
    ending.reach()
    transaction.on_commit(lambda: ending.reach())
    Entry.objects.create(reference=reference)
    ending.reach()
    return HttpResponse(status=201)


@csrf_exempt
async def awrite(request: HttpRequest, reference: str) -> HttpResponse:
    await ending.areach()
    await Entry.objects.acreate(reference=reference)
    await ending.areach()
    return HttpResponse(status=201)


urlpatterns = [
    path("write/<reference>/", write),
    path("awrite/<reference>/", awrite),
    path("batch/", BatchView.as_view()),
]


@pytest.fixture
def heard(bookshop_in_files) -> Iterator[list[dict[str, int]]]:
    """The statuses that each `batch_finished` tells, by the id."""
    heard = []

    def finish(subresponses: list[Any], **arguments: object) -> None:
        heard.append({each.subrequest.id: each.status for each in subresponses})

    def begin(**arguments: object) -> None:
        ending.begun += 1
        ending.reach()

    def reach(**arguments: object) -> None:
        ending.reach()

    signals.batch_finished.connect(finish)
    signals.batch_started.connect(begin)
    signals.subrequest_finished.connect(reach)
    with open_bank("default"):
        yield heard
    signals.batch_finished.disconnect(finish)
    signals.batch_started.disconnect(begin)
    signals.subrequest_finished.disconnect(reach)


def batch(edges: tuple[bool, ...], singles: str, *, parallel: bool) -> bytes:
    """One, a group of two, and one more, of which each may wait for those before it."""
    after_a, after_group, last_after_a = edges
    group = {"method": "POST", "atomicity_group": "g", "depends_on": ["a"] if after_a else []}
    waits_for = [*(["a"] if last_after_a else []), *(["g"] if after_group else [])]
    requests = [
        {"id": "a", "method": "POST", "path": f"/{singles}/a/"},
        *({"id": id_, "path": f"/write/{id_}/", **group} for id_ in "bc"),
        {"id": "d", "method": "POST", "path": f"/{singles}/d/", "depends_on": waits_for},
    ]
    return json.dumps({"requests": requests, "parallel": parallel}).encode()


GRAPHS = [*product([False, True], repeat=3)] if NIGHTLY else [(False, False, False), (True, True, True)]
WAYS = [
    (leaves, road, parallel)
    for leaves, road, parallel in product([False, True], SOME, [False, True])
    if (road.executor != "serial" or not parallel) and (road.asgi or not leaves)  # a server of WSGI does not notice
]


def _now() -> float:
    return ending.time


def send(road: Road, content: bytes) -> None:
    """Read what is answered, until the client has gone."""
    if not road.asgi:
        headers = {"accept": "application/jsonl"} if road.lines else {}
        response = Client().post("/batch/", content, content_type="application/json", headers=headers)
        for _ in response:
            ending.reach()
        return

    @async_to_sync
    async def served() -> set[asyncio.Task[Any]]:
        asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        ending.begin(asked)
        async for _ in asgi.events(content, headers=road.headers, asked=asked):
            await ending.areach()
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert served() == set()


def assert_ended(heard: list[dict[str, int]], singles: str) -> None:
    """A batch is told of at its end if it was begun, before which a client of a stream may already have gone."""
    assert len(heard) == ending.begun
    if heard:
        assert_whole(heard.pop(), singles)
    else:
        assert references() == []


def assert_whole(statuses: dict[str, int], singles: str) -> None:
    """The group is there or not, and told so; whoever was told of success is there; and nothing is open."""
    rows = {*references()}
    assert {"b", "c"} & rows in (set(), {"b", "c"})
    assert {id_ for id_ in "bc" if statuses[id_] < 400} == {"b", "c"} & rows
    told = {id_ for id_, status in statuses.items() if status < 400}
    assert told <= rows
    assert singles == "awrite" or told == rows
    assert not any(connection.in_atomic_block for connection in connections.all())
    taken = [pool.take() for _ in range(SIZE)]
    for _ in range(taken.count(True)):
        pool._free.release()
    assert all(taken)


def ended_at_every_point(road: Road, content: bytes, *, leaves: bool) -> Iterator[None]:
    """Send the batch again and again, each time to an end at the next point."""
    global ending
    for at in count():
        Entry.objects.all().delete()
        ending = Ending(at, leaves=leaves)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("django_batch.runs.Deadline", partial(Deadline, clock=_now))
            send(road, content)
        yield
        if ending.points <= at:
            assert at >= 9, "There are more points than that."
            return


@pytest.mark.parametrize("singles", ["write", "awrite"], ids=["sync", "async"])
@pytest.mark.parametrize(("leaves", "road", "parallel"), WAYS, ids=str)
def test_batch_that_ends_at_any_point_leaves_all_or_nothing_of_a_group_and_nothing_open(
    heard, leaves, road, parallel, singles
):
    settings = road.settings(__name__, BATCH={"TIMEOUT": 5})
    for edges in GRAPHS:
        with override_settings(**settings):
            for _ in ended_at_every_point(road, batch(edges, singles, parallel=parallel), leaves=leaves):
                assert ending.begun or leaves
                assert_ended(heard, singles)


@pytest.mark.parametrize("singles", ["write", "awrite"], ids=["sync", "async"])
@pytest.mark.parametrize("parallel", [False, True], ids=["in turn", "side by side"])
@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_client_of_wsgi_that_goes_away_after_any_line_leaves_the_same(heard, executor, parallel, singles):
    global ending
    headers = {"accept": "application/jsonl"}
    for edges, lines in product(GRAPHS, range(5)):
        ending = Ending(-1, leaves=False)
        Entry.objects.all().delete()
        with override_settings(**Road(executor).settings(__name__)):
            content = batch(edges, singles, parallel=parallel)
            response = Client().post("/batch/", content, content_type="application/json", headers=headers)
            pieces = iter(response.streaming_content)
            for _ in range(min(lines, 3)):
                next(pieces)
            response.close()
        assert heard or lines == 0
        assert_ended(heard, singles)
