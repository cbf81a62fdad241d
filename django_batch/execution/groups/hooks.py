"""The `on_commit` hooks of a group's members.

Django runs the hooks of a transaction inside its own commit, and there they stay, because packages that wrap `Atomic`
expect them there. Each is wrapped in place: it runs in the context of its member, and if it raises, it fails that
member only, whose further hooks are dropped as they would be alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import wraps
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from django_batch.errors import BatchError, OnCommitFailed

logger = logging.getLogger("django_batch")

Entries = list[tuple[set[str], Callable[[], object], bool]]  # names of savepoints, the hook, whether it is robust


class Hooks:
    """The hooks on `connections`, the first of which commits last. `errors` holds the members whose hook raised."""

    def __init__(self, connections: Sequence[BaseDatabaseWrapper]) -> None:
        self.errors: dict[str, BatchError] = {}
        self._connections = connections
        self._taken = 0

    def take(self, id_: str, context: Context) -> None:
        """Wrap those that were registered since the last call, by the member `id_`."""
        if not any(each.run_on_commit for each in self._connections):
            return
        last, *others = self._connections
        hooks = _entries(last)[self._taken :]
        for connection in others:  # whose hooks wait for the last commit, too
            # None of the savepoints in which they were registered is open any more, and other connections have others.
            hooks += [(set(), hook, robust) for _, hook, robust in _entries(connection)]
            connection.run_on_commit = []
        wrapped = [(names, self._wrapped(hook, id_, context, robust), robust) for names, hook, robust in hooks]
        entries = _entries(last)
        entries[self._taken :] = wrapped
        self._taken = len(entries)

    def _wrapped(self, hook: Callable[[], object], id_: str, context: Context, robust: bool) -> Callable[[], object]:
        @wraps(hook)
        def run() -> None:
            if id_ in self.errors:
                return
            try:
                context.run(hook)
            except Exception:  # alone, it would be a 500 with everything committed, too
                if robust:  # Django logs it
                    raise
                logger.exception("An on_commit hook of the sub-request %r raised.", id_)
                self.errors[id_] = OnCommitFailed(
                    "This was committed, but what was to be done after the commit failed."
                )

        return run


def _entries(connection: BaseDatabaseWrapper) -> Entries:
    """The hooks as Django keeps them, which django-stubs know without the last value."""
    entries: Any = connection.run_on_commit
    return entries  # type: ignore[no-any-return]
