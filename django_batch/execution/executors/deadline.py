"""Moments after which a batch or a stream goes no further."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic


class Deadline:
    """The moment `seconds` from now, or none. `clock` counts seconds."""

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds

    def left(self) -> float | None:
        """The seconds until then, or None without a limit."""
        return None if self._end is None else max(0.0, self._end - self._clock())

    def over(self) -> bool:
        """Whether it has passed."""
        return self._end is not None and self._clock() >= self._end
