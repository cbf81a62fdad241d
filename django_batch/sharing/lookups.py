"""Rows of sessions, users and tokens that are looked up once for a batch, where a site asks for it.

No sub-request is given an object that another has had. Only rows are kept, and each sub-request makes an object of its
own from a row, at the moment when it would have loaded it.

It is dropped before any statement that may change it or change what the database shows, and nothing is kept again until
every step that was in progress has ended: a row that is not committed may be rolled back, and must not have been kept.
A row is found again only on the connection that it came from, because a role, a tenant or a search path that was set on
one connection is not that of another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from threading import Lock
from typing import Any, TypeVar

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from django_batch.sharing.copies import copies_of

T = TypeVar("T")

current_lookups: ContextVar[Lookups | None] = ContextVar("django_batch.current_lookups", default=None)

_FIRST_WORD = re.compile(r"\s*(\w+)")
_CALLED = re.compile(r"(\w+)\s*\(")
_CHANGE_NOTHING = frozenset(("BEGIN", "SAVEPOINT", "RELEASE"))
_CHANGE_WHAT_THEY_NAME = frozenset(("INSERT", "UPDATE"))  # unlike DELETE, which the database may cascade
# Words that stand before a bracket in a SELECT of columns or of an aggregate. Any other may be a function that does
# anything, such as `set_config`.
_HARMLESS = {
    *("ALL", "AND", "ANY", "AS", "AVG", "BY", "CAST", "COALESCE", "COUNT", "DISTINCT", "EXISTS", "FROM", "IN", "JOIN"),
    *("LIKE", "LOWER", "MAX", "MIN", "NOT", "ON", "OR", "OVER", "SELECT", "SUM", "THEN", "UNION", "UPPER", "USING"),
    *("VALUES", "WHEN", "WHERE"),
}
_MAX_HEARD = 64  # statements of one batch


class Lookups:
    """The rows that were looked up for one batch. `tables` are those of sessions, users and tokens, in lower case."""

    def __init__(self, tables: Callable[[], frozenset[str]]) -> None:
        self._tables = tables
        self._kept: dict[Hashable, Callable[[], Any]] = {}  # what makes copies
        self._heard: dict[str, bool] = {}  # statement -> whether it may change what is kept
        self._in_progress: set[int] = set()  # positions of steps
        self._changing = False  # a step in progress may have changed something
        self._lock = Lock()  # steps may be done on several threads

    def __enter__(self) -> Lookups:
        _active.add(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        _active.discard(self)

    def listen(self) -> None:
        """Hear what is said from now on to the connections of this thread, if the site looks up anything once."""
        if _asked_for:
            for connection in connections.all(initialized_only=True):
                _listen_to(connection)

    def begin_step(self, position: int) -> None:
        """The step at `position` is in progress from now on."""
        self._in_progress.add(position)

    def end_step(self, position: int) -> None:
        """It has ended, and so has every transaction in it."""
        self._in_progress.discard(position)
        if self._changing:
            with self._lock:
                self._changing = bool(self._in_progress)

    def find(self, key: Hashable) -> Any:
        """A copy of what is kept under `key`, or None."""
        kept = self._kept.get(key)
        return kept and kept()

    def keep(self, key: Hashable, value: object) -> None:
        """Keep a copy of `value`, which a step in progress has looked up, unless it may be changing."""
        try:
            copies = copies_of(value)
        except Exception:  # a type of the site's own may raise anything when it is pickled
            return
        with self._lock:
            if not self._changing:
                self._kept[key] = copies

    def hear(self, sql: str) -> None:
        """Drop what is kept if `sql`, which is about to be executed, may change it."""
        changes = self._heard.get(sql)
        if changes is None:
            if len(self._heard) >= _MAX_HEARD:
                self._heard.clear()
            changes = self._heard[sql] = may_change(sql, self._tables())
        if changes:
            with self._lock:
                self._kept = {}
                self._changing = True


_active: set[Lookups] = set()  # of the batches that this process is answering
_asked_for: list[bool] = []  # empty as long as the site has named nothing that looks up once


def may_change(sql: str, tables: frozenset[str]) -> bool:
    """Whether `sql` may change a row of `tables`, or which rows the database shows."""
    found = _FIRST_WORD.match(sql)
    word = found[1].upper() if found else ""
    if ";" in sql:  # it may be several statements
        return True
    if word == "SELECT":
        return not _HARMLESS.issuperset(each.upper() for each in _CALLED.findall(sql)) or " INTO " in sql.upper()
    lowered = sql.lower()
    if word == "PRAGMA":  # Django checks constraints with one
        return "foreign_key" not in lowered
    if word in _CHANGE_WHAT_THEY_NAME:
        return any(table in lowered for table in tables)
    return word not in _CHANGE_NOTHING


def connection_key(alias: str) -> Hashable | None:
    """A key for the connection to `alias` on this thread, or None for a connection on which nothing is shared.

    A backend that is not Django's own may choose a schema by itself, of which no statement tells.
    """
    connection = connections[alias]
    is_plain = type(connection).__module__.startswith("django.db.backends.")
    return (alias, connection) if is_plain else None


def _hear(execute: Callable[..., object], sql: Any, params: object, many: bool, context: dict[str, Any]) -> object:
    for lookups in [*_active]:
        lookups.hear(str(sql))
    return execute(sql, params, many, context)


def _listen_to(connection: BaseDatabaseWrapper) -> None:
    if _hear not in connection.execute_wrappers:
        # In front, where it surrounds all others: those are taken off from behind.
        connection.execute_wrappers.insert(0, _hear)


def listen_to_all() -> None:
    """Hear what is said to every connection that this process makes from now on, on whatever thread.

    The modules call it that hold what a site names in its settings. Without them nothing is heard, and nothing kept.
    """
    _asked_for.append(True)
    connection_created.connect(_on_connection_created, dispatch_uid="django_batch")


def _on_connection_created(*, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    _listen_to(connection)
