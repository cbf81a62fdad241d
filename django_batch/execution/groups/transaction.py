"""All or nothing: one transaction on every database, ended as a group's flow decides.

What a view does to the transaction without saying so is found after each member, so that the right one is blamed: an
error that it swallowed, a deadlock, rows that would make the commit fail.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import Context, copy_context
from types import TracebackType

from django.db import Error, IntegrityError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from django_batch.core.answering import Effect, Errors, Verdict
from django_batch.core.batch import Subrequest, Subresponse
from django_batch.errors import (
    BatchError,
    CommitFailed,
    ConstraintViolated,
    OnCommitFailed,
    RolledBack,
    TransactionBroken,
)
from django_batch.execution.client.client import Client
from django_batch.execution.groups.statements import Statements, is_conflict

logger = logging.getLogger("django_batch")

# In one round trip, of which no wrapper hears. The savepoint gives back to each constraint the mode that it had:
# Django's own check leaves all of them deferred.
_CHECK_ON_POSTGRESQL = "SAVEPOINT checked; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO checked; RELEASE checked"
Hooks = list[tuple[set[str], Callable[[], None]]]  # as Django keeps them


class Transaction:
    """Carries out the effects of one group's flow, inside a `with` block. Several databases are not two-phase.

    `conflict` is, once it has failed, the error that says that another transaction was in the way.
    """

    def __init__(self, conversation: Client, aliases: Iterable[str]) -> None:
        self.conflict: Error | None = None
        self._conversation = conversation
        self._branch = conversation.branch()
        self._parts = [_Part(connections[alias]) for alias in aliases]
        self._stack = ExitStack()
        self._done: list[Subresponse] = []
        self._hooks: list[tuple[str, Context, BaseDatabaseWrapper, Hooks]] = []

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def perform(self, effect: Effect) -> Subresponse | Errors:
        """Answer a sub-request inside the transaction, or carry out the verdict. Raises what makes the group fail."""
        if effect is Verdict.COMMIT:
            return self._commit()
        if effect is Verdict.ROLLBACK:
            return self._roll_back()
        assert isinstance(effect, Subrequest)
        return self._answer(effect)

    def _answer(self, subrequest: Subrequest) -> Subresponse:
        if not self._done:
            self._begin()
        context = copy_context()
        subresponse = self._branch.answer(subrequest, context)
        if not subresponse.failed:
            for part in self._parts:
                part.check(subrequest)
                if hooks := part.take_hooks():
                    self._hooks.append((subrequest.id, context, part.connection, hooks))
        self._done.append(subresponse)
        return subresponse

    def _begin(self) -> None:
        for part in self._parts:
            try:
                part.begin(self._stack)
            except Error as error:
                raise TransactionBroken(f"No transaction could be begun on {part.connection.alias!r}.") from error

    def _commit(self) -> Errors:
        try:
            self._stack.close()
        except Error as error:
            logger.exception("The commit of a group failed.")
            self._branch.forget()
            self.conflict = error if is_conflict(error) else None
            failed = CommitFailed("Every sub-request of the group succeeded, but the database refused the commit.")
            return {subresponse.subrequest.id: failed for subresponse in self._done}
        self._conversation.merge(self._branch, self._done)
        return dict(self._run_hooks())

    def _roll_back(self) -> Errors:
        try:
            self._stack.__exit__(RolledBack, RolledBack(""), None)  # as if it had been raised inside of each `atomic`
        except Error:  # the server has rolled back what was on a connection that is lost; there is no new one to be had
            logger.exception("A connection was lost in a group, and could not be made anew.")
        self._branch.forget()
        self.conflict = next((part.statements.conflict for part in self._parts if part.statements.conflict), None)
        return {}

    def _run_hooks(self) -> Iterator[tuple[str, BatchError]]:
        """Run what was registered with `on_commit`, member by member, now that all databases have committed."""
        for id_, context, connection, hooks in self._hooks:
            connection.run_on_commit = hooks
            try:
                context.run(connection.run_and_clear_commit_hooks)
            except Exception:  # of the site's own code: alone, it would be a 500 with everything committed too
                logger.exception("An on_commit hook of the sub-request %r raised.", id_)
                yield id_, OnCommitFailed("This was committed, but what was to be done after the commit failed.")


class _Part:
    """The transaction on one database."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.statements = Statements()
        self._nested = connection.in_atomic_block
        self._blocks: list[transaction.Atomic] = []  # that are open around each member

    def begin(self, stack: ExitStack) -> None:
        stack.enter_context(self._block())
        stack.enter_context(self.connection.execute_wrapper(self.statements))

    @contextmanager
    def _block(self) -> Iterator[None]:
        """A transaction. What fails once it is committed is no failure of it, nor of those on the other databases."""
        try:
            with transaction.atomic(using=self.connection.alias):
                self._blocks = [*self.connection.atomic_blocks]
                try:
                    yield
                finally:  # what a member has left open would be taken for this one
                    for block in reversed(self.connection.atomic_blocks[len(self._blocks) :]):
                        block.__exit__(RolledBack, RolledBack(""), None)
        except Error:
            if not self.connection.run_commit_hooks_on_set_autocommit_on:  # True from the commit to what follows it
                raise
            logger.exception("A connection was lost after the commit of a group.")
            self.connection.close()

    def check(self, subrequest: Subrequest) -> None:
        """Raise if what `subrequest` left behind could not be committed."""
        if self.connection.atomic_blocks != self._blocks:
            raise TransactionBroken(f"{subrequest.id!r} left a transaction open, or connected anew inside of one.")
        try:
            if self.connection.needs_rollback or self.statements.ended(self.connection):
                raise TransactionBroken(f"{subrequest.id!r} swallowed an error that only a rollback can end.")
            if self.statements.suspicious and self.connection.features.can_defer_constraint_checks:
                self._check_constraints()
        except IntegrityError as error:
            raise ConstraintViolated(f"{subrequest.id!r} left rows that violate a constraint.") from error
        except Error as error:
            raise TransactionBroken(f"{subrequest.id!r} swallowed an error that only a rollback can end.") from error
        self.statements.accept()

    def _check_constraints(self) -> None:
        if self.connection.vendor != "postgresql":
            self.connection.check_constraints()
            return
        with self.connection.wrap_database_errors, self.connection.connection.cursor() as cursor:
            cursor.execute(_CHECK_ON_POSTGRESQL)

    def take_hooks(self) -> Hooks:
        """The `on_commit` hooks since the last call. In an outer block they stay, and wait for its end, as alone."""
        if self._nested:
            return []
        hooks, self.connection.run_on_commit = self.connection.run_on_commit, []
        return hooks
