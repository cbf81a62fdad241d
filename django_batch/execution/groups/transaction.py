"""All or nothing: one transaction on every database, ended as `answer_group` decides.

Several databases are committed one after the other, the first of them last; that is not a two-phase commit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType

from django.db import Error, connections

from django_batch.core.answering import Errors
from django_batch.core.batch import Subrequest, Subresponse
from django_batch.errors import BatchError, CommitFailed, OutcomeUnknown, RolledBack, TransactionBroken
from django_batch.execution.client.client import Client
from django_batch.execution.groups.database import Database
from django_batch.execution.groups.hooks import Hooks
from django_batch.execution.groups.statements import is_conflict

logger = logging.getLogger("django_batch")


class Transaction:
    """Sends the members of one group, inside a `with` block.

    `conflict` is, once it has failed, the error that says that another transaction was in the way.
    """

    def __init__(self, client: Client, aliases: Iterable[str]) -> None:
        self.conflict: Error | None = None
        self._client = client
        self._branch = client.branch()
        self._databases = [Database(connections[alias]) for alias in aliases]
        self._hooks = Hooks([])
        self._stack = ExitStack()
        self._done: list[Subresponse] = []

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def send(self, subrequest: Subrequest) -> Subresponse:
        """The site's answer. Raises a `BatchError` for what fails the group, whatever the site has answered."""
        if not self._done:
            self._begin()
        for database in self._databases:
            database.check_begin(subrequest)
        context = self._branch.context()
        subresponse = context.run(self._branch.send, subrequest)
        if not subresponse.failed:
            for database in self._databases:
                database.check(subrequest)
            self._hooks.take(subrequest.id, context)
        self._done.append(subresponse)
        return subresponse

    def commit(self) -> Errors:
        """Commit, and tell which members cannot be answered with success, and why."""
        try:
            for database in self._databases:
                database.verify()
        except Error:
            logger.exception("The transaction of a group was over before its commit.")
            lost = CommitFailed(
                "Every sub-request of the group succeeded, but its transaction was lost before the commit."
            )
            return self.roll_back() or self._told_by_all(lost)
        try:
            self._stack.close()
        except Error as error:
            logger.exception("The commit of a group failed.")
            self._branch.forget()
            nothing_stays = not any(each.stays or each.outcome_unknown for each in self._databases)
            self.conflict = error if nothing_stays and is_conflict(error) else None
            return self._told_by_all(self._failure())
        self._client.merge(self._branch, self._done)
        return self._hooks.errors

    def roll_back(self) -> Errors:
        """Roll back, and tell which members cannot be answered `rolled_back`, and why."""
        not_undone = [each.alias for each in self._databases if each.may_be_stored()]
        try:
            self._stack.__exit__(RolledBack, RolledBack(""), None)  # as if it had been raised inside of each `atomic`
        except Error:  # the server has rolled back what was on a connection that is lost; there is no new one to be had
            logger.exception("A connection was lost in a group, and could not be made anew.")
        self._branch.forget()
        if not_undone:
            return self._told_by_all(TransactionBroken(_not_undone(not_undone)))
        conflicts = (each.statements.conflict for each in self._databases)
        self.conflict = next(filter(None, conflicts), None)
        return {}

    def _begin(self) -> None:
        for database in self._databases:
            try:
                database.begin(self._stack)
            except Error as error:
                raise TransactionBroken(f"No transaction could be begun on {database.alias!r}.") from error
        # In an outer block they stay as they are, and wait for its end, as alone.
        self._hooks = Hooks([each.connection for each in self._databases if each.begun and not each.nested])

    def _told_by_all(self, error: BatchError) -> Errors:
        return {subresponse.subrequest.id: error for subresponse in self._done}

    def _failure(self) -> BatchError:
        """Why the commit failed, and what is stored all the same."""
        committed = ", ".join(repr(each.alias) for each in self._databases if each.stays)
        kept = f" It had been committed on {committed} before, and stays there." if committed else ""
        for database in self._databases:
            if database.outcome_unknown:
                return OutcomeUnknown(
                    f"The connection to {database.alias!r} was lost during the commit of the group, which is done "
                    f"there, or is not. Look for what was written before you send it again.{kept}"
                )
        return CommitFailed(f"Every sub-request of the group succeeded, but the database refused the commit.{kept}")


def _not_undone(aliases: Iterable[str]) -> str:
    names = ", ".join(map(repr, aliases))
    return f"The transaction was ended on {names} before the group failed: what this wrote there may be stored."
