"""`ThreadExecutor`, driven by real plans: how many steps are done at once, by whom, in which order, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import ContextVar
from itertools import islice, product
from threading import Barrier, Event, Lock, current_thread, main_thread
from typing import ClassVar

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from django_batch.core.batch import Batch, Subrequest, Subresponse
from django_batch.core.plan import Step, plan
from django_batch.core.schedule import Schedule
from django_batch.execution.executors import SerialExecutor, ThreadExecutor, threads
from django_batch.execution.executors.pool import SIZE, pool

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

SECONDS = 60  # until what should meet is taken to have missed each other
fruit: ContextVar[str] = ContextVar("fruit", default="none")


@pytest.fixture
def submitted(monkeypatch):
    """What is given to other threads."""
    tasks = []

    class Recording(ThreadPoolExecutor):
        def submit(self, *args):
            tasks.append(args)
            return super().submit(*args)

    with Recording() as pool:
        monkeypatch.setattr(threads.pool, "threads", pool)
        yield tasks


class Interrupted(BaseException):
    """What is no error of a view, as KeyboardInterrupt."""


def subrequest(id_: str | int, *depends_on: str | int, method: str = "GET", group: str | None = None) -> Subrequest:
    return Subrequest(str(id_), method, "/", depends_on=tuple(map(str, depends_on)), atomicity_group=group)


def answered(step: Step, status: int = 200) -> Sequence[Subresponse]:
    return [Subresponse(each, status) for each in step.subrequests]


def books(*subrequests: Subrequest, parallel_writes: bool = False, **options: bool) -> Schedule:
    return Schedule(plan(Batch(subrequests, **{"parallel": True, **options}), parallel_writes=parallel_writes))


def execute(schedule: Schedule, run: Callable[[Step], Sequence[Subresponse]], workers: int = 4) -> list[str]:
    """The ids of the steps in the order they were finished."""
    finished = ThreadExecutor().execute(schedule, run, max_workers=workers)
    return [subresponses[0].subrequest.id for subresponses in finished if subresponses]


class Log:
    """What began and what ended, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.threads: set[object] = set()
        self._lock = Lock()

    def note(self, event: str, step: Step) -> None:
        with self._lock:
            self.events.append((event, step.subrequests[0].id))
            self.threads.add(current_thread())

    def run(self, step: Step) -> Sequence[Subresponse]:
        self.note("begin", step)
        subresponses = answered(step)
        self.note("end", step)
        return subresponses

    def peak(self) -> int:
        """How many were in progress at once."""
        counts, count = [0], 0
        for event, _ in self.events:
            count += 1 if event == "begin" else -1
            counts.append(count)
        return max(counts)

    def place(self, event: str, id_: str | int) -> int:
        return self.events.index((event, str(id_)))


# How many at once.


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_as_many_steps_as_workers_are_done_at_once_and_no_more(workers):
    log, barrier = Log(), Barrier(workers)

    def run(step):
        log.note("begin", step)
        barrier.wait(SECONDS)
        log.note("end", step)
        return answered(step)

    schedule = books(*map(subrequest, range(4 * workers)))
    assert sorted(execute(schedule, run, workers), key=int) == [str(number) for number in range(4 * workers)]
    assert log.peak() == len(log.threads) == workers


def test_thread_of_the_batch_works_too():
    log, barrier = Log(), Barrier(2)

    def run(step):
        barrier.wait(SECONDS)
        return log.run(step)

    execute(books(subrequest(0), subrequest(1)), run, workers=2)
    assert current_thread() in log.threads


SERIAL = {
    "not asked for": ({"parallel": False}, 4),
    "one worker": ({}, 1),
    "one step": ({"atomic": True}, 4),
}


@pytest.mark.parametrize(("options", "workers"), SERIAL.values(), ids=SERIAL)
def test_one_thread_does_all_in_batch_order(submitted, options, workers):
    log = Log()
    schedule = books(*map(subrequest, range(6)), **options)
    finished = execute(schedule, log.run, workers)
    assert finished == [step.subrequests[0].id for step in schedule.plan.steps]
    assert log.threads == {current_thread()}
    assert submitted == []


@pytest.mark.parametrize("alias", ["default", "archive"])
def test_batch_inside_a_transaction_is_done_by_its_own_thread(submitted, alias):
    with transaction.atomic(using=alias):
        assert execute(books(*map(subrequest, range(6))), answered) == ["0", "1", "2", "3", "4", "5"]
    assert submitted == []


def test_other_threads_are_asked_for_help(submitted):
    execute(books(*map(subrequest, range(6))), answered, workers=3)
    assert len(submitted) == 2


# In which order.


@st.composite
def batches(draw):
    """Sub-requests that wait for earlier ones, some unsafe, some in a group."""
    size = draw(st.integers(1, 10))
    blocks = draw(st.lists(st.booleans(), min_size=4, max_size=4))
    groups = [f"g{number // 3}" if blocks[number // 3] else None for number in range(size)]
    return [
        subrequest(
            number,
            *draw(st.lists(st.integers(0, number - 1), max_size=2)) if number else (),
            method=draw(st.sampled_from(["GET", "POST", "DELETE", "HEAD"])),
            group=groups[number],
        )
        for number in range(size)
    ]


@given(subrequests=batches(), parallel_writes=st.booleans(), workers=st.integers(1, 5))
def test_law_each_step_begins_once_and_after_all_it_waits_for(subrequests, parallel_writes, workers):
    log, schedule = Log(), books(*subrequests, parallel_writes=parallel_writes)
    execute(schedule, log.run, workers)
    firsts = {step.position: step.subrequests[0].id for step in schedule.plan.steps}
    assert sorted(log.events) == sorted((event, id_) for event in ("begin", "end") for id_ in firsts.values())
    for step in schedule.plan.steps:
        for before in step.after:
            assert log.place("end", firsts[before]) < log.place("begin", firsts[step.position])
    assert log.peak() <= workers
    assert [each.subrequest for each in schedule.subresponses()] == subrequests


def at_once(*subrequests: Subrequest, ids: set[str], **options: bool) -> None:
    """Succeeds only if those of `ids` are in progress at the same time."""
    barrier = Barrier(len(ids))

    def run(step):
        if step.subrequests[0].id in ids:
            barrier.wait(SECONDS)
        return answered(step)

    execute(books(*subrequests, **options), run, workers=len(ids))


def test_unsafe_subrequest_waits_for_all_before_and_holds_all_after():
    log, barrier = Log(), Barrier(3)

    def run(step):
        log.note("begin", step)
        if step.subrequests[0].id != "write":
            barrier.wait(SECONDS)
        log.note("end", step)
        return answered(step)

    reads = list(map(subrequest, range(6)))
    execute(books(*reads[:3], subrequest("write", method="POST"), *reads[3:]), run, workers=3)
    assert [id_ for _, id_ in log.events].index("write") == 6
    assert log.place("end", "write") == 7


def test_unsafe_subrequests_run_at_once_where_that_is_allowed():
    at_once(*(subrequest(number, method="PUT") for number in range(3)), ids={"0", "1", "2"}, parallel_writes=True)


def test_groups_run_beside_each_other_and_beside_reads():
    members = [subrequest("a", method="POST", group="g"), subrequest("b", method="POST", group="h"), subrequest("c")]
    at_once(*members, ids={"a", "b", "c"})


def test_reads_around_a_chain_run_beside_it():
    at_once(subrequest("a"), subrequest("b", "a"), subrequest("c"), ids={"b", "c"})


# How it ends.


def test_failure_lets_what_is_in_progress_end_and_starts_nothing_more():
    barrier, failed = Barrier(2), Event()

    def run(step):
        barrier.wait(SECONDS)
        if current_thread() is main_thread():
            return answered(step, 400)
        assert failed.wait(SECONDS)
        return answered(step)

    schedule = books(*map(subrequest, range(6)), continue_on_error=False)
    for _ in ThreadExecutor().execute(schedule, run, max_workers=2):
        failed.set()
    assert sorted(each.status for each in schedule.subresponses()[:2]) == [200, 400]
    assert [each.error.code for each in schedule.subresponses()[2:]] == ["not_run"] * 4


@pytest.mark.parametrize("on_batch_thread", [True, False])
@pytest.mark.parametrize("kind", [Interrupted, KeyboardInterrupt, RuntimeError])
def test_exception_that_escapes_is_raised_again_when_all_have_stopped(kind, on_batch_thread):
    log, barrier, raised = Log(), Barrier(2), Event()

    def run(step):
        log.note("begin", step)
        barrier.wait(SECONDS)
        if (current_thread() is main_thread()) == on_batch_thread:
            raised.set()
            raise kind
        assert raised.wait(SECONDS)
        log.note("end", step)
        return answered(step)

    with pytest.raises(kind):
        execute(books(*map(subrequest, range(6))), run, workers=2)
    assert sorted(event for event, _ in log.events) == ["begin", "begin", "end"]


def test_consumer_that_stops_lets_what_is_in_progress_end():
    log, barrier, stopped = Log(), Barrier(2), Event()

    def run(step):
        log.note("begin", step)
        barrier.wait(SECONDS)
        if current_thread() is not main_thread():
            assert stopped.wait(SECONDS)
        log.note("end", step)
        return answered(step)

    finished = ThreadExecutor().execute(books(*map(subrequest, range(6))), run, max_workers=2)
    next(finished)
    stopped.set()
    finished.close()
    assert [event for event, _ in log.events].count("begin") == [event for event, _ in log.events].count("end")
    assert len(log.events) < 12


def test_consumer_of_a_stream_that_is_slow_and_stops_leaves_nobody_waiting(monkeypatch):
    log, reading, waits = Log(), Event(), Event()

    def run(step):
        assert step.position == 0 or reading.wait(SECONDS)
        return log.run(step)

    monkeypatch.setattr(threads, "give_pooled_back", waits.set)  # which is done by whoever is about to wait
    schedule = books(*map(subrequest, range(200)))
    schedule.streamed = True
    with few_threads(1):
        finished = ThreadExecutor().execute(schedule, run, max_workers=2)
        next(finished)
        reading.set()
        assert waits.wait(SECONDS)
        finished.close()
    assert [event for event, _ in log.events].count("begin") == [event for event, _ in log.events].count("end")
    assert len(log.events) == 2 * (1 + threads._AHEAD)


@contextmanager
def few_threads(number: int):
    """The pool has no more than `number`."""
    taken = [pool.take() for _ in range(SIZE - number)]
    assert all(taken)
    try:
        yield
    finally:
        for _ in taken:
            pool._free.release()


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("executor", [ThreadExecutor, SerialExecutor])
def test_consumer_that_stops_at_any_point_of_any_small_batch_leaves_nothing_in_progress(executor, streamed):
    for first, second, third, taken in product([False, True], [False, True], [False, True], range(4)):
        waits = [[], ["0"] if first else [], [*(["0"] if second else []), *(["1"] if third else [])]]
        log, schedule = Log(), books(*(subrequest(place, *waits[place]) for place in range(3)))
        schedule.streamed = streamed
        with closing(executor().execute(schedule, log.run, max_workers=3)) as finished:
            assert len([*islice(finished, taken)]) == taken
        events = list(log.events)
        assert sorted(id_ for event, id_ in events if event == "begin") == sorted(
            id_ for event, id_ in events if event == "end"
        )
        assert {id_ for _, id_ in events} == schedule.answers.keys()
        free = [pool.take() for _ in range(SIZE)]
        for _ in range(free.count(True)):
            pool._free.release()
        assert all(free)


# Threads are few.


@contextmanager
def exhausted_pool():
    """All threads of the pool are busy with something else."""
    released = Event()

    def occupy():
        released.wait(SECONDS)
        pool.give_back()

    occupied = []
    while pool.take():
        occupied.append(pool.threads.submit(occupy))
    try:
        assert len(occupied) == SIZE
        yield
    finally:
        released.set()
        for each in occupied:
            each.result(SECONDS)


def test_batch_ends_though_the_pool_is_exhausted():
    log = Log()
    with exhausted_pool():
        assert len(execute(books(*map(subrequest, range(10))), log.run)) == 10
    assert log.threads == {current_thread()}


def test_batches_inside_batches_end_however_many_there_are():
    def nested(depth):
        def run(step):
            if depth:
                assert len(execute(books(*map(subrequest, range(4))), nested(depth - 1))) == 4
            return answered(step)

        return run

    with ThreadPoolExecutor(20) as clients:
        sent = [clients.submit(execute, books(*map(subrequest, range(4))), nested(2)) for _ in range(20)]
        assert [len(each.result(SECONDS)) for each in sent] == [4] * 20


FORK = """
import os
from tests.execution.executors.test_threads import at_once, subrequest
at_once(subrequest("a"), subrequest("b"), ids={"a", "b"})
if child := os.fork():
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
at_once(subrequest("a"), subrequest("b"), ids={"a", "b"})
os._exit(0)
"""


def test_process_that_was_forked_has_threads_of_its_own():
    setup = "import django; from django.conf import settings; django.setup()"
    done = subprocess.run([sys.executable, "-c", f"{setup}\n{FORK}"], timeout=SECONDS, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


class NotedCache(LocMemCache):
    """Knows the threads that have closed it."""

    closed: ClassVar[set[object]] = set()

    def close(self, **kwargs):
        self.closed.add(current_thread())


def test_caches_of_workers_are_closed(settings):
    settings.CACHES = {"default": {"BACKEND": "tests.execution.executors.test_threads.NotedCache"}}
    log, barrier = Log(), Barrier(3)

    def run(step):
        barrier.wait(SECONDS)
        caches["default"].get("key")
        return log.run(step)

    execute(books(*map(subrequest, range(3))), run, workers=3)
    assert NotedCache.closed == log.threads - {current_thread()}
