"""Runs the steps of one batch: each is one sub-request, or a group inside a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from random import uniform
from threading import get_ident
from time import sleep

from asgiref.sync import sync_to_async
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from msgspec import Struct, field
from msgspec.structs import replace

from django_batch.core.answering import Answers, aanswer, answer, answer_group, not_run, ready
from django_batch.core.batch import Subrequest, Subresponse
from django_batch.core.plan import Step
from django_batch.core.references import Budget
from django_batch.errors import BatchError, TimedOut
from django_batch.execution.client.client import Client
from django_batch.execution.executors.base import Run
from django_batch.execution.executors.deadline import Deadline
from django_batch.execution.executors.loops import ended
from django_batch.execution.groups.rehearsal import Rehearsal
from django_batch.execution.groups.transaction import Transaction
from django_batch.sharing.lookups import Lookups

_FIRST_PAUSE = 0.05  # seconds at most before the first retry; twice as many before each further one


class StepRunner(Struct, frozen=True):
    """Runs the steps of one batch.

    `databases` are the aliases that a group's transaction spans, `retries` the times that a group is run again, each
    told to `retried`, and `budget` is that of all references of the batch. Past the `deadline`
    a group in progress is rolled back.
    """

    answers: Answers
    client: Client
    lookups: Lookups
    databases: Iterable[str]
    retries: int
    retried: Callable[..., object]
    budget: Budget
    deadline: Deadline
    _filled: dict[str, Subrequest | BatchError] = field(default_factory=dict)  # what was asked for ahead, by id
    # By thread. The first is that of the request, on which this is made.
    _connections: dict[int, Sequence[BaseDatabaseWrapper]] = field(
        default_factory=lambda: {get_ident(): connections.all()}
    )

    def run(self, step: Step) -> Sequence[Subresponse]:
        """The subresponses of `step`."""
        self.lookups.begin_step(step.position)
        try:
            return self._run_group(step) if step.atomic else self._run_single(step)
        finally:
            self.lookups.end_step(step.position)
            self._mend()

    def is_async(self, step: Step) -> bool:
        """Whether `step` is one sub-request, for an async view. A group is done on a thread, with its connections."""
        if step.atomic:
            return False
        try:
            return self.client.is_async(self._ready(step.subrequests[0]))
        except BatchError:  # it will not be sent
            return False

    async def arun(self, step: Step) -> Sequence[Subresponse]:
        """`run` for an async view, which is cancelled at the deadline."""
        self.lookups.begin_step(step.position)
        try:
            return (await aanswer(step.subrequests[0], self._asend, prepare=self._take_ready),)
        finally:
            self.lookups.end_step(step.position)
            home = next(iter(self._connections.values()))
            if any(map(_is_broken, home)):
                await sync_to_async(self._mend)()

    def _ready(self, subrequest: Subrequest) -> Subrequest:
        """`subrequest` as it will be sent. Its references are filled in only once: they count against the budget."""
        if not subrequest.references:
            return ready(subrequest, self.answers, budget=self.budget)
        found = self._filled.get(subrequest.id)
        if found is None:
            try:
                found = ready(subrequest, self.answers, budget=self.budget)
            except BatchError as error:
                found = error
            self._filled[subrequest.id] = found
        if isinstance(found, BatchError):
            raise found
        return found

    def _take_ready(self, subrequest: Subrequest) -> Subrequest:
        """The same, which is not asked for again."""
        try:
            return self._ready(subrequest)
        finally:
            self._filled.pop(subrequest.id, None)

    async def _asend(self, subrequest: Subrequest) -> Subresponse:
        task = asyncio.create_task(self.client.asend(subrequest), context=self.client.context())
        try:
            async with asyncio.timeout(self.deadline.left()):
                return await ended(task)
        except TimeoutError:
            raise TimedOut("Cancelled because the time of the batch was over.", pointer=subrequest.pointer) from None

    def _mend(self) -> None:
        """Close connections that a view has left broken, because Django does this at the end of each request."""
        here = self._connections.get(get_ident())
        if here is None:  # Django would look each up in its settings and its context every time
            here = self._connections[get_ident()] = connections.all()
        for connection in here:
            if _is_broken(connection):
                connection.close_if_unusable_or_obsolete()

    def _run_single(self, step: Step) -> Sequence[Subresponse]:
        context = self.client.context()
        return (context.run(answer, step.subrequests[0], self.client.send, prepare=self._take_ready),)

    def _transaction(self) -> Transaction:
        return Transaction(self.client, self.databases)

    def _run_group(self, step: Step) -> Sequence[Subresponse]:
        if refused := self._refused_group(step):
            return refused
        retry, longest = 0, _FIRST_PAUSE
        while True:
            with self._transaction() as group:
                subresponses = answer_group(
                    step.subrequests, self.answers, group, budget=self.budget, over=self.deadline.over
                )
            if group.conflict is None or retry == self.retries or self.deadline.over():
                return subresponses
            retry += 1
            self._mend()
            self.retried(subrequests=step.subrequests, attempt=retry, error=group.conflict)
            sleep(uniform(0, longest))
            longest *= 2

    def _refused_group(self, step: Step) -> Sequence[Subresponse]:
        """The answers to a group that is not begun because one of its members may not be in any; else nothing."""
        objections = {each.id: self.client.group_objection(each) for each in step.subrequests}
        culprit = next((id_ for id_, error in objections.items() if error), None)
        if culprit is None:
            return ()
        reason = f"{culprit!r} may not be in a group"
        return [
            Subresponse.refused(each, error) if (error := objections[each.id]) else not_run(each, reason)
            for each in step.subrequests
        ]


@contextmanager
def dry_run(steps: StepRunner) -> Iterator[Run]:
    """Run steps inside of one transaction, which is rolled back in the end whatever they were answered."""
    branch = steps.client.branch()
    run = replace(steps, client=branch, retries=0).run
    try:
        with Rehearsal(steps.databases) as rehearsal:
            yield lambda step: rehearsal.run(step, run)
    finally:
        branch.forget()


def _is_broken(connection: BaseDatabaseWrapper) -> bool:
    """Whether a view has left `connection` with an error, or out of autocommit."""
    if connection.connection is None or connection.in_atomic_block:
        return False
    return connection.errors_occurred or connection.autocommit != connection.settings_dict["AUTOCOMMIT"]
