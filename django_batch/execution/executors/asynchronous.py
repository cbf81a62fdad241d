"""Steps on the loop of an ASGI server: async views as its tasks, sync views and groups on threads.

A batch runs in its order unless it asks for more. Its sync steps run on the thread of the request, which is entered
once for all that follow each other. With `"parallel": true` steps run side by side: the loop keeps the schedule, hands
sync steps to threads of a pool, and never waits for a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from queue import Empty, SimpleQueue
from typing import NamedTuple

from asgiref.sync import sync_to_async

from django_batch.core.batch import Subresponse
from django_batch.core.plan import Step
from django_batch.core.schedule import Schedule
from django_batch.execution.executors.loops import ended, on_thread, settled
from django_batch.execution.executors.pool import give_pooled_back, own_caches, pool
from django_batch.execution.executors.threads import workers_for
from django_batch.execution.internals import with_room
from django_batch.execution.step_runner import StepRunner

AsyncFinished = AsyncGenerator[Sequence[Subresponse], None]


class AsyncExecutor:
    """Runs steps on a loop, those of a batch with `"parallel": true` side by side, at most `max_workers` at a time."""

    async def execute(self, schedule: Schedule, steps: StepRunner, *, max_workers: int) -> AsyncFinished:
        """Have every step run that `schedule` hands out, and yield the answers of each as it is finished.

        Closed or cancelled, it starts nothing more, cancels async views, and waits for what is in progress.
        """
        workers = await sync_to_async(_workers)(schedule, max_workers) if schedule.plan.batch.parallel else 1
        finished = _in_turn(schedule, steps) if workers < 2 else _Tasks(schedule, steps).execute(workers)
        async with aclosing(finished):
            async for subresponses in finished:
                yield subresponses


def _workers(schedule: Schedule, max_workers: int) -> int:
    workers = workers_for(schedule, max_workers)
    give_pooled_back()  # the threads will need it
    return workers


async def _in_turn(schedule: Schedule, steps: StepRunner) -> AsyncFinished:
    """One step after another."""
    row = _Row(schedule, steps)
    while step := row.step:
        if steps.is_async(step):
            yield row.finish(step, await ended(asyncio.create_task(steps.arun(step))))
        else:
            async with aclosing(on_thread(row, at_once=schedule.streamed)) as finished:
                async for subresponses in finished:
                    yield subresponses


class _Row:
    """The sync steps that follow each other, from `step` on."""

    def __init__(self, schedule: Schedule, steps: StepRunner) -> None:
        self._schedule = schedule
        self._steps = steps
        self.step = _first(schedule.start())

    def finish(self, step: Step, subresponses: Sequence[Subresponse]) -> Sequence[Subresponse]:
        """Go on to the next step."""
        self._schedule.finish(step, subresponses)
        self.step = _first(self._schedule.start())
        return subresponses

    def __next__(self) -> Sequence[Subresponse]:
        step = self.step
        if step is None or self._steps.is_async(step):
            raise StopIteration
        return self.finish(step, self._steps.run(step))

    def close(self) -> None:
        """Nothing is open between two steps."""


def _first(steps: Sequence[Step]) -> Step | None:
    return steps[0] if steps else None


class _Done(NamedTuple):
    step: Step
    subresponses: Sequence[Subresponse] = ()
    error: BaseException | None = None


class _Tasks:
    """The steps of one run that are in progress side by side."""

    def __init__(self, schedule: Schedule, steps: StepRunner) -> None:
        self._schedule = schedule
        self._steps = steps
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Queue[_Done] = asyncio.Queue()
        self._todo: SimpleQueue[Step | None] = SimpleQueue()  # for the threads
        self._handed_out: set[int] = set()  # the positions of what they have not done yet
        self._threads: set[asyncio.Task[None]] = set()
        self._async: set[asyncio.Task[None]] = set()  # steps for async views
        self._sync: set[asyncio.Task[None]] = set()  # on the thread of the request
        self._closing = False

    async def execute(self, workers: int) -> AsyncFinished:
        """Have `workers` steps in progress, as long as there are so many."""
        in_progress = 0
        try:
            while True:
                for step in self._schedule.start(workers - in_progress):
                    self._begin(step)
                    in_progress += 1
                if not in_progress:
                    return
                done = await self._done.get()
                in_progress -= 1
                self._handed_out.discard(done.step.position)
                if done.error:
                    raise done.error
                self._schedule.finish(done.step, done.subresponses)
                yield done.subresponses
        finally:
            self._closing = True
            await settled(self._end())

    def _begin(self, step: Step) -> None:
        if self._steps.is_async(step):
            self._start(step, self._steps.arun(step), self._async)
        elif self._has_thread():
            self._handed_out.add(step.position)
            self._todo.put(step)
        else:  # all are busy with other batches, of which one may wait for this very one
            self._start(step, sync_to_async(self._steps.run)(step), self._sync)

    def _start(self, step: Step, work: Awaitable[Sequence[Subresponse]], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(self._note(step, work))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def _has_thread(self) -> bool:
        """Whether there is a thread, and if possible one that has nothing else to do."""
        if len(self._threads) <= len(self._handed_out) and pool.take():
            self._threads.add(asyncio.create_task(self._lead()))
        return bool(self._threads)

    async def _note(self, step: Step, work: Awaitable[Sequence[Subresponse]]) -> None:
        try:
            self._done.put_nowait(_Done(step, await work))
        except BaseException as error:  # raised again where the steps are finished
            self._done.put_nowait(_Done(step, error=error))

    async def _lead(self) -> None:
        await sync_to_async(self._work, thread_sensitive=False, executor=pool.threads)()

    @with_room
    def _work(self) -> None:
        """On a thread of its own: do what there is to do."""
        own_caches()
        try:
            while (step := self._next_step()) and not self._closing:
                try:
                    done = _Done(step, self._steps.run(step))
                except BaseException as error:
                    done = _Done(step, error=error)
                self._loop.call_soon_threadsafe(self._done.put_nowait, done)
        finally:
            pool.give_back()

    def _next_step(self) -> Step | None:
        try:
            return self._todo.get_nowait()
        except Empty:
            give_pooled_back()
            return self._todo.get()

    async def _end(self) -> None:
        """Cancel what can be, wait for the rest, and note what has come of it."""
        for task in self._async:
            task.cancel()
        for _ in self._threads:
            self._todo.put(None)
        if in_progress := self._async | self._sync | self._threads:
            await asyncio.wait(in_progress)
        while not self._done.empty():
            done = self._done.get_nowait()
            self._schedule.finish(done.step, done.subresponses)
