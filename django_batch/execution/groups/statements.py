"""What is said to a database while a member of a group is answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError

_CHANGES_NOTHING = re.compile(r"\s*(SELECT|SAVEPOINT|RELEASE)\b", re.IGNORECASE)
_BLANK = r"(?:\s|/\*.*?\*/|--[^\n]*\n)*+"  # and comments
# Not `ROLLBACK TO`, which ends a savepoint only, nor the `BEGIN ... END` of a procedural block.
_CONTROLS_TRANSACTION = re.compile(
    _BLANK + r"((COMMIT|END|ABORT|ROLLBACK(?!\s+(\w+\s+)?TO\b)|START\s+TRANSACTION)\b|BEGIN(\s+WORK)?\s*;?\s*$)",
    re.IGNORECASE | re.DOTALL,
)
# MySQL: "Statements That Cause an Implicit Commit". Temporary tables do not.
_COMMITS_ON_MYSQL = re.compile(
    _BLANK + r"((CREATE|DROP)(?!\s+(OR\s+REPLACE\s+)?TEMPORARY)|ALTER|RENAME|TRUNCATE|GRANT|REVOKE"
    r"|(UN)?LOCK|SET\s+(SESSION\s+|@@(SESSION\.)?)?AUTOCOMMIT)\b",
    re.IGNORECASE | re.DOTALL,
)
# MySQL: ER_LOCK_DEADLOCK. MariaDB: ER_CHECKREAD, of its snapshot isolation. The whole transaction was rolled back.
_ROLLED_BACK = {1213, 1020}
# PostgreSQL: serialization_failure, deadlock_detected. MySQL: also ER_LOCK_WAIT_TIMEOUT.
_CONFLICTS = {"40001", "40P01", 1205} | _ROLLED_BACK
_IDLE, _IN_ERROR = 0, 3  # PQTRANS_IDLE and PQTRANS_INERROR of libpq


class Statements:
    """An execute wrapper that remembers what could have left a transaction unable to commit."""

    def __init__(self) -> None:
        self.executed = False  # something was executed
        self.suspicious = False  # something was changed, or went wrong
        self.conflict: Error | None = None  # what says that another transaction was in the way
        self.rolled_back = False  # by the server on its own, and Django may not know

    def accept(self) -> None:
        """Look no more at what was said until now: it can be committed."""
        self.suspicious, self.conflict = False, None

    def ended(self, connection: BaseDatabaseWrapper) -> bool:
        """Whether the transaction is over, or can only be rolled back, as far as that is known on this side.

        What is done with the driver's own connection, such as COPY, no wrapper sees.
        """
        driver = connection.connection
        with connection.wrap_database_errors:
            if connection.vendor == "sqlite" and not driver.in_transaction:
                return True
            if connection.vendor == "postgresql":
                status = driver.info.transaction_status
                return status == _IN_ERROR or (status == _IDLE and self.executed)
        return self.rolled_back

    def __call__(
        self, execute: Callable[..., object], sql: Any, params: object, many: bool, context: dict[str, Any]
    ) -> object:
        """Execute, and look: Django's handler makes a plain 500 of an error, and a view may swallow it."""
        self.executed = True
        if not _CHANGES_NOTHING.match(str(sql)):
            self.suspicious = True
            _refuse_control(str(sql), context["connection"].vendor)
        try:
            return execute(sql, params, many, context)
        except Error as error:
            self.suspicious = True
            if is_conflict(error):
                self.conflict = error
            self.rolled_back = self.rolled_back or not _ROLLED_BACK.isdisjoint(_codes(error))
            raise


def _refuse_control(sql: str, vendor: str) -> None:
    """As Django's own `commit()` and `rollback()` do."""
    if _CONTROLS_TRANSACTION.match(sql) or (vendor == "mysql" and _COMMITS_ON_MYSQL.match(sql)):
        raise TransactionManagementError(f"{sql.strip()!r} is forbidden in the transaction of a batch.")


def is_conflict(error: Error) -> bool:
    """Whether `error` says that another transaction was in the way, so that the same statements may succeed later."""
    return not _CONFLICTS.isdisjoint(_codes(error))


def _codes(error: Error) -> Iterator[object]:
    """What the server calls `error`: by an SQLSTATE, and MySQL, which has few of them, by a number."""
    yield getattr(error.__cause__, "sqlstate", None)
    yield getattr(error.__cause__, "pgcode", None)  # psycopg2
    yield from error.args[:1]
