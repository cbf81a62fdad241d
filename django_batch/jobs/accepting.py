"""A batch becomes a job: what cannot be kept is refused, and the rest is stored in one transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import Error, transaction
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.request import Request

from django_batch.core.batch import Batch, Subrequest
from django_batch.core.plan import plan
from django_batch.dialects.base import Dialect, Envelope
from django_batch.errors import BatchError, CannotBeKept, StorageFailed, TooManyJobs, refusal
from django_batch.jobs.conf import database, jobs_settings
from django_batch.jobs.content import recorded_envelope
from django_batch.jobs.cutting import Cut, cut
from django_batch.jobs.finishing import submit
from django_batch.jobs.item_keys import claim_keys, replay_into
from django_batch.jobs.leases import lease_end, new_lease
from django_batch.jobs.models import Chunk, Job
from django_batch.jobs.signals import job_accepted
from django_batch.views import BatchView

_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "x-csrftoken"})
_STATES_OF_OPEN_JOBS = (Job.State.ACCEPTING, Job.State.QUEUED, Job.State.RUNNING)
_RESPOND_ASYNC = re.compile(r"(?:^|,)\s*respond-async\s*(?:[;,]|$)", re.IGNORECASE)
_RETRY_AFTER = {"Retry-After": "5"}  # seconds


def prefers_async(request: Request) -> bool:
    """Whether the sender asks for an answer at once, and for the work later (RFC 7240 §4.1)."""
    return _RESPOND_ASYNC.search(request.headers.get("Prefer", "")) is not None


def new_job(view: BatchView, request: Request, **fields: Any) -> Job:
    """A job of the sender of `request`, which is not stored yet. Raises a `BatchError` if the sender may have none."""
    sender = view.record_sender(request)
    sent = request._request
    job = Job(
        user_key=str(request.user.pk),
        path=sent.path_info,
        urlconf=urlconf if isinstance(urlconf := getattr(sent, "urlconf", ""), str) else "",
        sender=sender,
        expires=timezone.now() + timedelta(seconds=jobs_settings.EXPIRES),
        **fields,
    )
    job._state.db = database()
    return job


def check_number_of_jobs(request: Request) -> None:
    """Raise `TooManyJobs` if the sender has as many jobs as one may have at a time."""
    mine = Job.objects.using(database()).filter(user_key=str(request.user.pk), background=True)
    if mine.filter(state__in=_STATES_OF_OPEN_JOBS).count() >= jobs_settings.MAX_JOBS:
        raise TooManyJobs(
            f"You have {jobs_settings.MAX_JOBS} jobs that are not over. Wait for one, or cancel it.",
            headers=_RETRY_AFTER,
        )


def check_can_be_kept(batch: Batch, dialect: Dialect, envelope: Envelope) -> None:
    """Raise a `BatchError` for a batch that cannot be stored."""
    if not dialect.can_be_kept:
        raise CannotBeKept("A batch in this format cannot be kept. Send it in the native format or in OData's.")
    if envelope.form is not None or any(each.files for each in batch.subrequests):
        raise CannotBeKept("A batch with files cannot be kept. Upload the files first, and refer to them.")
    if batch.dry_run:
        raise CannotBeKept("A dry run cannot be kept, because all that it does is undone.", pointer="/dry_run")
    if faults := [*_credentials(batch.subrequests)]:
        raise refusal(faults)


def _credentials(subrequests: Iterable[Subrequest]) -> Iterable[BatchError]:
    for each in subrequests:
        if fault := credential_in(each):
            yield fault


def credential_in(subrequest: Subrequest) -> CannotBeKept | None:
    """What is wrong if `subrequest` has a header that is a secret of its sender."""
    for name, _ in subrequest.headers:
        if name.lower() in _CREDENTIALS:
            detail = (
                f"The header {name!r} is a credential, and none is stored. Leave it out: an item runs as the sender."
            )
            return CannotBeKept(detail, pointer=f"{subrequest.pointer}/headers/{name}")
    return None


def keep(view: BatchView, request: Request, batch: Batch, *, envelope: Envelope, job: Job, at_once: bool) -> Chunk:
    """Store `job`, which is new, with its chunks. The result is the first of them.

    Run `at_once`, all of it is one chunk, whose lease the caller has. Raises `IntegrityError` if its key is there.
    """
    planned = plan(batch, parallel_writes=True)
    parallel = batch.parallel and not at_once
    cuts = cut(planned, len(batch.subrequests) if at_once else jobs_settings.CHUNK, parallel=parallel)
    if at_once:
        cuts = [Cut(0, [step for each in cuts for step in each.steps])]
    job.total = len(batch.subrequests)
    job.options = {name: getattr(batch, name) for name in ("atomic", "continue_on_error", "read_only")}
    job.envelope, job.body = recorded_envelope(envelope), envelope.body
    job.state, job.background = (Job.State.RUNNING, False) if at_once else (Job.State.QUEUED, True)
    job.started = Now() if at_once else None
    alias = database()
    with transaction.atomic(using=alias):
        job.save(using=alias, force_insert=True)
        chunks = store_chunks(job, cuts)
        if any(each.idempotency_key is not None for each in batch.subrequests):
            numbers = {place: each.number for each in cuts for step in each.steps for place in step}
            replay_into(job, claim_keys(job, enumerate(batch.subrequests)), numbers.__getitem__)
        if at_once:
            lease = new_lease()
            Chunk.objects.using(alias).filter(pk=chunks[0].pk).update(lease=lease, lease_expires=lease_end())
            chunks[0].lease = lease
        else:
            transaction.on_commit(lambda: begin(job), using=alias)
    return chunks[0]


def store_chunks(job: Job, cuts: Iterable[Cut]) -> list[Chunk]:
    """Store the chunks of `job`."""
    chunks = [
        Chunk(job=job, number=each.number, steps=each.steps, needs=each.needs, after=each.after, before=each.before)
        for each in cuts
    ]
    Chunk.objects.using(database()).bulk_create(chunks, batch_size=500)
    # MySQL gives no ids back, so the rows are read again.
    return [*job.chunk_set.filter(number=0)] if chunks and chunks[0].pk is None else chunks


def begin(job: Job) -> None:
    """Tell that `job` is accepted, and submit the chunks that wait for none."""
    job_accepted.send_robust(Job, job=job)
    submit(chunk for chunk in job.chunk_set.filter(done=False).defer("steps", "needs") if not chunk.after)


def storage_failed(error: Error) -> StorageFailed:
    """The refusal if the database could not store a job."""
    return StorageFailed(
        f"The job could not be stored ({type(error).__name__}). Nothing of it was kept, and nothing was run.",
        headers=_RETRY_AFTER,
    )
