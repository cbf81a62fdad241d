"""What finds lost work: chunks whose worker or whose message is gone, jobs that are over, rows that have expired."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from django_batch.jobs.conf import DAY, database
from django_batch.jobs.finishing import finish_job, ready_chunks, submit
from django_batch.jobs.leases import FREE, long_ago
from django_batch.jobs.models import Job

_OPEN = (Job.State.QUEUED, Job.State.RUNNING)
_MANY = 1_000  # chunks of one job that are looked at together


def resume(job: Job) -> int:
    """Submit the chunks of `job` that were lost. The result is their number.

    A chunk is lost if its lease has expired, or if it was submitted long ago and nobody has begun it. One that only
    waits in a long queue is submitted twice, which does no harm.
    """
    if job.state not in _OPEN or not job.background or finish_job(job):
        return 0
    lost = job.chunk_set.filter(FREE).filter(
        Q(lease__isnull=False) | Q(submitted__isnull=True) | Q(submitted__lte=long_ago())
    )
    chunks = ready_chunks(job, lost.values_list("number", flat=True)[:_MANY])
    submit(chunks)
    return len(chunks)


def resume_all() -> int:
    """`resume` for all jobs that are not over."""
    jobs = Job.objects.using(database()).filter(state__in=_OPEN, background=True).order_by("pk")
    return sum(map(resume, jobs.iterator()))


def prune() -> int:
    """Delete the jobs that have expired, and what is left of those that were never wholly accepted."""
    now = timezone.now()
    abandoned = Q(state=Job.State.ACCEPTING, created__lt=now - timedelta(seconds=DAY))
    jobs = Job.objects.using(database()).filter(Q(expires__lte=now) | abandoned)
    number = 0
    for job in jobs.only("pk").iterator():
        delete(job)
        number += 1
    return number


def delete(job: Job) -> None:
    """Delete `job` with all its rows. Those of which there are many are not loaded for it."""
    for rows in (job.answer_set, job.item_set, job.chunk_set):
        rows.all().delete()
    job.delete()
