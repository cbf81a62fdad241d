"""Steps side by side, on threads of one pool per process.

The thread of the batch works too, so that a batch ends even if the pool is exhausted, or waits for this very batch.
Each worker takes step after step, and gives its connections back when there is none left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from threading import Condition

from django.core.cache import caches
from django.db import connections
from django.urls import get_script_prefix, get_urlconf, set_script_prefix, set_urlconf
from django.utils import timezone, translation

from django_batch.core.batch import Subresponse
from django_batch.core.plan import Step
from django_batch.core.schedule import Schedule
from django_batch.execution.executors.base import Executor, Finished, Perform
from django_batch.execution.executors.pool import give_pooled_back, pool
from django_batch.execution.executors.serial import SerialExecutor

_AHEAD = 16  # answers of a streamed run that may wait to be sent


class ThreadExecutor(Executor):
    """Runs independent steps of a batch with `"parallel": true` on at most `max_workers` threads; others serially."""

    def execute(self, run: Schedule, perform: Perform, *, max_workers: int) -> Finished:
        """Perform steps as soon as they may start. Their answers come as they are finished."""
        workers = workers_for(run, max_workers)
        if not run.plan.batch.parallel or workers < 2:
            return SerialExecutor().execute(run, perform, max_workers=1)
        return _Team(run, perform).execute(workers)


def workers_for(run: Schedule, max_workers: int) -> int:
    """How many steps of `run` may be done at once. In a transaction, of which other threads would see nothing, one."""
    if any(connection.in_atomic_block for connection in connections.all(initialized_only=True)):
        return 1
    return min(max_workers, len(run.plan.steps), *_pool_sizes())


class _Team:
    """The workers of one run. Its books are opened by one of them at a time."""

    def __init__(self, run: Schedule, perform: Perform) -> None:
        self._run = run
        self._perform = perform
        self._changed = Condition()
        self._in_progress = 0  # steps
        self._helping = 0  # threads that have not given back their connections
        self._finished: list[Sequence[Subresponse]] = []
        self._error: BaseException | None = None

    def execute(self, workers: int) -> Finished:
        """Work with `workers` - 1 others, and report what all of them have finished.

        A streamed run is worked on by all the others if there are any, so that no report waits for a step.
        """
        self._hire(workers if self._run.streamed else workers - 1)
        try:
            while True:
                if self._run.streamed and self._await_report():
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
                pool.threads.submit(copy_context().run, self._work, _surroundings())

    def _await_report(self) -> bool:
        """Whether others have finished something, once they have, or there are none."""
        with self._changed:
            self._changed.wait_for(lambda: self._finished or not self._helping)
            return bool(self._finished)

    def _work(self, surroundings: Callable[[], None]) -> None:
        surroundings()
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
            while self._run.streamed and len(self._finished) >= _AHEAD and not self._run.stopped:
                self._wait()
            while not (steps := self._run.start()) and self._in_progress:
                self._wait()
            self._in_progress += len(steps)
            return steps[0] if steps else None

    def _wait(self) -> None:
        give_pooled_back()
        self._changed.wait()

    def _do(self, step: Step) -> None:
        subresponses: Sequence[Subresponse] = ()
        try:
            subresponses = self._perform(step)
        except BaseException as error:  # it is raised again on the thread of the batch
            self._error = error
            self._run.stop("the batch was broken off")
        with self._changed:
            self._in_progress -= 1
            self._run.finish(step, subresponses)
            self._finished.append(subresponses)
            self._changed.notify_all()

    def _reports(self) -> list[Sequence[Subresponse]]:
        with self._changed:
            reports, self._finished = self._finished, []
            self._changed.notify_all()
        return reports

    def _stop(self) -> None:
        """Start nothing more, and wait for what is in progress, until nobody holds a connection for this batch."""
        with self._changed:
            self._run.stop("the batch was broken off")
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._in_progress and not self._helping)


def _surroundings() -> Callable[[], None]:
    """Sets on another thread what of this one's context does not travel with a copy of it, as asgiref keeps it."""
    prefix, urlconf = get_script_prefix(), get_urlconf()
    language, zone = translation.get_language(), timezone.get_current_timezone()

    def enter() -> None:
        set_script_prefix(prefix)
        set_urlconf(urlconf)
        timezone.activate(zone)
        if language:
            translation.activate(language)
        else:
            translation.deactivate_all()
        caches.all()  # one that is first used in a copy of the context would be made anew in each

    return enter


def _pool_sizes() -> Iterator[int]:
    """How many connections a batch can have at once, of databases whose connections are pooled."""
    for connection in connections.all():
        if pool := getattr(connection, "pool", None):
            yield pool.max_size
