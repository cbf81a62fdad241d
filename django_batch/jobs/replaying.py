"""A batch with an idempotency key: run and kept, and replayed when it is sent again."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models.functions import Now
from django.http import HttpResponseBase
from msgspec.structs import replace
from rest_framework.request import Request

from django_batch.core.batch import Batch, Subresponse
from django_batch.core.plan import Plan, plan
from django_batch.core.schedule import Schedule
from django_batch.dialects.base import Dialect
from django_batch.errors import InProgress, KeyReused
from django_batch.execution.batch_run import BatchRun
from django_batch.execution.executors.base import Executor
from django_batch.execution.executors.deadline import Deadline
from django_batch.jobs.conf import database
from django_batch.jobs.finishing import finish_chunk
from django_batch.jobs.leases import LeaseLost, claim
from django_batch.jobs.models import Chunk, Job
from django_batch.jobs.presenting import RETRY_AFTER, accepted
from django_batch.jobs.reopening import not_final, reopen
from django_batch.jobs.resuming import resume
from django_batch.jobs.running import answers_of, by_name, settle_marks, stored
from django_batch.jobs.storing import Record
from django_batch.views import BatchView

_REUSED = "This idempotency key was sent with another batch. Use a new key for each batch."
_IN_PROGRESS = "The batch with this idempotency key is being run. Ask again later."


class KeptRun:
    """A run whose answers are stored, in the shape that `BatchView.answer` asks for."""

    def __init__(self, run: BatchRun, record: Record, chunk: Chunk) -> None:
        self._run = run
        self._record = record
        self._chunk = chunk

    def answers(self, executor: Executor, *, max_workers: int) -> Sequence[Subresponse]:
        """Every answer in request order. Raises `InProgress` if another request has taken the batch over."""
        try:
            subresponses = self._run.answers(executor, max_workers=max_workers)
            if rest := [each for each in subresponses if self._is_new(each)]:
                self._record.store_alone(rest)
            finish_chunk(self._chunk)
        except LeaseLost:
            raise InProgress(_IN_PROGRESS, headers={"Retry-After": RETRY_AFTER}) from None
        except BaseException:
            own = Chunk.objects.using(database()).filter(pk=self._chunk.pk, lease=self._chunk.lease)
            own.update(lease_expires=Now())  # so that it can be sent again at once
            raise
        return subresponses

    def _is_new(self, subresponse: Subresponse) -> bool:
        return subresponse.subrequest.id not in self._record.committed


class Replay:
    """Answers that are stored, in the same shape."""

    def __init__(self, subresponses: Sequence[Subresponse]) -> None:
        self._subresponses = subresponses

    def answers(self, executor: Executor, *, max_workers: int) -> Sequence[Subresponse]:
        """What was stored."""
        return self._subresponses


def run_now(view: BatchView, request: Request, batch: Batch, *, job: Job, chunk: Chunk) -> HttpResponseBase:
    """The answer to `batch`, of which only what has no answer yet is run. The caller has the lease of `chunk`."""
    by_position = dict(enumerate(batch.subrequests))
    settle_marks(chunk)
    answered = answers_of(job, by_position)
    record = Record(chunk, int(chunk.lease or 0), {each.id: place for place, each in by_position.items()})
    record.committed.update(by_position[place].id for place in answered)
    planned = plan(batch, parallel_writes=view.parallel_writes)
    deadline = Deadline(view.timeout)
    left = _left(planned, record)
    schedule = Schedule(left, over=deadline.over, earlier=by_name(answered.values()))
    steps = stored(view.get_steps(request._request, schedule.answers, deadline), record, None)
    run = BatchRun(request._request, schedule, steps, sender=type(view))
    run.open()
    writer = view.get_dialect().writer(batch)
    response = BatchView.answer(view, writer, KeptRun(run, record, chunk))  # type: ignore[arg-type]
    if not left.steps:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def again(
    view: BatchView, request: Request, batch: Batch, *, job: Job, new: Job, dialect: Dialect, in_background: bool
) -> HttpResponseBase:
    """The answer to a batch whose key is known, as that of `job`; it was sent again as `new`."""
    if job.fingerprint != new.fingerprint:
        raise KeyReused(_REUSED)
    busy = InProgress(_IN_PROGRESS, headers={"Retry-After": RETRY_AFTER})
    if job.is_over and not (left := not_final(job)).exists():
        return accepted(job, dialect) if in_background else replay(view, batch, job)
    if job.background:
        if job.is_over:
            reopen(job, left)
        resume(job)
        if in_background:
            return accepted(job, dialect)
        raise busy
    if job.is_over and not reopen(job, left):
        raise busy
    chunk = claim(job.chunk_set.values_list("pk", flat=True).get())
    if chunk is None:
        raise busy
    return run_now(view, request, batch, job=job, chunk=chunk)


def replay(view: BatchView, batch: Batch, job: Job) -> HttpResponseBase:
    """The stored answers, as they were given."""
    answers = answers_of(job, dict(enumerate(batch.subrequests)))
    subresponses = [answers[place] for place in sorted(answers)]
    response = BatchView.answer(view, view.get_dialect().writer(batch), Replay(subresponses))  # type: ignore[arg-type]
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _left(planned: Plan, record: Record) -> Plan:
    """The steps of `planned` that have no answers yet, and wait only for each other."""
    steps = [step for step in planned.steps if step.subrequests[0].id not in record.committed]
    places = {step.position for step in steps}
    return Plan(planned.batch, tuple(replace(step, after=step.after & places) for step in steps))
