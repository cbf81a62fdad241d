"""A worker runs one chunk: it claims it, finds the sender, runs what has no answer yet, and hands on to the next.

Nothing that is lost on the way is lost for good: what is committed has its answer, and what is not is found by the
lease of its chunk (`resuming`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.urls import get_script_prefix, set_script_prefix
from msgspec import Struct

from django_batch.core.answering import Answers
from django_batch.core.batch import Batch, Subrequest, Subresponse
from django_batch.core.plan import Plan, Step
from django_batch.core.schedule import Schedule
from django_batch.errors import BatchError
from django_batch.execution.batch_run import BatchRun
from django_batch.execution.chain.item import Identity
from django_batch.execution.executors.base import Executor, Finished, Run
from django_batch.execution.executors.deadline import Deadline
from django_batch.execution.step_runner import StepRunner
from django_batch.jobs.conf import database
from django_batch.jobs.content import subrequests_of, view_of
from django_batch.jobs.environ import request_for
from django_batch.jobs.finishing import finish_chunk
from django_batch.jobs.leases import LeaseLost, claim
from django_batch.jobs.models import Answer, Chunk, Job
from django_batch.jobs.steps import StoredSteps
from django_batch.jobs.storing import Record, subresponse_of
from django_batch.views import BatchView

logger = logging.getLogger("django_batch.jobs")

_CANCELLED = "the job was cancelled"


class Work(Struct):
    """What is left of a chunk: `steps` without answers, the `earlier` answers by name, and `positions` by id."""

    steps: Sequence[Step]
    earlier: Answers
    positions: Mapping[str, int]


def run_chunk_safely(chunk_id: int) -> None:
    """`run_chunk`, whose errors are logged. The chunk can be claimed again when its lease has expired."""
    try:
        run_chunk(chunk_id)
    except Exception:
        logger.exception("Chunk %s could not be run.", chunk_id)


def run_chunk(chunk_id: int) -> None:
    """Run the chunk with this id, unless another worker has it. Every engine calls this."""
    chunk = claim(chunk_id)
    if chunk is None:
        return
    prefix = get_script_prefix()
    try:
        _run_claimed(chunk)
    except LeaseLost:
        logger.info("Chunk %d is run by another worker now.", chunk_id)
    finally:
        set_script_prefix(prefix)


def _run_claimed(chunk: Chunk) -> None:
    job = chunk.job
    jobs = Job.objects.using(database())
    jobs.filter(pk=job.pk, state=Job.State.QUEUED).update(state=Job.State.RUNNING, started=Now())
    view = view_of(job)
    work = left_of(chunk, view)
    record = Record(chunk, int(chunk.lease or 0), work.positions)
    if work.steps:
        _run(job, view, work, record)
    finish_chunk(chunk)


def _run(job: Job, view: BatchView, work: Work, record: Record) -> None:
    sent = request_for(job.sender["environ"], job.path)
    set_script_prefix(f"{sent.META['SCRIPT_NAME'].rstrip('/')}/")
    subrequests = tuple(each for step in work.steps for each in step.subrequests)
    options = {name: job.options[name] for name in ("continue_on_error", "read_only") if name in job.options}
    batch = Batch(subrequests, **options)
    schedule = Schedule(Plan(batch, tuple(work.steps)), earlier=work.earlier)
    plain = view.get_steps(sent, schedule.answers, Deadline(None))
    restore = partial(view.restore_sender, job.user_key, job.sender)
    sent.user = getattr(restore(), "user", AnonymousUser())
    run = BatchRun(sent, schedule, stored(plain, record, restore), sender=type(view))
    try:
        run.open()
    except BatchError as error:  # the options of the view are others since the job was accepted
        record.store_alone([Subresponse.refused(each, error) for each in subrequests])
        return
    executor = ChunkExecutor(job)
    subresponses = run.answers(executor, max_workers=1)
    if executor.stopped:
        Job.objects.using(database()).filter(pk=job.pk).update(stopped=executor.stopped)
    if rest := [each for each in subresponses if each.subrequest.id not in record.committed]:
        record.store_alone(rest)


def stored(plain: StepRunner, record: Record, restore: Callable[[], Identity | None] | None) -> StoredSteps:
    """The steps that `plain` runs, with their answers stored in `record`."""
    fields = {name: getattr(plain, name) for name in plain.__struct_fields__}
    return StoredSteps(**fields, record=record, restore=restore)


class ChunkExecutor(Executor):
    """Runs one step after another, until the job is cancelled or stopped by another chunk."""

    def __init__(self, job: Job) -> None:
        self.stopped = ""  # the reason, if a failure in this chunk stops the whole job
        self._job = job

    def execute(self, schedule: Schedule, run: Run, *, max_workers: int) -> Finished:
        """Look at the job before each step, because its sender may cancel it at any time."""
        while not self._is_stopped(schedule) and (steps := schedule.start()):
            subresponses = run(steps[0])
            schedule.finish(steps[0], subresponses)
            self.stopped = schedule.stopped
            yield subresponses

    def _is_stopped(self, schedule: Schedule) -> bool:
        found = Job.objects.using(database()).filter(pk=self._job.pk).values_list("cancelled", "stopped").first()
        cancelled, stopped = found or (True, "")
        if cancelled or stopped:
            schedule.stop(_CANCELLED if cancelled else stopped)
        return bool(schedule.stopped)


def left_of(chunk: Chunk, view: BatchView) -> Work:
    """The work that is left of `chunk`, which the caller has claimed."""
    job = chunk.job
    inside = [position for step in chunk.steps for position in step]
    needed = {position for positions in chunk.needs.values() for position in positions}
    subrequests = subrequests_of(job, view, {*inside, *needed})
    settle_marks(chunk)
    answers = answers_of(job, subrequests)
    steps = [
        Step(place, tuple(subrequests[position] for position in step), atomic=_is_atomic(job, subrequests[step[0]]))
        for place, step in enumerate(chunk.steps)
        if step[0] not in answers
    ]
    earlier = {
        **by_name(answers.values()),
        **{name: [answers[position] for position in positions] for name, positions in chunk.needs.items()},
    }
    return Work(steps, earlier, {subrequests[position].id: position for position in inside})


def settle_marks(chunk: Chunk) -> None:
    """Take the marks of items that were lost in progress, and must not be repeated, for their answers."""
    with transaction.atomic(using=database()):
        own = Chunk.objects.using(database()).filter(pk=chunk.pk, lease=chunk.lease)
        marks = Answer.objects.using(database()).filter(job_id=chunk.job_id, chunk=chunk.number, started=True)
        if (found := marks.update(started=False)) and not own.update(unknown=F("unknown") + found):
            raise LeaseLost


def answers_of(job: Job, subrequests: Mapping[int, Subrequest]) -> dict[int, Subresponse]:
    """The answers so far to `subrequests`, by position."""
    rows = job.answer_set.filter(position__in=[*subrequests], started=False)
    return {row.position: subresponse_of(row, subrequests[row.position]) for row in rows.iterator()}


def by_name(subresponses: Iterable[Subresponse]) -> dict[str, list[Subresponse]]:
    """`subresponses` under the ids of their items, and under the names of their groups."""
    named: dict[str, list[Subresponse]] = {}
    for each in subresponses:
        named[each.subrequest.id] = [each]
        if (group := each.subrequest.atomicity_group) is not None:
            named.setdefault(group, []).append(each)
    return named


def _is_atomic(job: Job, subrequest: Subrequest) -> bool:
    return bool(job.options.get("atomic")) or subrequest.atomicity_group is not None
