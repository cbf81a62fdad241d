"""Watches the statements of a group: which may have ended its transaction, and which errors mean a conflict."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError

from django_batch.execution.groups.local_settings import LocalSettings

_CHANGES_NOTHING = re.compile(r"\s*(SELECT|SAVEPOINT|RELEASE)\b", re.IGNORECASE)
# None of these can end a transaction. A semicolon may separate several statements, and so may hide any other.
_ENDS_NOTHING = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|SAVEPOINT|RELEASE|ROLLBACK\s+TO|SET(?!\s+STATEMENT)|SHOW)\b[^;]*$",
    re.IGNORECASE,
)
_BLANK = r"(?:\s|/\*.*?\*/|--[^\n]*\n)*+"  # and comments
# Not `ROLLBACK TO`, which ends a savepoint only, nor the `BEGIN ... END` of a procedural block.
_CONTROLS_TRANSACTION = re.compile(
    _BLANK + r"((COMMIT|END|ABORT|ROLLBACK(?!\s+(\w+\s+)?TO\b)|START\s+TRANSACTION)\b|BEGIN(\s+WORK)?\s*;?\s*$)",
    re.IGNORECASE | re.DOTALL,
)
# MySQL: "Statements That Cause an Implicit Commit". Temporary tables do not.
_COMMITS_ON_MYSQL = re.compile(
    _BLANK + r"((CREATE|DROP)(?!\s+(OR\s+REPLACE\s+)?TEMPORARY)|ALTER|RENAME|TRUNCATE|GRANT|REVOKE"
    r"|(UN)?LOCK|(ANALYZE|OPTIMIZE|CHECK|REPAIR)\s+(\w+\s+)?TABLE|FLUSH"
    r"|SET\s+(SESSION\s+|@@(SESSION\.)?)?AUTOCOMMIT)\b",
    re.IGNORECASE | re.DOTALL,
)
# MySQL: ER_LOCK_DEADLOCK. MariaDB: ER_CHECKREAD, of its snapshot isolation. The whole transaction was rolled back.
_ROLLED_BACK = {1213, 1020}
# ER_LOCK_WAIT_TIMEOUT rolls back one statement, or with innodb_rollback_on_timeout the whole transaction.
_LOCK_WAIT_TIMEOUT = 1205
# PostgreSQL: serialization_failure, deadlock_detected.
_CONFLICTS = {"40001", "40P01", _LOCK_WAIT_TIMEOUT} | _ROLLED_BACK


class Statements:
    """An execute wrapper that remembers what could have left a transaction unable to commit."""

    def __init__(self) -> None:
        self.executed = False  # something was, at all
        self.suspicious = False  # something was changed, or went wrong
        self.conflict: Error | None = None  # what says that another transaction was in the way
        self.rolled_back = False  # by the server on its own, and Django may not know
        self.timed_out = False  # so that the server may have rolled back, if the transaction turns out to be over
        self.settings = LocalSettings()
        self._odd = False  # something was said that may have ended the transaction

    def accept(self) -> None:
        """Look no more at what was said until now: it can be committed."""
        self.suspicious = self.timed_out = self._odd = False
        self.conflict = None

    def __call__(
        self, execute: Callable[..., object], sql: Any, params: object, many: bool, context: dict[str, Any]
    ) -> object:
        """Execute, and look: Django's handler makes a plain 500 of an error, and a view may swallow it."""
        connection: BaseDatabaseWrapper = context["connection"]
        self.executed = True
        lasts = connection.vendor == "sqlite" and connection.connection.in_transaction
        if connection.vendor == "postgresql":
            self.settings.hear(sql, params, connection)
        if not _CHANGES_NOTHING.match(str(sql)):
            self.suspicious = True
            _refuse_control(str(sql), connection.vendor)
            self._odd = self._odd or not _ENDS_NOTHING.match(str(sql))
        try:
            return execute(sql, params, many, context)
        except Error as error:
            self._note(error, ended=lasts and not connection.connection.in_transaction)
            raise

    def _note(self, error: Error, *, ended: bool) -> None:
        self.suspicious = True
        if is_conflict(error):
            self.conflict = error
        if self._odd:  # it may have committed before the server rolled back
            return
        found = {*codes(error)}
        self.timed_out = self.timed_out or _LOCK_WAIT_TIMEOUT in found
        self.rolled_back = self.rolled_back or ended or not _ROLLED_BACK.isdisjoint(found)


def _refuse_control(sql: str, vendor: str) -> None:
    """Refuse it, as Django's own `commit()` and `rollback()` do inside `atomic`."""
    if _CONTROLS_TRANSACTION.match(sql) or (vendor == "mysql" and _COMMITS_ON_MYSQL.match(sql)):
        raise TransactionManagementError(f"{sql.strip()!r} is forbidden in the transaction of a batch.")


def is_conflict(error: Error) -> bool:
    """Whether `error` says that another transaction was in the way, so that the same statements may succeed later."""
    return not _CONFLICTS.isdisjoint(codes(error))


def codes(error: Error) -> Iterator[object]:
    """The server's codes for `error`: an SQLSTATE, and on MySQL, which has few SQLSTATEs, a number."""
    yield getattr(error.__cause__, "sqlstate", None)
    yield getattr(error.__cause__, "pgcode", None)  # psycopg2
    yield from error.args[:1]
