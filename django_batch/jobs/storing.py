"""Answers on their way into the database and out of it.

An answer is stored in the transaction of what it answers, together with the counts of its chunk, and only while the
lease of the chunk is the caller's: either all of it is committed, or nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import IntegrityError, connections, transaction
from django.db.models import F, QuerySet

from django_batch import errors
from django_batch.core.batch import Subrequest, Subresponse
from django_batch.errors import BatchError, BodyTooLarge, OutcomeUnknown
from django_batch.jobs.conf import database, jobs_settings
from django_batch.jobs.leases import LeaseLost, lease_end
from django_batch.jobs.models import Answer, Chunk, Outcome

_ERRORS: Mapping[str, type[BatchError]] = {
    kind.code: kind
    for kind in reversed(list(vars(errors).values()))
    if isinstance(kind, type) and issubclass(kind, BatchError)
}
_NOT_RUN = 424
_TOO_LARGE = "The body was past MAX_ANSWER, and was not kept."
_UNKNOWN = (
    "The process ended while this was being done, so nobody knows whether it was. It must not be done twice, and is "
    "not run again. Look for what it does before you send it under a new key."
)


class Record:
    """Stores the answers of one chunk, for the worker that holds its lease. `positions` are by id of the item."""

    def __init__(self, chunk: Chunk, lease: int, positions: Mapping[str, int]) -> None:
        self.alias = database()
        self._chunk = chunk
        self._lease = lease
        self._positions = positions
        self._started: set[int] = set()
        self.committed: set[str] = set()  # ids of the items whose answers are stored for good

    def hold(self) -> None:
        """Raise `LeaseLost` if another worker has the chunk.

        SQLite allows one writer at a time. A transaction that writes first waits for the others; one that has read
        before it writes fails instead.
        """
        if not self._own().update(lease=self._lease):
            raise LeaseLost

    def store(self, subresponses: Sequence[Subresponse]) -> None:
        """Store answers, in the transaction that the caller has begun. Raises `LeaseLost`."""
        counts = Counter(map(outcome_of, subresponses))
        more: dict[str, Any] = {each.name.lower(): F(each.name.lower()) + counts[each] for each in counts}
        if not self._own().update(lease_expires=lease_end(), **more):
            raise LeaseLost
        rows = [self._row(each) for each in subresponses]
        positions = [row.position for row in rows if row.position in self._started]
        if positions:
            self._answers().filter(position__in=positions).delete()
        try:
            self._answers().bulk_create(rows)
        except IntegrityError as error:  # another worker has answered the same
            raise LeaseLost from error

    def store_alone(self, subresponses: Sequence[Subresponse]) -> None:
        """Store answers in a transaction of their own. Raises `LeaseLost`."""
        with transaction.atomic(using=self.alias):
            self.store(subresponses)
        self.committed.update(each.subrequest.id for each in subresponses)

    def start(self, subrequests: Iterable[Subrequest]) -> None:
        """Leave a mark, committed before anything is run, by which an item that was lost in progress is known."""
        rows = [self._row(unknown(each)) for each in subrequests]
        with transaction.atomic(using=self.alias):
            self.hold()
            for row in rows:
                row.started = True
            self._answers().bulk_create(rows)
        self._started.update(row.position for row in rows)

    def is_stored(self, subrequests: Sequence[Subrequest]) -> bool:
        """Whether the answers to `subrequests` were committed with this lease, asked after a commit that failed."""
        connections[self.alias].close_if_unusable_or_obsolete()
        positions = [self._positions[each.id] for each in subrequests]
        stored = self._answers().filter(position__in=positions, lease=self._lease, started=False)
        if stored.count() < len(positions):
            return False
        self.committed.update(each.id for each in subrequests)
        return True

    def correct(self, subresponses: Sequence[Subresponse]) -> None:
        """Replace answers that were stored and have turned out otherwise after their commit."""
        with transaction.atomic(using=self.alias):
            for each in subresponses:
                row = self._row(each)
                stored = self._answers().filter(position=row.position, lease=self._lease)
                before = Outcome(stored.values_list("outcome", flat=True).get()).name.lower()
                after = Outcome(row.outcome).name.lower()
                stored.delete()
                row.save(using=self.alias, force_insert=True)
                if before != after:
                    self._own().update(**{before: F(before) - 1, after: F(after) + 1})

    def _own(self) -> QuerySet[Chunk]:
        return Chunk.objects.using(self.alias).filter(pk=self._chunk.pk, lease=self._lease)

    def _answers(self) -> QuerySet[Answer]:
        return Answer.objects.using(self.alias).filter(job_id=self._chunk.job_id)

    def _row(self, subresponse: Subresponse) -> Answer:
        subresponse = bounded(subresponse)
        error = subresponse.error
        return Answer(
            job_id=self._chunk.job_id,
            position=self._positions[subresponse.subrequest.id],
            chunk=self._chunk.number,
            lease=self._lease,
            outcome=outcome_of(subresponse),
            status=subresponse.status,
            headers=dict(subresponse.headers),
            body=subresponse.body,
            error=error
            and {"code": error.code, "status": error.status, "detail": error.detail, "pointer": error.pointer},
            path=subresponse.subrequest.path,
            reason=subresponse.reason,
            duration=subresponse.duration,
        )


def outcome_of(subresponse: Subresponse) -> Outcome:
    """How `subresponse` is counted."""
    if isinstance(subresponse.error, OutcomeUnknown):
        return Outcome.UNKNOWN
    if subresponse.status == _NOT_RUN:
        return Outcome.NOT_RUN
    return Outcome.FAILED if subresponse.failed else Outcome.SUCCEEDED


def unknown(subrequest: Subrequest) -> Subresponse:
    """The answer to an item that must not be repeated, and was lost in progress."""
    return Subresponse.refused(subrequest, OutcomeUnknown(_UNKNOWN))


def bounded(subresponse: Subresponse) -> Subresponse:
    """`subresponse` as it is kept: without a body that is too large, and without the cookies that it set."""
    if len(subresponse.body) <= jobs_settings.MAX_ANSWER:
        return subresponse
    return Subresponse(
        subresponse.subrequest,
        subresponse.status,
        subresponse.headers,
        error=BodyTooLarge(_TOO_LARGE),
        duration=subresponse.duration,
    )


def subresponse_of(answer: Answer, subrequest: Subrequest) -> Subresponse:
    """The answer as it was, to `subrequest`."""
    return Subresponse(
        subrequest,
        answer.status,
        answer.headers,
        bytes(answer.body),
        error=answer.error and _error(**answer.error),
        duration=answer.duration,
        reason=answer.reason,
    )


def _error(*, code: str, status: int, detail: str, pointer: str) -> BatchError:
    error = _ERRORS.get(code, BatchError)(detail, pointer=pointer)
    if error.status != status or error.code != code:  # one of the site's own, whose class is not known here
        vars(error).update(status=status, code=code)
    return error
