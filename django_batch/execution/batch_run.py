"""One batch, from its first signal to its last.

An executor drives the steps; the answers are collected, or handed on as they are finished. Whatever happens in between,
`batch_finished` is sent, and the schedule starts nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack, aclosing, closing, nullcontext
from secrets import token_hex
from time import perf_counter

from asgiref.sync import sync_to_async
from django.http import HttpRequest

from django_batch.core.batch import Subresponse
from django_batch.core.schedule import Schedule
from django_batch.execution.executors.asynchronous import AsyncExecutor, AsyncFinished
from django_batch.execution.executors.base import Executor, Finished
from django_batch.execution.executors.loops import on_thread, settled
from django_batch.execution.executors.serial import SerialExecutor
from django_batch.execution.internals import with_room
from django_batch.execution.step_runner import StepRunner, dry_run
from django_batch.signals import batch_finished, batch_started, subrequest_finished


class BatchRun:
    """Runs the batch that `request` carries, once. Its signals are sent by `sender`, and name the batch by its `id`."""

    def __init__(self, request: HttpRequest, run: Schedule, steps: StepRunner, *, sender: object) -> None:
        self.run = run
        self.batch = run.plan.batch
        self.id = token_hex(8)
        self._request = request
        self._steps = steps
        self._sender = sender
        self._start = 0.0
        self._subresponses: list[Subresponse] = []  # once it has ended

    @with_room
    def answers(self, executor: Executor, *, max_workers: int) -> list[Subresponse]:
        """One answer for each sub-request, in request order, when all are there."""
        for _ in self.finished(executor, max_workers=max_workers):
            pass
        return self._subresponses

    def finished(self, executor: Executor, *, max_workers: int) -> Finished:
        """The answers of each step as it is finished, and at last of what was not run, if the run is streamed.

        Closed before its end, it lets what is in progress end, and starts nothing more.
        """
        self._begin()
        steps = self._steps
        try:
            with (
                steps.lookups,
                dry_run(steps) if self.batch.dry_run else nullcontext(steps.run) as run,
                closing(executor.execute(self.run, run, max_workers=max_workers)) as finished,
            ):
                for subresponses in finished:
                    if subrequest_finished.receivers:
                        self._report(subresponses)
                    yield subresponses
            yield from self._conclude()
        finally:
            self._end()

    async def aanswers(self, executor: AsyncExecutor, *, max_workers: int) -> list[Subresponse]:
        """`answers` on the loop."""
        async with aclosing(self.afinished(executor, max_workers=max_workers)) as finished:
            async for _ in finished:
                pass
        return self._subresponses

    async def afinished(self, executor: AsyncExecutor, *, max_workers: int) -> AsyncFinished:
        """`finished` on the loop. A dry run is one transaction, so it runs on one thread."""
        serial = on_thread(self.finished(SerialExecutor(), max_workers=1), at_once=self.run.streamed)
        performed = self._performed(executor, max_workers)
        async with aclosing(serial if self.batch.dry_run else performed) as finished:
            async for subresponses in finished:
                yield subresponses

    async def _performed(self, executor: AsyncExecutor, max_workers: int) -> AsyncFinished:
        try:
            await settled(sync_to_async(self._begin)())
            async with AsyncExitStack() as stack:
                stack.enter_context(self._steps.lookups)
                performed = executor.execute(self.run, self._steps, max_workers=max_workers)
                finished = await stack.enter_async_context(aclosing(performed))
                async for subresponses in finished:
                    if subrequest_finished.receivers:
                        await sync_to_async(self._report)(subresponses)
                    yield subresponses
            for rest in await sync_to_async(self._conclude)():
                yield rest
        finally:
            await settled(sync_to_async(self._end)())

    def _conclude(self) -> list[list[Subresponse]]:
        """The answers still to be handed out. A response that is not streamed gets the session back, and saves it."""
        if self.run.streamed:
            return [self.run.rest()]
        self._steps.client.end()
        return []

    def open(self) -> None:
        """Get ready, on the thread of the request and before its response is begun. Raises a `BatchError`."""
        self._steps.client.begin(self.batch, batch_id=self.id)

    def _begin(self) -> None:
        self._start = perf_counter()
        batch_started.send_robust(self._sender, request=self._request, batch=self.batch, batch_id=self.id)

    def _report(self, subresponses: Iterable[Subresponse]) -> None:
        for each in subresponses:
            subrequest_finished.send_robust(
                self._sender,
                request=self._request,
                subrequest=each.subrequest,
                subresponse=each,
                duration=each.duration,
                batch_id=self.id,
            )

    def _end(self) -> None:
        self.run.stop("the batch was broken off")
        self._subresponses = self.run.subresponses()
        batch_finished.send_robust(
            self._sender,
            request=self._request,
            batch=self.batch,
            subresponses=tuple(self._subresponses),
            duration=perf_counter() - self._start,
            batch_id=self.id,
        )
