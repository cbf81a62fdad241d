"""Takes back the settings that a member makes for its transaction on PostgreSQL (`SET LOCAL`, `set_config(…, true)`).

Alone, such a setting ends with the transaction of its request. In a group the next member would inherit it, and with
it the role or the tenant of somebody else. A savepoint cannot undo the setting without undoing the rows as well.
So when a member sends such a statement, the setting's present value is read first, and set again after the member.
If the text of a statement does not tell which setting it changes, no further member runs. A function in the database
that changes a setting by itself goes unnoticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

_MAY_SET = re.compile(r"\bSET\s+LOCAL\b|\bset_config\b", re.IGNORECASE)
_SET_LOCAL = re.compile(r"\bSET\s+LOCAL\s+(SESSION\s+AUTHORIZATION|TIME\s+ZONE|[\w.]+|\"[^\"]+\")", re.IGNORECASE)
_SET_CONFIG = re.compile(r"\bset_config\b(?:\s*\(\s*(?:'([^']*)'|(%s|%\(\w+\)s))(?:::\w+)?\s*,)?", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"%s")
_NAMES = {"session authorization": "session_authorization", "time zone": "timezone", "schema": "search_path"}


class LocalSettings:
    """The settings that were changed since the last `restore`. `unknown` is a statement that changed others, too."""

    def __init__(self) -> None:
        self.unknown = ""
        self._before: dict[str, str] = {}

    def hear(self, sql: Any, params: object, connection: BaseDatabaseWrapper) -> None:
        """Remember the value of every setting that `sql` is about to change."""
        if not _MAY_SET.search(str(sql)):
            return
        text = sql if isinstance(sql, str) else sql.as_string(connection.connection)
        for name in _names(text, params):
            if name is None:
                self.unknown = text
            elif name not in self._before:
                self._remember(name, connection)

    def _remember(self, name: str, connection: BaseDatabaseWrapper) -> None:
        [(value,)] = _ask("SELECT current_setting(%s, true)", [name], connection)
        if value is not None or "." in name:  # PostgreSQL knows no other name: the statement will fail
            self._before[name] = value or ""  # as PostgreSQL leaves one that was never set before

    def restore(self, connection: BaseDatabaseWrapper) -> None:
        """Set again what was changed."""
        before, self._before = self._before, {}
        for name, value in before.items():
            _ask("SELECT set_config(%s, %s, true)", [name, value], connection)


def _ask(sql: str, params: Sequence[str], connection: BaseDatabaseWrapper) -> Iterable[tuple[str | None]]:
    """The rows that `sql` finds. No wrapper hears of it."""
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: Iterable[tuple[str | None]] = cursor.fetchall()
    return rows


def _names(text: str, params: object) -> Iterator[str | None]:
    """The names of the settings that `text` changes, and None for one that it does not tell."""
    for found in _SET_LOCAL.finditer(text):
        name = " ".join(found[1].strip('"').lower().split())
        yield _NAMES.get(name, name)
    for found in _SET_CONFIG.finditer(text):
        yield (
            found[1].lower()
            if found[1]
            else _parameter(found[2], len(_PLACEHOLDER.findall(text, 0, found.end())), params)
        )


def _parameter(placeholder: str | None, position: int, params: object) -> str | None:
    """The value of `placeholder`, the one at `position`, counted from 1."""
    value: object = None
    if placeholder == "%s" and isinstance(params, Sequence) and position <= len(params):
        value = params[position - 1]
    elif placeholder and isinstance(params, Mapping):
        value = params.get(placeholder[2:-2])
    return value.lower() if isinstance(value, str) else None
