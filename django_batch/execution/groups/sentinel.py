"""A savepoint of ours, which tells whether a transaction is still the one that was begun.

Many statements commit or roll back behind Django's back, and no list of them is complete: `ANALYZE TABLE` or a comment
that runs on MariaDB, the driver's own `commit()`, a lock wait timeout. All of them end every savepoint. So one is set
when a transaction begins, and released and set again after each member: if it is gone, the transaction has ended.
"""

from __future__ import annotations

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from django_batch.execution.groups.statements import codes

# PostgreSQL: invalid_savepoint_specification, no_active_sql_transaction. MySQL: ER_SP_DOES_NOT_EXIST.
_GONE = {"3B001", "25P01", 1305}
_HAVE_SAVEPOINTS = {"postgresql", "mysql", "sqlite"}  # whose statements are known to be these


class Sentinel:
    """A savepoint on `connection`. No execute wrapper hears of it."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        # A transaction inside of another has its own: MySQL has no two savepoints of one name.
        self._name = f"django_batch_{len(connection.savepoint_ids)}"

    def set(self) -> None:
        """Set it, at the beginning of a transaction."""
        self._execute(f"SAVEPOINT {self._name}")

    def renew(self, *, check_constraints: bool = False) -> None:
        """Raise an `Error` if it is gone, or if nothing more can be done in this transaction; else set it again.

        On PostgreSQL, `check_constraints` looks at the deferred ones in the same round trip. The savepoint gives back
        to each the mode that it had, while Django's own check leaves all of them deferred.
        """
        statements = [f"RELEASE SAVEPOINT {self._name}", f"SAVEPOINT {self._name}"]
        if check_constraints:
            statements += ["SET CONSTRAINTS ALL IMMEDIATE", f"ROLLBACK TO SAVEPOINT {self._name}"]
        if self._connection.vendor == "postgresql":
            statements = ["; ".join(statements)]
        self._execute(*statements)

    def is_gone(self) -> bool:
        """Whether the transaction has ended, by a commit or a rollback. One on a lost connection was rolled back."""
        try:
            self._execute(f"ROLLBACK TO SAVEPOINT {self._name}")
        except Error as error:
            return not _GONE.isdisjoint(codes(error)) or str(error).startswith("no such savepoint")
        return False

    def _execute(self, *statements: str) -> None:
        if self._connection.vendor not in _HAVE_SAVEPOINTS:
            return
        with self._connection.wrap_database_errors:
            cursor = self._connection.connection.cursor()
            try:
                for statement in statements:
                    cursor.execute(statement)
            finally:
                cursor.close()
