"""The transaction on one database, and what a view may have done to it without saying so.

An error that it swallowed, a deadlock, rows that would make the commit fail, a commit of its own: each is found after
the member that did it, so that the right one is blamed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

from django.db import Error, IntegrityError, InterfaceError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from django_batch.core.batch import Subrequest
from django_batch.errors import ConstraintViolated, RolledBack, TransactionBroken
from django_batch.execution.groups.sentinel import Sentinel
from django_batch.execution.groups.statements import Statements

logger = logging.getLogger("django_batch")

_IN_TRANSACTION = {1, 2}  # PQTRANS_ACTIVE and PQTRANS_INTRANS of libpq


class Database:
    """The transaction on `connection`. Until it has `begun`, or if it cannot be reached, it has no part in anything.

    After the end, `stays` tells that something was committed, and `outcome_unknown` that the reply was lost.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.alias = connection.alias
        self.nested = connection.in_atomic_block
        self.statements = Statements()
        self.begun = self.stays = self.outcome_unknown = False
        self._blocks: list[transaction.Atomic] = []  # that are open around each member
        self._driver: object = None
        self._sentinel = Sentinel(connection)
        self._verified = True

    def begin(self, stack: ExitStack) -> None:
        """Begin a transaction that lasts as long as `stack`. Raises an `Error` if the database refuses that."""
        try:
            self.connection.ensure_connection()
            stack.enter_context(self._block())
        except AssertionError:  # DatabaseOperationForbidden of Django's test cases, whose import would load django.test
            stack.enter_context(self.connection.execute_wrapper(self._refuse))
        except Error:
            if self.connection.connection is self._driver and self._is_usable():
                raise
            stack.enter_context(self.connection.execute_wrapper(self._refuse))
        else:
            self.begun = True
            stack.enter_context(self.connection.execute_wrapper(self.statements))

    def check(self, subrequest: Subrequest, *, constraints: bool = True) -> None:
        """Raise if what `subrequest` left behind could not be committed, and take back what it set for itself only."""
        if not self.begun:
            return
        if self.connection.atomic_blocks != self._blocks or self.connection.connection is not self._driver:
            raise TransactionBroken(f"{subrequest.id!r} left a transaction open, or connected anew inside of one.")
        try:
            if self.connection.needs_rollback or self.statements.rolled_back:
                raise OperationalError("The transaction is marked for rollback.")
            self._renew(constraints)
        except IntegrityError as error:
            raise ConstraintViolated(f"{subrequest.id!r} left rows that violate a constraint.") from error
        except Error as error:
            raise TransactionBroken(f"{subrequest.id!r} {self._damage()}") from error
        self.statements.accept()

    def check_begin(self, subrequest: Subrequest) -> None:
        """Raise if `subrequest` would have what another one has set for itself only."""
        if self.statements.settings.unknown:
            raise TransactionBroken(
                f"{subrequest.id!r} was not run: a statement before it set something for the whole transaction, and "
                f"it cannot be told what: {self.statements.settings.unknown!r}. Name the setting in the statement."
            )

    def verify(self) -> None:
        """Raise an `Error` if the transaction has ended since it was last looked at."""
        if self.begun and not self._verified:
            self._sentinel.renew()

    def may_be_stored(self) -> bool:
        """Whether the transaction was ended behind Django's back, maybe by a commit. Undoes what it can."""
        if not self.begun or self.connection.connection is not self._driver or self.statements.rolled_back:
            return False
        return self._sentinel.is_gone() and not self.statements.timed_out

    def _renew(self, constraints: bool) -> None:
        self.statements.settings.restore(self.connection)
        self._verified = self.statements.suspicious or self._is_over()
        if not self._verified:  # a SELECT ends nothing
            return
        constraints = constraints and self.connection.features.can_defer_constraint_checks
        is_postgresql = self.connection.vendor == "postgresql"
        self._sentinel.renew(check_constraints=constraints and is_postgresql)
        if constraints and not is_postgresql:
            self.connection.check_constraints()

    def _is_over(self) -> bool:
        """Whether the driver knows that nothing more can be done in this transaction: no wrapper hears what it does."""
        driver = self.connection.connection
        with self.connection.wrap_database_errors:
            if self.connection.vendor == "postgresql":
                return driver.info.transaction_status not in _IN_TRANSACTION
            return self.connection.vendor == "sqlite" and not driver.in_transaction

    def _damage(self) -> str:
        if self.may_be_stored():
            return "ended the transaction. Everything written in it until then may be stored, and is not rolled back."
        return "swallowed an error that only a rollback can end."

    @contextmanager
    def _block(self) -> Iterator[None]:
        """A transaction. An error after its commit fails neither this transaction nor those on other databases."""
        self._driver, ending = self.connection.connection, False
        try:
            with transaction.atomic(using=self.alias):
                self._driver = self.connection.connection
                self._blocks = [*self.connection.atomic_blocks]
                self._sentinel = Sentinel(self.connection)
                self._sentinel.set()
                try:
                    yield
                finally:  # what a member has left open would be taken for this one
                    for block in reversed(self.connection.atomic_blocks[len(self._blocks) :]):
                        block.__exit__(RolledBack, RolledBack(""), None)
                ending = True
        except Error as error:
            if not self.connection.run_commit_hooks_on_set_autocommit_on:  # True from the commit to its hooks
                self.outcome_unknown = ending and not self.nested and self._is_lost(error)
                raise
            logger.exception("A connection was lost after the commit of a group.")
            self._run_hooks_without_connection()
        self.stays = self.statements.executed

    def _is_lost(self, error: Error) -> bool:
        """Whether `error` is that of a connection, which Django may have made anew since."""
        is_same = self.connection.connection is self._driver
        return isinstance(error, InterfaceError) or not is_same or not self._is_usable()

    def _is_usable(self) -> bool:
        """Whether the connection works. One that does not is closed, so that a new one is made when it is used."""
        if self.connection.connection is not None and self.connection.is_usable():
            return True
        self.connection.close()
        return False

    def _run_hooks_without_connection(self) -> None:
        hooks = self.connection.run_on_commit
        self.connection.close()  # which forgets them
        self.connection.run_on_commit = hooks
        self.connection.run_and_clear_commit_hooks()

    def _refuse(
        self, execute: Callable[..., object], sql: Any, params: object, many: bool, context: object
    ) -> NoReturn:
        """Execute nothing: it could not be rolled back."""
        raise OperationalError(
            f"The database {self.alias!r} could not be reached when this transaction began, and has no part in it."
        )
