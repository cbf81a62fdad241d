"""What an executor is: a short driver of `Schedule`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence

from django_batch.core.batch import Subresponse
from django_batch.core.plan import Step
from django_batch.core.schedule import Schedule

Perform = Callable[[Step], Sequence[Subresponse]]
Finished = Generator[Sequence[Subresponse], None, None]


class Executor(ABC):
    """Decides when, and on which thread, each step of a run is performed. An instance serves any number of batches."""

    @abstractmethod
    def execute(self, run: Schedule, perform: Perform, *, max_workers: int) -> Finished:
        """Perform every step that `run` hands out, and yield the answers of each as it is finished.

        `perform` may be called on any thread. `run.start` and `run.finish` are called on one. Closed before its end, it
        starts nothing more, and waits for what is in progress.
        """
