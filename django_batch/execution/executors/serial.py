"""One step after another, in batch order as far as dependencies allow."""

from __future__ import annotations

from django_batch.core.schedule import Schedule
from django_batch.execution.executors.base import Executor, Finished, Run


class SerialExecutor(Executor):
    """Performs each step on the thread of the batch. `max_workers` means nothing here."""

    def execute(self, schedule: Schedule, run: Run, *, max_workers: int) -> Finished:
        """Perform one step at a time."""
        while steps := schedule.start():
            subresponses = run(steps[0])
            schedule.finish(steps[0], subresponses)
            yield subresponses
