"""A job as its sender sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import JsonResponse
from django.urls import NoReverseMatch, reverse

from django_batch.dialects.base import Dialect
from django_batch.jobs.models import Job

RETRY_AFTER = "2"  # seconds
_NAMES = ("django_batch:{}", "{}")  # as included by django_batch.urls, or by themselves


def job_url(job: Job, name: str = "batch-job") -> str:
    """The URL of `job`. Raises `NoReverseMatch` if the site has not included the URLs of jobs."""
    for pattern in _NAMES[:-1]:
        try:
            return reverse(pattern.format(name), args=[job.public_id])
        except NoReverseMatch:
            pass
    return reverse(_NAMES[-1].format(name), args=[job.public_id])


def shown(job: Job) -> dict[str, Any]:
    """The members of a job."""
    counts = job.counts()
    return {
        "id": str(job.public_id),
        "state": job.shown_state,
        "total": job.total,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "not_run": counts.not_run,
        "unknown": counts.unknown,
        "created": _time(job.created),
        "started": _time(job.started),
        "finished": _time(job.finished),
        "expires": _time(job.expires),
        "answers": job_url(job, "batch-job-answers"),
    }


def job_response(job: Job, *, status: int = 200) -> JsonResponse:
    """The response that shows `job`."""
    response = JsonResponse(shown(job), status=status)
    if not job.is_over:
        response.headers["Retry-After"] = RETRY_AFTER
    return response


def accepted(job: Job, dialect: Dialect) -> JsonResponse:
    """The 202 of a job that is stored. Protocols with a status monitor of their own are sent to that."""
    job.refresh_from_db()
    response = job_response(job, status=202)
    response.headers["Location"] = job_url(job, "batch-job-monitor" if dialect.monitored else "batch-job")
    response.headers["Preference-Applied"] = "respond-async"
    return response


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
