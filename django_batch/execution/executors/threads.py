"""Steps side by side, on threads of one pool per process.

The thread of the batch works too, so that a batch ends even if the pool is exhausted, or waits for this very batch.
Each worker takes one step after another, and gives its connections back when no step is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import copy_context
from threading import Condition

from django.db import connections

from django_batch.core.batch import Subresponse
from django_batch.core.plan import Step
from django_batch.core.schedule import Schedule
from django_batch.execution.executors.base import Executor, Finished, Run
from django_batch.execution.executors.pool import give_pooled_back, pool
from django_batch.execution.executors.serial import SerialExecutor
from django_batch.execution.internals import with_room

_AHEAD = 16  # answers of a streamed run that may wait to be sent


class ThreadExecutor(Executor):
    """Runs independent steps of a batch with `"parallel": true` on at most `max_workers` threads; others serially."""

    side_by_side = True

    def execute(self, schedule: Schedule, run: Run, *, max_workers: int) -> Finished:
        """Perform steps as soon as they may start. Their answers come as they are finished."""
        workers = workers_for(schedule, max_workers)
        if not schedule.plan.batch.parallel or workers < 2:
            return SerialExecutor().execute(schedule, run, max_workers=1)
        return _Workers(schedule, run).execute(workers)


def workers_for(schedule: Schedule, max_workers: int) -> int:
    """How many steps of `schedule` may run at once: one in a transaction, which other threads would not see."""
    if any(connection.in_atomic_block for connection in connections.all(initialized_only=True)):
        return 1
    return min(max_workers, len(schedule.plan.steps), *_pool_sizes())


class _Workers:
    """The workers of one run. Its books are opened by one of them at a time."""

    def __init__(self, schedule: Schedule, run: Run) -> None:
        self._schedule = schedule
        self._run = run
        self._changed = Condition()
        self._in_progress = 0  # steps
        self._helping = 0  # threads that have not given back their connections
        self._finished: list[Sequence[Subresponse]] = []
        self._error: BaseException | None = None

    def execute(self, workers: int) -> Finished:
        """Work with `workers` - 1 others, and report what all of them have finished.

        A streamed run is worked on by all the others if there are any, so that no report waits for a step.
        """
        self._hire(workers if self._schedule.streamed else workers - 1)
        try:
            while True:
                if self._schedule.streamed and self._await_report():
                    yield from self._reports()
                elif step := self._next_step():
                    self._do(step)
                    yield from self._reports()
                else:
                    break
            yield from self._reports()
        finally:
            self._stop()
        if self._error:
            raise self._error

    def _hire(self, number: int) -> None:
        """Have the work done by so many threads of the pool, or as many as are free."""
        for _ in range(number):
            if pool.take():
                with self._changed:
                    self._helping += 1
                pool.threads.submit(copy_context().run, self._work)

    def _await_report(self) -> bool:
        """Whether others have finished something, once they have, or there are none."""
        with self._changed:
            self._changed.wait_for(lambda: self._finished or not self._helping)
            return bool(self._finished)

    @with_room
    def _work(self) -> None:
        try:
            while step := self._next_step():
                self._do(step)
        finally:
            pool.give_back()
            with self._changed:
                self._helping -= 1
                self._changed.notify_all()

    def _next_step(self) -> Step | None:
        """A step that may start, as soon as there is one; None when the run is over."""
        with self._changed:
            while self._schedule.streamed and len(self._finished) >= _AHEAD and not self._schedule.stopped:
                self._wait()
            while not (steps := self._schedule.start()) and self._in_progress:
                self._wait()
            self._in_progress += len(steps)
            return steps[0] if steps else None

    def _wait(self) -> None:
        give_pooled_back()
        self._changed.wait()

    def _do(self, step: Step) -> None:
        subresponses: Sequence[Subresponse] = ()
        try:
            subresponses = self._run(step)
        except BaseException as error:  # it is raised again on the thread of the batch
            self._error = error
            self._schedule.stop("the batch was broken off")
        with self._changed:
            self._in_progress -= 1
            self._schedule.finish(step, subresponses)
            self._finished.append(subresponses)
            self._changed.notify_all()

    def _reports(self) -> list[Sequence[Subresponse]]:
        with self._changed:
            reports, self._finished = self._finished, []
            self._changed.notify_all()
        return reports

    def _stop(self) -> None:
        """Start nothing more, and wait until every worker has ended its step and given its connections back."""
        with self._changed:
            self._schedule.stop("the batch was broken off")
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._in_progress and not self._helping)


def _pool_sizes() -> Iterator[int]:
    """The size of each pool of connections, which bounds the workers."""
    for connection in connections.all():
        if pool := getattr(connection, "pool", None):
            yield pool.max_size
