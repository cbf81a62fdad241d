"""What took how long, for whoever sends a batch (Server-Timing, https://www.w3.org/TR/server-timing/)."""

from __future__ import annotations

from time import perf_counter


class ServerTiming:
    """The durations of parts that follow each other. As a string, it is the value of the header."""

    def __init__(self) -> None:
        self._parts: list[tuple[str, float]] = []
        self._start = perf_counter()

    def lap(self, name: str) -> None:
        """What was done since the last lap, or since this was made, is called `name`."""
        now = perf_counter()
        self._parts.append((name, (now - self._start) * 1000))
        self._start = now

    def __str__(self) -> str:
        return ", ".join(f"{name};dur={milliseconds:.3f}" for name, milliseconds in self._parts)
