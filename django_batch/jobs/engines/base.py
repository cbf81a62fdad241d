"""The interface of engines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence


class Engine(ABC):
    """Calls `django_batch.jobs.running.run_chunk(id)` for each chunk that it is given, in some process, at some time.

    It may lose chunks, run them twice or out of order: a chunk is run by the one worker that can claim it, and what was
    lost is found by its lease. An instance serves all jobs of a process.
    """

    @abstractmethod
    def submit(self, chunks: Sequence[int]) -> None:
        """Have the chunks with these ids run. It is called when they are committed, and should not wait for them."""
