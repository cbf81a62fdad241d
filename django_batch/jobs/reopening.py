"""A job that is over goes on: what was not final, or has failed, is run again under the same ids."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from django_batch.jobs.conf import database
from django_batch.jobs.models import FINAL, Answer, Job, Outcome


def not_final(job: Job) -> QuerySet[Answer]:
    """The answers of `job` that are not for good: 424, 429 and 5xx, but for those that must not be repeated."""
    return job.answer_set.exclude(FINAL)


def not_succeeded(job: Job) -> QuerySet[Answer]:
    """The answers of `job` that its sender may ask to be given again."""
    return job.answer_set.filter(outcome__in=(Outcome.FAILED, Outcome.NOT_RUN))


def reopen(job: Job, answers: QuerySet[Answer], *, background: bool | None = None) -> bool:
    """Forget `answers`, so that their items run again. False if another request has done it in this moment.

    In the `background` the engine runs them, otherwise the request that has sent the job again.
    """
    fields = {} if background is None else {"background": background}
    with transaction.atomic(using=database()):
        jobs = Job.objects.using(database()).filter(pk=job.pk, state__in=(Job.State.DONE, Job.State.CANCELLED))
        if not jobs.update(state=Job.State.QUEUED, cancelled=False, stopped="", finished=None, **fields):
            return False
        numbers = {*answers.values_list("chunk", flat=True)}
        answers.delete()
        for chunk in job.chunk_set.filter(number__in=numbers):
            found = job.answer_set.filter(chunk=chunk.number).aggregate(
                **{outcome.name.lower(): Count("pk", filter=Q(outcome=outcome)) for outcome in Outcome}
            )
            chunk.done, chunk.lease, chunk.lease_expires, chunk.submitted = False, None, None, None
            for name, count in found.items():
                setattr(chunk, name, count)
            chunk.save()
    job.refresh_from_db()
    return True
