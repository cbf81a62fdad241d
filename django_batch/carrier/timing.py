"""The durations of the parts of a batch, which its sender gets in a header.

The header is `Server-Timing` (https://www.w3.org/TR/server-timing/), which browsers show in their network panel.
"""

from __future__ import annotations

from time import perf_counter


class ServerTiming:
    """A stopwatch for consecutive parts of the work. `str()` gives the value of the header."""

    def __init__(self) -> None:
        self._parts: list[tuple[str, float]] = []
        self._start = perf_counter()

    def lap(self, name: str) -> None:
        """End a part of the work that began with the previous lap, or with the creation of this object, as `name`."""
        now = perf_counter()
        self._parts.append((name, (now - self._start) * 1000))
        self._start = now

    def __str__(self) -> str:
        return ", ".join(f"{name};dur={milliseconds:.3f}" for name, milliseconds in self._parts)
