"""The log lines of jobs: one when it is accepted, one when it is over. They hold numbers and ids, never a body."""

from __future__ import annotations

import logging

from django_batch.jobs.models import Job

logger = logging.getLogger("django_batch.jobs")


def log_accepted(*, job: Job, **kwargs: object) -> None:
    """Write one line for a job that is stored."""
    logger.info("Job %s accepted: %d items", job.public_id, job.total)


def log_finished(*, job: Job, **kwargs: object) -> None:
    """Write one line for a job that is over."""
    counts = job.counts()
    logger.info(
        "Job %s %s: %d succeeded, %d failed, %d not run, %d unknown",
        job.public_id,
        job.shown_state,
        counts.succeeded,
        counts.failed,
        counts.not_run,
        counts.unknown,
    )
