"""A dry run: every step is run inside one transaction, which is rolled back in the end."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress

from django.db import Error, connections, transaction
from msgspec.structs import replace

from django_batch.core.answering import not_run
from django_batch.core.batch import Subresponse
from django_batch.core.plan import Step
from django_batch.errors import BatchError, GroupExempt, RolledBack, TransactionBroken
from django_batch.execution.executors.base import Run
from django_batch.execution.groups.database import Database

logger = logging.getLogger("django_batch")


class Rehearsal:
    """Runs steps on the databases `aliases`, inside a `with` block. Nothing is run once its transaction has ended."""

    def __init__(self, aliases: Iterable[str]) -> None:
        self._databases = [Database(connections[alias]) for alias in aliases]
        self._stack = ExitStack()
        self._error: BatchError | None = None  # why nothing can be run
        self._over = ""  # why nothing more is run

    def __enter__(self) -> Rehearsal:
        for database in self._databases:
            try:
                database.begin(self._stack)
            except Error:
                logger.exception("A dry run could not begin.")
                self._error = TransactionBroken(f"No transaction could be begun on {database.alias!r}.")
                break
        return self

    def __exit__(self, *exc_info: object) -> None:
        with suppress(Error):  # a lost connection cannot be made anew; the server has rolled back what was on it
            self._stack.__exit__(RolledBack, RolledBack(""), None)  # as if it had been raised inside of each `atomic`

    def run(self, step: Step, run: Run) -> Sequence[Subresponse]:
        """The subresponses of `step`, in a savepoint that keeps what it breaks from those after it."""
        if self._over:
            return [not_run(each, self._over) for each in step.subrequests]
        if error := self._error or self._obstacle(step):
            return [Subresponse.refused(each, error) for each in step.subrequests]
        subresponses = self._run(step, run)
        try:
            for database in self._databases:
                database.check(step.subrequests[0], constraints=False)
        except BatchError as error:
            self._over = f"the transaction of the dry run was lost with {step.subrequests[0].id!r}"
            keep = step.atomic  # a group blames the right member itself
            return [each if keep and each.failed else each.corrected(error) for each in subresponses]
        return [replace(subresponse, cookies=()) for subresponse in subresponses]

    def _obstacle(self, step: Step) -> BatchError | None:
        try:
            for database in self._databases:
                database.check_begin(step.subrequests[0])
        except BatchError as error:
            return error
        return None

    def _run(self, step: Step, run: Run) -> Sequence[Subresponse]:
        lost = TransactionBroken("The transaction of the dry run was lost.")
        subresponses: Sequence[Subresponse] = [Subresponse.refused(each, lost) for each in step.subrequests]
        begun = [database.alias for database in self._databases if database.begun]
        with suppress(Error), ExitStack() as savepoints:  # one that cannot be released was rolled back
            for alias in begun:
                savepoints.enter_context(transaction.atomic(using=alias))
            subresponses = run(step)
            if any(isinstance(each.error, GroupExempt) for each in subresponses):  # no later step may see its effects
                for alias in begun:
                    transaction.set_rollback(True, using=alias)
        return subresponses
