"""Steps on a loop: which begin when, where, and what is left of them however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from itertools import product
from threading import Event, current_thread

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync
from hypothesis import given
from hypothesis import strategies as st

from django_batch.core.batch import Batch, Subrequest, Subresponse
from django_batch.core.plan import Step, plan
from django_batch.core.schedule import Schedule
from django_batch.execution.executors.asynchronous import AsyncExecutor
from django_batch.execution.executors.pool import SIZE, pool
from tests.execution.executors.test_threads import Log, answered, batches, books

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

SECONDS = 60  # until what should come is taken to be lost


@dataclass
class FakeSteps:
    """Steps that are noted. The one of the id `held` is in progress until it is let go, or cancelled."""

    on_the_loop: frozenset[str]
    held: str | None = None
    log: Log = field(default_factory=Log)
    is_held: Event = field(default_factory=Event)
    let_go: Event = field(default_factory=Event)
    cancelled: list[str] = field(default_factory=list)

    def is_async(self, step: Step) -> bool:
        return not step.atomic and step.subrequests[0].id in self.on_the_loop

    def run(self, step: Step) -> Sequence[Subresponse]:
        self.log.note("begin", step)
        if step.subrequests[0].id == self.held:
            self.is_held.set()
            assert self.let_go.wait(SECONDS)
        self.log.note("end", step)
        return answered(step)

    async def arun(self, step: Step) -> Sequence[Subresponse]:
        self.log.note("begin", step)
        try:
            if step.subrequests[0].id == self.held:
                self.is_held.set()
                await asyncio.to_thread(self.let_go.wait, SECONDS)
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled.append(step.subrequests[0].id)
            raise
        finally:
            self.log.note("end", step)
        return answered(step)


async def execute(schedule: Schedule, steps: FakeSteps, workers: int = 3, *, close_after: int | None = None) -> int:
    """How many steps were finished, until all were, or the reader has gone."""
    number = 0
    async with aclosing(AsyncExecutor().execute(schedule, steps, max_workers=workers)) as finished:
        while number != close_after:
            try:
                await anext(finished)
            except StopAsyncIteration:
                break
            number += 1
    return number


def nothing_is_left() -> bool:
    """Whether no thread is taken, and nothing but the caller is on the loop."""
    taken = [pool.take() for _ in range(SIZE)]
    for _ in range(taken.count(True)):
        pool._free.release()
    return all(taken) and asyncio.all_tasks() == {asyncio.current_task()}


# In which order


@given(
    subrequests=batches(),
    on_the_loop=st.frozensets(st.sampled_from("0123456789")),
    parallel=st.booleans(),
    workers=st.integers(1, 5),
)
def test_law_each_step_begins_once_and_after_all_it_waits_for(subrequests, on_the_loop, parallel, workers):
    steps, schedule = FakeSteps(on_the_loop), books(*subrequests, parallel=parallel)

    @async_to_sync
    async def done() -> None:
        async with ThreadSensitiveContext():
            assert await execute(schedule, steps, workers) == len(schedule.plan.steps)
            assert nothing_is_left()

    done()
    firsts = {step.position: step.subrequests[0].id for step in schedule.plan.steps}
    assert sorted(steps.log.events) == sorted((event, id_) for event in ("begin", "end") for id_ in firsts.values())
    for step in schedule.plan.steps:
        for before in step.after:
            assert steps.log.place("end", firsts[before]) < steps.log.place("begin", firsts[step.position])
    assert steps.log.peak() <= (workers if parallel else 1)
    assert [each.subrequest for each in schedule.subresponses()] == subrequests


# How it ends: every small batch, at every point


GRAPHS = [
    tuple(frozenset(edge[0] for edge in edges if edge[1] == place) for place in "012")
    for edges in (
        [pair for pair, there in zip(("01", "02", "12"), chosen, strict=True) if there]
        for chosen in product([False, True], repeat=3)
    )
]
KINDS = [frozenset(each for each in chosen if each) for chosen in product(("0", ""), ("1", ""), ("2", ""))]


def small_run(graph: Sequence[frozenset[str]], parallel: bool, **options: bool) -> Schedule:
    subrequests = [Subrequest(str(place), "GET", "/", depends_on=tuple(sorted(graph[place]))) for place in range(3)]
    return Schedule(plan(Batch(tuple(subrequests), parallel=parallel)), **options)


def begun(steps: FakeSteps) -> set[str]:
    return {id_ for event, id_ in steps.log.events if event == "begin"}


def ended(steps: FakeSteps) -> set[str]:
    return {id_ for event, id_ in steps.log.events if event == "end"}


@pytest.mark.parametrize("parallel", [False, True], ids=["in turn", "side by side"])
@pytest.mark.parametrize("on_the_loop", KINDS, ids=lambda kinds: "".join(sorted(kinds)) or "none")
def test_reader_that_goes_away_between_two_answers_leaves_nothing_in_progress(on_the_loop, parallel):
    for graph, close_after in product(GRAPHS, range(4)):
        steps, schedule = FakeSteps(on_the_loop), small_run(graph, parallel, streamed=True)

        @async_to_sync
        async def leave(steps=steps, schedule=schedule, close_after=close_after) -> None:
            async with ThreadSensitiveContext():
                assert await execute(schedule, steps, close_after=close_after) == close_after
                assert nothing_is_left()
                before = list(steps.log.events)
                await asyncio.sleep(0)
                assert steps.log.events == before

        leave()
        assert begun(steps) == ended(steps)
        assert len(begun(steps)) >= close_after
        if close_after < 3:
            schedule.stop("of the test")
        assert [each.subrequest.id for each in schedule.subresponses()] == ["0", "1", "2"]


@pytest.mark.parametrize("parallel", [False, True], ids=["in turn", "side by side"])
@pytest.mark.parametrize("on_the_loop", KINDS, ids=lambda kinds: "".join(sorted(kinds)) or "none")
def test_reader_that_is_cancelled_while_a_step_is_in_progress_waits_for_it(on_the_loop, parallel):
    for graph, held in product(GRAPHS, "012"):
        steps, schedule = FakeSteps(on_the_loop, held), small_run(graph, parallel)

        @async_to_sync
        async def cancel(steps=steps, schedule=schedule, held=held) -> None:
            async with ThreadSensitiveContext():
                reader = asyncio.create_task(execute(schedule, steps))
                assert await asyncio.to_thread(steps.is_held.wait, SECONDS)
                reader.cancel()
                await asyncio.sleep(0)
                assert held in steps.on_the_loop or not reader.done()
                began = begun(steps)
                waiting = (str(place) for place, number in schedule._waiting.items() if number)
                not_handed_out = {*map(str, schedule._ready), *waiting}
                steps.let_go.set()
                with suppress(asyncio.CancelledError):
                    await reader
                assert reader.cancelled()
                assert nothing_is_left()
                # What was handed to a thread may begin, what was not begins no more.
                assert not begun(steps) & not_handed_out if parallel else begun(steps) == began

        cancel()
        assert begun(steps) == ended(steps) == {*schedule.answers, *steps.cancelled}
        assert steps.cancelled == ([held] if held in on_the_loop else steps.cancelled)


@pytest.mark.parametrize("parallel", [False, True], ids=["in turn", "side by side"])
def test_run_whose_time_is_over_starts_nothing_more_at_any_point(parallel):
    for graph, on_the_loop, after in product(GRAPHS, KINDS, range(4)):
        steps = FakeSteps(on_the_loop)
        schedule = small_run(graph, parallel, over=lambda steps=steps, after=after: len(ended(steps)) >= after)

        @async_to_sync
        async def done(steps=steps, schedule=schedule) -> None:
            async with ThreadSensitiveContext():
                await execute(schedule, steps)
                assert nothing_is_left()

        done()
        assert begun(steps) == ended(steps) == schedule.answers.keys()
        assert len(ended(steps)) >= after
        assert {each.error.code for each in schedule.subresponses() if each.error} <= {"not_run"}


@pytest.mark.parametrize("kind", [RuntimeError, SystemError])
@pytest.mark.parametrize("parallel", [False, True], ids=["in turn", "side by side"])
@pytest.mark.parametrize("on_the_loop", [frozenset(), frozenset("0")], ids=["sync", "async"])
def test_exception_that_escapes_is_raised_when_all_have_stopped(kind, parallel, on_the_loop):
    class Broken(FakeSteps):
        def run(self, step: Step) -> Sequence[Subresponse]:
            if step.subrequests[0].id == "0":
                raise kind
            return super().run(step)

        async def arun(self, step: Step) -> Sequence[Subresponse]:
            return self.run(step)

    steps, schedule = Broken(on_the_loop), small_run(GRAPHS[0], parallel)

    @async_to_sync
    async def done() -> None:
        async with ThreadSensitiveContext():
            with pytest.raises(kind):
                await execute(schedule, steps)
            assert nothing_is_left()

    done()
    assert begun(steps) == ended(steps)


def test_sync_steps_that_follow_each_other_enter_the_thread_once(monkeypatch):
    entered: list[str] = []

    class Noting(FakeSteps):
        def run(self, step: Step) -> Sequence[Subresponse]:
            entered.append(current_thread().name)
            return super().run(step)

    steps = Noting(frozenset())
    schedule = Schedule(plan(Batch(tuple(Subrequest(str(place), "GET", "/") for place in range(10)))))
    calls = _counted(monkeypatch)

    @async_to_sync
    async def done() -> None:
        async with ThreadSensitiveContext():
            assert await execute(schedule, steps) == 10

    done()
    assert len({*entered}) == 1
    assert calls == ["_fill"]


def _counted(monkeypatch) -> list[str]:
    """The names of what is called on the thread of the request."""
    from django_batch.execution.executors import loops

    calls: list[str] = []
    original = loops.sync_to_async

    def counting(function, **options):
        calls.append(function.__name__)
        return original(function, **options)

    monkeypatch.setattr(loops, "sync_to_async", counting)
    return calls
