"""Engines for the tests: one that runs chunks on the thread of the caller, and one that loses and doubles them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from random import Random

from django_batch.jobs.engines.base import Engine
from django_batch.jobs.running import run_chunk


class Inline(Engine):
    """Runs each chunk at once, one after another."""

    def __init__(self) -> None:
        self.waiting: deque[int] = deque()
        self.runs = 0
        self._runs_now = False

    def submit(self, chunks: Sequence[int]) -> None:
        self.waiting += self.chosen(chunks)
        if self._runs_now:
            return
        self._runs_now = True
        try:
            while self.waiting:
                self.runs += 1
                run_chunk(self.waiting.popleft())
        finally:
            self._runs_now = False

    def chosen(self, chunks: Sequence[int]) -> Sequence[int]:
        return chunks


class Lossy(Inline):
    """Loses a tenth of all chunks, and runs another tenth twice."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__()
        self._random = Random(seed)

    def chosen(self, chunks: Sequence[int]) -> Sequence[int]:
        found = []
        for chunk in chunks:
            luck = self._random.random()
            found += [] if luck < 0.1 else [chunk, chunk] if luck < 0.2 else [chunk]
        return found


class Forgetful(Engine):
    """Loses everything."""

    def submit(self, chunks: Sequence[int]) -> None:
        self.lost = [*chunks]
