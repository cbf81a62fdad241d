"""The end of a chunk and of a job, and what it sets going."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from django_batch.jobs.conf import database, engine, jobs_settings
from django_batch.jobs.leases import FREE, LeaseLost
from django_batch.jobs.models import Chunk, Job
from django_batch.jobs.signals import job_finished


def finish_chunk(chunk: Chunk) -> None:
    """Give `chunk` back, all of whose items have their answers. Raises `LeaseLost`.

    What waited for it is looked for after the commit: of two chunks that end at one moment, the later sees both.
    """
    own = Chunk.objects.using(database()).filter(pk=chunk.pk, lease=chunk.lease)
    if not own.update(done=True, lease=None, lease_expires=None):
        raise LeaseLost
    if chunk.before:
        submit(ready_chunks(chunk.job, chunk.before))
    finish_job(chunk.job)


def ready_chunks(job: Job, numbers: Iterable[int]) -> list[Chunk]:
    """Those chunks that nobody runs, and for which all that they wait for is done."""
    waiting = [*job.chunk_set.filter(FREE, number__in=[*numbers])]
    earlier = {number for chunk in waiting for number in chunk.after}
    undone = {*job.chunk_set.filter(number__in=earlier, done=False).values_list("number", flat=True)}
    return [chunk for chunk in waiting if undone.isdisjoint(chunk.after)]


def submit(chunks: Iterable[Chunk]) -> None:
    """Hand chunks to the engine, and note when. Call it when they are committed."""
    ids = [chunk.pk for chunk in chunks]
    if ids:
        Chunk.objects.using(database()).filter(pk__in=ids).update(submitted=Now())
        engine().submit(ids)


def finish_job(job: Job) -> bool:
    """End `job` if all its chunks are done. It is true for the one caller that has ended it."""
    if job.chunk_set.filter(done=False).exists():
        return False
    jobs = Job.objects.using(database()).filter(pk=job.pk, state__in=(Job.State.QUEUED, Job.State.RUNNING))
    cancelled = jobs.filter(cancelled=True).update(state=Job.State.CANCELLED, finished=Now(), expires=expiry())
    if not cancelled and not jobs.update(state=Job.State.DONE, finished=Now(), expires=expiry()):
        return False
    job.refresh_from_db()
    job_finished.send_robust(Job, job=job)
    return True


def expiry() -> ExpressionWrapper[CombinedExpression]:
    """The moment when the answers of a job that is over now expire, for a query."""
    return ExpressionWrapper(Now() + timedelta(seconds=jobs_settings.EXPIRES), output_field=DateTimeField())
