"""One step after another, in batch order as far as dependencies allow."""

from __future__ import annotations

from django_batch.core.run import Run
from django_batch.execution.base import Executor, Finished, Perform


class SerialExecutor(Executor):
    """Performs each step on the thread of the batch. `max_workers` means nothing here."""

    def execute(self, run: Run, perform: Perform, *, max_workers: int) -> Finished:
        """Perform one step at a time."""
        while steps := run.start():
            subresponses = perform(steps[0])
            run.finish(steps[0], subresponses)
            yield subresponses
