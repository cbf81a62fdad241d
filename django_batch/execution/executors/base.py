"""The interface of executors. An executor is a short driver of a `Schedule`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence

from django_batch.core.batch import Subresponse
from django_batch.core.plan import Step
from django_batch.core.schedule import Schedule

Run = Callable[[Step], Sequence[Subresponse]]
Finished = Generator[Sequence[Subresponse], None, None]


class Executor(ABC):
    """Decides when, and on which thread, each step of a batch is run. An instance serves any number of batches.

    `side_by_side` says whether it runs steps of a batch that allows it at once, as the URL of the batch tells.
    """

    side_by_side: bool = False

    @abstractmethod
    def execute(self, schedule: Schedule, run: Run, *, max_workers: int) -> Finished:
        """Run every step that `schedule` hands out, and yield the answers of each as it is finished.

        `run` may be called on any thread. `schedule.start` and `schedule.finish` are called on one at a time, under the
        executor's lock. Closed before its end, it starts nothing more, and waits for what is in progress.
        """
