"""The end of a job before its time: what has not started is answered, what is in progress ends."""

from __future__ import annotations

from django_batch.jobs.conf import database
from django_batch.jobs.finishing import ready_chunks, submit
from django_batch.jobs.models import Job


def cancel(job: Job) -> bool:
    """Let nothing more of `job` start. Whether it is over already.

    The chunks that nobody runs are submitted at once, so that their items get their answers.
    """
    if job.is_over:
        return True
    Job.objects.using(database()).filter(pk=job.pk).update(cancelled=True)
    waiting = job.chunk_set.filter(done=False).values_list("number", flat=True)
    submit(ready_chunks(job, waiting[:1_000]))
    job.refresh_from_db()
    return job.is_over
