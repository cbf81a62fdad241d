"""Runs the steps of a job: each answer is committed together with what it answers.

A group stores its answers at the end of its own transaction. An unsafe item that is in no group gets a transaction on
the database of the jobs. It is committed whatever the view answers, so that attempts which it counts stay counted; only
a view that raised is rolled back. A safe item changes nothing, so its answer is stored afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from django.db import Error, connections
from msgspec.structs import replace

from django_batch.core.answering import Errors, Prepare, answer
from django_batch.core.batch import SAFE_METHODS, Subrequest, Subresponse
from django_batch.core.plan import Step
from django_batch.errors import BatchError, CommitFailed, OnCommitFailed, RolledBack, SenderGone, TransactionBroken
from django_batch.execution.chain.item import Identity, current_item
from django_batch.execution.client.client import Client
from django_batch.execution.groups.database import Database
from django_batch.execution.groups.hooks import Hooks
from django_batch.execution.groups.transaction import Transaction
from django_batch.execution.step_runner import StepRunner
from django_batch.jobs.repeating import may_be_repeated
from django_batch.jobs.storing import Record

logger = logging.getLogger("django_batch.jobs")

_GONE = (
    "Not run because the sender of the job is gone or not active any more, has another password, or lost the token "
    "that the job was sent with."
)


class StoredSteps(StepRunner, frozen=True, kw_only=True):
    """Runs steps and stores their answers in `record`. `restore` finds the sender anew, if it is not there itself."""

    record: Record
    restore: Callable[[], Identity | None] | None = None

    def _run_single(self, step: Step) -> Sequence[Subresponse]:
        subrequest = step.subrequests[0]
        runner = self._in_whose_name()
        if runner is None:
            return self._refused(step)
        if subrequest.method in SAFE_METHODS:
            subresponses = super(StoredSteps, runner)._run_single(step)
            self.record.store_alone(subresponses)
            return subresponses
        runner._mark(step)
        return [answer_alone(subrequest, runner.client, self.record, prepare=self._take_ready)]

    def _run_group(self, step: Step) -> Sequence[Subresponse]:
        runner = self._in_whose_name()
        if runner is None:
            return self._refused(step)
        runner._mark(step)
        subresponses = super(StoredSteps, runner)._run_group(step)
        if rest := [each for each in subresponses if each.subrequest.id not in self.record.committed]:
            self.record.store_alone(rest)
        return subresponses

    def _transaction(self) -> Transaction:
        others = [alias for alias in self.databases if alias != self.record.alias]
        return StoredTransaction(self.client, [self.record.alias, *others], self.record)

    def _in_whose_name(self) -> StoredSteps | None:
        """The same with a client that acts for the sender as it is now, or None if it may not act any more.

        It knows no cookies of earlier steps: these would be lost after a crash, and jobs would depend on where it was.
        """
        if self.restore is None:
            return self
        identity = self.restore()
        if identity is None:
            return None
        client = self.client.afresh()
        client.identity = identity
        return replace(self, client=client)

    def _refused(self, step: Step) -> Sequence[Subresponse]:
        subresponses = [Subresponse.refused(each, SenderGone(_GONE)) for each in step.subrequests]
        self.record.store_alone(subresponses)
        return subresponses

    def _mark(self, step: Step) -> None:
        """Leave a mark if a view must not be repeated."""
        if not all(may_be_repeated(self.client.match(self._as_sent(each)), each.method) for each in step.subrequests):
            self.record.start(step.subrequests)

    def _as_sent(self, subrequest: Subrequest) -> Subrequest:
        try:
            return self._ready(subrequest)
        except BatchError:  # it will not be sent, or refers to another member of its group
            return subrequest


class StoredTransaction(Transaction):
    """The transaction of a group, which stores the answers of its members last."""

    def __init__(self, client: Client, aliases: Sequence[str], record: Record) -> None:
        super().__init__(client, aliases)
        self._record = record

    def commit(self) -> Errors:
        """Store the answers and commit. Whether a commit was done whose reply was lost, the stored answers tell."""
        done = [*self._done]
        self._record.store(done)
        errors = super().commit()
        if errors and not self._record.is_stored([each.subrequest for each in done]):
            failed = CommitFailed("Every sub-request of the group succeeded, but the database refused the commit.")
            return dict.fromkeys(errors, failed)
        self._record.committed.update(each.subrequest.id for each in done)
        kept = {id_: error for id_, error in errors.items() if isinstance(error, OnCommitFailed)}
        self._record.correct([_replaced(each, kept) for each in done if each.subrequest.id in kept])
        return kept

    def _begin(self) -> None:
        super()._begin()
        _write_first(self._record)


def answer_alone(subrequest: Subrequest, client: Client, record: Record, *, prepare: Prepare) -> Subresponse:
    """The answer to an unsafe `subrequest`, committed with what it has done on the database of the jobs."""
    database = Database(connections[record.alias])
    subresponse: Subresponse | None = None
    hooks = Hooks([])
    try:
        with ExitStack() as stack:
            database.begin(stack)
            _write_first(record)
            hooks = Hooks([] if database.nested else [database.connection])
            context = client.context()
            subresponse = context.run(answer, subrequest, client.send, prepare=prepare)
            item = context.get(current_item)
            if item and item.raised:
                raise RolledBack("The view raised an exception.")
            database.check(subrequest)
            hooks.take(subrequest.id, context)
            record.store([subresponse])
    except BatchError as error:  # it was rolled back; a failure keeps its own answer
        if subresponse is None or not subresponse.failed:
            subresponse = Subresponse.refused(subrequest, error)
    except Error as error:
        logger.exception("The transaction of an item failed.")
        if subresponse is None or not record.is_stored([subrequest]):
            subresponse = Subresponse.refused(subrequest, _failure(begun=database.begun, error=error))
    else:
        record.committed.add(subrequest.id)
    return _settled(subresponse, record, hooks)


def _settled(subresponse: Subresponse, record: Record, hooks: Hooks) -> Subresponse:
    """`subresponse`, which is stored in the end, and is another one if an `on_commit` hook raised."""
    if subresponse.subrequest.id not in record.committed:
        record.store_alone([subresponse])
    elif hooks.errors:
        subresponse = _replaced(subresponse, hooks.errors)
        record.correct([subresponse])
    return subresponse


def _failure(*, begun: bool, error: Error) -> BatchError:
    if begun:
        return CommitFailed("The sub-request was answered, but the database refused the commit.")
    return TransactionBroken(f"No transaction could be begun ({type(error).__name__}).")


def _replaced(subresponse: Subresponse, errors: Errors) -> Subresponse:
    return subresponse.corrected(errors[subresponse.subrequest.id])


def _write_first(record: Record) -> None:
    if connections[record.alias].vendor == "sqlite":
        record.hold()
