"""Steps, done: the flow of each pushed to its end, inside a transaction if it is a group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from random import uniform
from time import sleep

from django.db import DatabaseError, connections, transaction

from django_batch.core.flow import Answers, Flow, drive, flow
from django_batch.core.messages import Subresponse
from django_batch.core.plan import Step
from django_batch.errors import RolledBack, TransactionBroken
from django_batch.execution.base import Perform
from django_batch.execution.conversation import Conversation
from django_batch.execution.transactions import Transaction

_FIRST_PAUSE = 0.05  # seconds at most before the first retry; twice as many before each further one


@dataclass(frozen=True, slots=True)
class Steps:
    """How the steps of one batch are performed.

    `databases` are the aliases that a group's transaction spans, `retries` the times that a group is run again, each
    told to `retried`, and `max_size` bounds what references make of a sub-request, in bytes.
    """

    answers: Answers
    conversation: Conversation
    databases: Iterable[str]
    retries: int
    retried: Callable[..., object]
    max_size: int

    def perform(self, step: Step) -> Sequence[Subresponse]:
        """The subresponses of `step`."""
        try:
            return self._group(step) if step.atomic else drive(self._flow(step), self.conversation.perform)
        finally:
            _mend_connections()

    def rehearse(self, step: Step) -> Sequence[Subresponse]:
        """The subresponses of `step` in a dry run, in a savepoint that keeps what it breaks from those after it."""
        lost = TransactionBroken("The transaction of the dry run was lost.")
        subresponses: Sequence[Subresponse] = [Subresponse.refused(each, lost) for each in step.subrequests]
        with suppress(DatabaseError), ExitStack() as savepoints:  # one that cannot be released was rolled back
            for alias in self.databases:
                savepoints.enter_context(transaction.atomic(using=alias))
            subresponses = self.perform(step)
        return [replace(subresponse, cookies=()) for subresponse in subresponses]

    def _group(self, step: Step) -> Sequence[Subresponse]:
        for attempt in range(self.retries + 1):
            with Transaction(self.conversation, self.databases) as group:
                subresponses = drive(self._flow(step), group.perform)
            if group.conflict is None or attempt == self.retries:
                break
            self.retried(subrequests=step.subrequests, attempt=attempt + 1, error=group.conflict)
            sleep(uniform(0, _FIRST_PAUSE * 2**attempt))
        return subresponses

    def _flow(self, step: Step) -> Flow:
        return flow(step, self.answers, max_size=self.max_size)


@contextmanager
def dry_run(steps: Steps) -> Iterator[Perform]:
    """Perform steps inside of one transaction, which is rolled back in the end whatever they were answered."""
    branch = steps.conversation.branch()
    with ExitStack() as stack:
        for alias in steps.databases:
            stack.enter_context(transaction.atomic(using=alias))
        yield replace(steps, conversation=branch, retries=0).rehearse
        stack.__exit__(RolledBack, RolledBack(""), None)  # as if it had been raised inside of each `atomic`
    branch.forget()


def _mend_connections() -> None:
    """Close connections that a view has left broken or out of autocommit, as the end of a request alone does."""
    for connection in connections.all(initialized_only=True):
        left_open = connection.connection is not None and not connection.in_atomic_block
        if left_open and (
            connection.errors_occurred or connection.get_autocommit() != connection.settings_dict["AUTOCOMMIT"]
        ):
            connection.close_if_unusable_or_obsolete()
