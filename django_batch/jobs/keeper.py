"""What becomes of a batch that has arrived: it is only run, run and kept, or made a job in the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import Error, IntegrityError
from django.http import HttpResponseBase
from django.urls import NoReverseMatch
from rest_framework.request import Request

from django_batch.core.batch import Batch
from django_batch.dialects.base import Dialect, Envelope
from django_batch.jobs import senders
from django_batch.jobs.accepting import (
    check_can_be_kept,
    check_number_of_jobs,
    keep,
    new_job,
    prefers_async,
    storage_failed,
)
from django_batch.jobs.conf import database, jobs_settings
from django_batch.jobs.keys import fingerprint_of_batch, read_key, scoped
from django_batch.jobs.models import Job
from django_batch.jobs.presenting import accepted, job_url
from django_batch.jobs.replaying import again, run_now
from django_batch.jobs.resuming import delete
from django_batch.keeping import check_keys
from django_batch.views import BatchView


class JobKeeper:
    """The `Keeper` of a site that has installed the app."""

    def answer(
        self, view: BatchView, request: Request, batch: Batch, *, dialect: Dialect, envelope: Envelope
    ) -> HttpResponseBase | None:
        """The response to a batch that is to be kept, or None for one that is only run."""
        key = _key(view, request)
        in_background = prefers_async(request) and request.user.is_authenticated and _has_urls()
        if not check_keys(batch, kept=in_background or _keeps(view)) and key is None and not in_background:
            return None
        check_can_be_kept(batch, dialect, envelope)
        view.get_batch_run(request._request, batch)  # raises what a batch that is not kept would be refused for
        job = new_job(view, request, key=key, fingerprint=fingerprint_of_batch(envelope.content_type, envelope.body))
        known = None if key is None else _known(job)
        if known is None:
            view.check_batch_throttles(request, len(batch.subrequests))
            if in_background:
                check_number_of_jobs(request)
            try:
                chunk = keep(view, request, batch, envelope=envelope, job=job, at_once=not in_background)
            except IntegrityError:  # somebody else has stored the same key in this moment
                known = _known(job)
            except Error as error:
                raise storage_failed(error) from error
            else:
                return accepted(job, dialect) if in_background else run_now(view, request, batch, job=job, chunk=chunk)
        if known is None:
            raise storage_failed(IntegrityError())
        return again(view, request, batch, job=known, new=job, dialect=dialect, in_background=in_background)

    def record_sender(self, view: BatchView, request: Request) -> dict[str, Any]:
        """See `senders.record_sender`."""
        return senders.record_sender(request)

    def restore_sender(self, view: BatchView, user_key: str, record: Mapping[str, Any]) -> Any:
        """See `senders.restore_sender`."""
        return senders.restore_sender(user_key, record)


def _key(view: BatchView, request: Request) -> str | None:
    """The digest of the batch's own key, or None if it has none, or the URL keeps no batches."""
    sent = request.headers.get("Idempotency-Key")
    if sent is None or not _keeps(view):
        return None
    return scoped("batch", str(request.user.pk), request._request.path_info, read_key(sent))


def _keeps(view: BatchView) -> bool:
    return jobs_settings.KEEP if view.keep is None else view.keep


def _known(job: Job) -> Job | None:
    """The job that has the key of `job`. One that has expired is forgotten, and its key is free."""
    found = Job.objects.using(database()).filter(key=job.key).first()
    if found is not None and found.has_expired:
        delete(found)
        return None
    return found


def _has_urls() -> bool:
    """Whether the site has URLs at which a job can be asked for. Without them, a preference is not honoured."""
    try:
        return bool(job_url(Job()))
    except NoReverseMatch:
        return False
