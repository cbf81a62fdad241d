"""What dialects write of headers, kept: answers that are alike share the object, so that most is written once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")

_MAX_KEPT = 64  # per batch


class Fragments(Generic[T]):
    """What `write` makes of headers: of those that are the same object, once. A fifth of writing an answer."""

    def __init__(self, write: Callable[[Mapping[str, str]], T]) -> None:
        self._write = write
        self._kept: dict[int, tuple[Mapping[str, str], T]] = {}  # by id; with the object, whose id it stays

    def of(self, headers: Mapping[str, str]) -> T:
        """The fragment for `headers`."""
        kept = self._kept.get(id(headers))
        if kept is None:
            kept = headers, self._write(headers)
            if len(self._kept) < _MAX_KEPT:
                self._kept[id(headers)] = kept
        return kept[1]
