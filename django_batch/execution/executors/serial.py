"""One step after another, in batch order as far as dependencies allow."""

from __future__ import annotations

from django_batch.core.schedule import Schedule
from django_batch.execution.executors.base import Executor, Finished, Perform


class SerialExecutor(Executor):
    """Performs each step on the thread of the batch. `max_workers` means nothing here."""

    def execute(self, run: Schedule, perform: Perform, *, max_workers: int) -> Finished:
        """Perform one step at a time."""
        while steps := run.start():
            subresponses = perform(steps[0])
            run.finish(steps[0], subresponses)
            yield subresponses
