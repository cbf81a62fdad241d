"""What is said to a database while a member of a group is answered."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db import Error

_CHANGES_NOTHING = re.compile(r"\s*(SELECT|SAVEPOINT|RELEASE)\b", re.IGNORECASE)
_MYSQL_DEADLOCK = 1213  # ER_LOCK_DEADLOCK: the whole transaction was rolled back
# PostgreSQL: serialization_failure, deadlock_detected. MySQL: also ER_LOCK_WAIT_TIMEOUT.
_CONFLICTS = {"40001", "40P01", _MYSQL_DEADLOCK, 1205}


class Statements:
    """An execute wrapper that remembers what could have left a transaction unable to commit."""

    def __init__(self) -> None:
        self.suspicious = False  # something was changed, or went wrong, since this was last set
        self.conflict = False  # another transaction was in the way
        self.lost = False  # the server has rolled back on its own, and Django may not know

    def __call__(
        self, execute: Callable[..., object], sql: Any, params: object, many: bool, context: dict[str, Any]
    ) -> object:
        """Execute, and look: Django's handler makes a plain 500 of an error, and a view may swallow it."""
        self.suspicious = self.suspicious or not _CHANGES_NOTHING.match(str(sql))
        try:
            return execute(sql, params, many, context)
        except Error as error:
            self.suspicious = True
            self.conflict = self.conflict or is_conflict(error)
            self.lost = self.lost or error.args[:1] == (_MYSQL_DEADLOCK,)
            raise


def is_conflict(error: Error) -> bool:
    """Whether `error` says that another transaction was in the way, so that the same statements may succeed later."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)  # psycopg 3, psycopg2
    return state in _CONFLICTS or (bool(error.args) and error.args[0] in _CONFLICTS)
