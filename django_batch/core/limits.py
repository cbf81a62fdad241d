"""How many sub-requests of one batch have reached what only a few may reach."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock


class Counts:
    """The ids of the sub-requests of one batch, by what they have reached. Safe to use on several threads.

    A sub-request counts once, however often it is looked at, and also if it fails or is rolled back.
    """

    def __init__(self) -> None:
        self._ids: dict[Hashable, set[str]] = {}
        self._lock = Lock()

    def admit(self, id_: str, limit: Hashable, number: int) -> bool:
        """Whether the sub-request `id_` is one of the first `number` that have reached `limit`."""
        with self._lock:
            ids = self._ids.setdefault(limit, set())
            if id_ in ids:
                return True
            if len(ids) >= number:
                return False
            ids.add(id_)
            return True
