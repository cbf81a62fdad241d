"""Steps, done: the flow of each pushed to its end, inside a transaction if it is a group."""

from __future__ import annotations

from asyncio import timeout
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain
from random import uniform
from threading import get_ident
from time import sleep

from asgiref.sync import sync_to_async
from django.db import Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from msgspec import Struct, field
from msgspec.structs import replace

from django_batch.core.answering import Answers, Effect, Flow, adrive, answer, drive, flow
from django_batch.core.batch import Subrequest, Subresponse
from django_batch.core.plan import Step
from django_batch.core.references import fill
from django_batch.errors import BatchError, RolledBack, TimedOut, TransactionBroken
from django_batch.execution.client.client import Client
from django_batch.execution.executors.base import Perform
from django_batch.execution.executors.deadline import Deadline
from django_batch.execution.groups.statements import Statements
from django_batch.execution.groups.transaction import Transaction

_FIRST_PAUSE = 0.05  # seconds at most before the first retry; twice as many before each further one


class StepRunner(Struct, frozen=True):
    """How the steps of one batch are performed.

    In a `with` block the credentials hear what is said to the databases on every thread on which a step was begun.

    `databases` are the aliases that a group's transaction spans, `retries` the times that a group is run again, each
    told to `retried`, and `max_size` bounds what references make of a sub-request, in bytes. Past the `deadline`
    a group in progress is rolled back.
    """

    answers: Answers
    conversation: Client
    databases: Iterable[str]
    retries: int
    retried: Callable[..., object]
    max_size: int
    deadline: Deadline
    # Of each thread; the first made this. Kept, as Django looks each of them up in its context: 3 % of a plain view.
    _connections: dict[int, Sequence[BaseDatabaseWrapper]] = field(
        default_factory=lambda: {get_ident(): connections.all()}
    )

    def perform(self, step: Step) -> Sequence[Subresponse]:
        """The subresponses of `step`."""
        connections = self._connections.get(get_ident()) or self._listen()
        conversation = self.conversation
        conversation.credentials.begin_step(step.position)
        try:
            if step.atomic:
                return self._group(step)
            if step.after or step.subrequests[0].condition:
                return drive(self._flow(step), conversation.perform)
            return answer(step.subrequests[0], conversation.perform)
        finally:
            conversation.credentials.end_step(step.position)
            _mend(connections)

    def is_async(self, step: Step) -> bool:
        """Whether `step` is one sub-request, for an async view. A group is done on a thread, with its connections."""
        if step.atomic:
            return False
        try:
            return self.conversation.is_async(fill(step.subrequests[0], self.answers, max_size=self.max_size))
        except BatchError:  # it will not be sent
            return False

    async def aperform(self, step: Step) -> Sequence[Subresponse]:
        """As `perform`, of an async view, which is cancelled at the deadline. It has the task that this is done in."""
        self.conversation.credentials.begin_unheard_step(step.position)  # of which thread, only the view knows
        try:
            return await adrive(self._flow(step), self._answer)
        finally:
            self.conversation.credentials.end_step(step.position)
            home = next(iter(self._connections.values()))
            if any(map(_is_broken, home)):
                await sync_to_async(lambda: _mend(self._connections.get(get_ident()) or self._listen()))()

    async def _answer(self, effect: Effect) -> Subresponse:
        assert isinstance(effect, Subrequest)
        try:
            async with timeout(self.deadline.left()):
                return await self.conversation.aanswer(effect)
        except TimeoutError:
            raise TimedOut("Cancelled, as the time of the batch was over.", pointer=effect.pointer) from None

    def rehearse(self, step: Step) -> Sequence[Subresponse]:
        """The subresponses of `step` in a dry run, in a savepoint that keeps what it breaks from those after it."""
        lost = TransactionBroken("The transaction of the dry run was lost.")
        subresponses: Sequence[Subresponse] = [Subresponse.refused(each, lost) for each in step.subrequests]
        with suppress(Error), ExitStack() as savepoints:  # one that cannot be released was rolled back
            for alias in self.databases:
                savepoints.enter_context(transaction.atomic(using=alias))
            subresponses = self.perform(step)
        return [replace(subresponse, cookies=()) for subresponse in subresponses]

    def _group(self, step: Step) -> Sequence[Subresponse]:
        retry, longest = 0, _FIRST_PAUSE
        while True:
            with Transaction(self.conversation, self.databases) as group:
                subresponses = drive(self._flow(step), group.perform)
            if group.conflict is None or retry == self.retries or self.deadline.over():
                return subresponses
            retry += 1
            _mend(self._connections[get_ident()])
            self.retried(subrequests=step.subrequests, attempt=retry, error=group.conflict)
            sleep(uniform(0, longest))
            longest *= 2

    def __enter__(self) -> StepRunner:
        for connection in chain.from_iterable(self._connections.values()):
            self._listen_to(connection)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for connection in chain.from_iterable(self._connections.values()):
            connection.execute_wrappers.remove(self.conversation.credentials)

    def _listen(self) -> Sequence[BaseDatabaseWrapper]:
        """The connections of this thread, to which the credentials listen from now on."""
        self._connections[get_ident()] = found = connections.all()
        for connection in found:
            self._listen_to(connection)
        return found

    def _listen_to(self, connection: BaseDatabaseWrapper) -> None:
        # In front, where it surrounds all others: those are taken off from behind.
        connection.execute_wrappers.insert(0, self.conversation.credentials)

    def _flow(self, step: Step) -> Flow:
        return flow(step, self.answers, max_size=self.max_size, over=self.deadline.over)


@contextmanager
def dry_run(steps: StepRunner) -> Iterator[Perform]:
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


def _mend(connections: Iterable[BaseDatabaseWrapper]) -> None:
    """Close those that a view has left broken, as the end of a request alone does."""
    for connection in connections:
        if _is_broken(connection):
            connection.close_if_unusable_or_obsolete()


def _is_broken(connection: BaseDatabaseWrapper) -> bool:
    """Whether a view has left `connection` with an error, or out of autocommit."""
    if connection.connection is None or connection.in_atomic_block:
        return False
    return connection.errors_occurred or connection.autocommit != connection.settings_dict["AUTOCOMMIT"]
