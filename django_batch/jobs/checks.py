"""The system checks of jobs: the setting `JOBS`, and URLs at which jobs can be asked for."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.urls import NoReverseMatch

from django_batch.checks import setting_errors
from django_batch.jobs.conf import SETTINGS
from django_batch.jobs.models import Job
from django_batch.jobs.presenting import job_url


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """An error for every unknown key and wrong value."""
    jobs = getattr(settings, "JOBS", {})
    if not isinstance(jobs, dict):
        return [Error(f"JOBS must be a dict, not {jobs!r}.", id="django_batch.E005")]
    return list(setting_errors("JOBS", jobs, SETTINGS, unknown="django_batch.E006", wrong="django_batch.E007"))


def check_urls(**kwargs: Any) -> list[CheckMessage]:
    """A warning if no URL leads to a job, so that nothing can be sent to the background."""
    try:
        job_url(Job())
    except NoReverseMatch:
        hint = 'Include "django_batch.urls", or "django_batch.jobs.urls" beside a batch view of your own.'
        return [checks.Warning("The URLs of jobs are not included.", hint=hint, id="django_batch.W003")]
    return []
