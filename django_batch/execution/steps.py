"""Steps, done: the flow of each pushed to its end, inside a transaction if it is a group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from random import uniform
from threading import get_ident
from time import sleep

from django.db import Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from django_batch.core.flow import Answers, Flow, drive, flow
from django_batch.core.messages import Subresponse
from django_batch.core.plan import Step
from django_batch.errors import RolledBack, TransactionBroken
from django_batch.execution.base import Perform
from django_batch.execution.conversation import Conversation
from django_batch.execution.statements import Statements
from django_batch.execution.transactions import Transaction

_FIRST_PAUSE = 0.05  # seconds at most before the first retry; twice as many before each further one


@dataclass(frozen=True, slots=True)
class Steps:
    """How the steps of one batch are performed.

    `databases` are the aliases that a group's transaction spans, `retries` the times that a group is run again, each
    told to `retried`, and `max_size` bounds what references make of a sub-request, in bytes. Once the time of the batch
    is `over`, a group in progress is rolled back.
    """

    answers: Answers
    conversation: Conversation
    databases: Iterable[str]
    retries: int
    retried: Callable[..., object]
    max_size: int
    over: Callable[[], bool] = lambda: False
    _kept: dict[int, Sequence[BaseDatabaseWrapper]] = field(default_factory=dict)

    def perform(self, step: Step) -> Sequence[Subresponse]:
        """The subresponses of `step`."""
        self._connections()
        self.conversation.credentials.begin_step()
        try:
            return self._group(step) if step.atomic else drive(self._flow(step), self.conversation.perform)
        finally:
            self.conversation.credentials.end_step()
            self._mend_connections()

    def rehearse(self, step: Step) -> Sequence[Subresponse]:
        """The subresponses of `step` in a dry run, in a savepoint that keeps what it breaks from those after it."""
        lost = TransactionBroken("The transaction of the dry run was lost.")
        subresponses: Sequence[Subresponse] = [Subresponse.refused(each, lost) for each in step.subrequests]
        with suppress(Error), ExitStack() as savepoints:  # one that cannot be released was rolled back
            for alias in self.databases:
                savepoints.enter_context(transaction.atomic(using=alias))
            subresponses = self.perform(step)
        return [subresponse._replace(cookies=()) for subresponse in subresponses]

    def _group(self, step: Step) -> Sequence[Subresponse]:
        retry, longest = 0, _FIRST_PAUSE
        while True:
            with Transaction(self.conversation, self.databases) as group:
                subresponses = drive(self._flow(step), group.perform)
            if group.conflict is None or retry == self.retries or self.over():
                return subresponses
            retry += 1
            self._mend_connections()
            self.retried(subrequests=step.subrequests, attempt=retry, error=group.conflict)
            sleep(uniform(0, longest))
            longest *= 2

    def _mend_connections(self) -> None:
        for connection in self._connections():
            _mend(connection)

    def _connections(self) -> Sequence[BaseDatabaseWrapper]:
        """Those of this thread, whose statements the credentials hear.

        Kept, as Django looks each of them up in its context: 3 % of a plain view.
        """
        thread = get_ident()
        if thread not in self._kept:
            self._kept[thread] = connections.all()
            for connection in self._kept[thread]:
                # In front, where it surrounds all others: those are taken off from behind.
                connection.execute_wrappers.insert(0, self.conversation.credentials)
        return self._kept[thread]

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Until the end of this block the credentials hear what is said on every thread on which a step was begun."""
        try:
            yield
        finally:
            for connection in chain.from_iterable(self._kept.values()):
                connection.execute_wrappers.remove(self.conversation.credentials)

    def _flow(self, step: Step) -> Flow:
        return flow(step, self.answers, max_size=self.max_size, over=self.over)


@contextmanager
def dry_run(steps: Steps) -> Iterator[Perform]:
    """Perform steps inside of one transaction, which is rolled back in the end whatever they were answered."""
    branch = steps.conversation.branch()
    with ExitStack() as stack:
        for alias in steps.databases:
            stack.enter_context(transaction.atomic(using=alias))
            stack.enter_context(connections[alias].execute_wrapper(Statements()))  # which lets no view commit
        try:
            yield replace(steps, conversation=branch, retries=0).rehearse
        finally:
            with suppress(Error):  # a lost connection cannot be made anew; the server has rolled back what was on it
                stack.__exit__(RolledBack, RolledBack(""), None)  # as if it had been raised inside of each `atomic`
            branch.forget()


def _mend(connection: BaseDatabaseWrapper) -> None:
    """Close a connection that a view has left broken or out of autocommit, as the end of a request alone does."""
    if connection.connection is None or connection.in_atomic_block:
        return
    if connection.errors_occurred or connection.autocommit != connection.settings_dict["AUTOCOMMIT"]:
        connection.close_if_unusable_or_obsolete()
