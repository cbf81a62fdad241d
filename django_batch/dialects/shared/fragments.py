"""A cache for the bytes that a dialect writes for headers.

Answers of the same kind share one mapping of headers, so most headers of a batch have to be written only once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")

_MAX_KEPT = 64  # per batch


class Fragments(Generic[T]):
    """The results of `write`, cached by the identity of the headers."""

    def __init__(self, write: Callable[[Mapping[str, str]], T]) -> None:
        self._write = write
        # The key is the `id()` of the headers, which are stored too so that their `id()` is not used again.
        self._kept: dict[int, tuple[Mapping[str, str], T]] = {}

    def of(self, headers: Mapping[str, str]) -> T:
        """The fragment for `headers`."""
        kept = self._kept.get(id(headers))
        if kept is None:
            kept = headers, self._write(headers)
            if len(self._kept) < _MAX_KEPT:
                self._kept[id(headers)] = kept
        return kept[1]
