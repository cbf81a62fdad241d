"""The URLs of jobs: the list, to which lines are posted, and of each job its state, its answers, and its end.

They are batch views, with the same authenticators and options, because a job is sent and seen by the same senders. A
job of somebody else is answered as one that does not exist, after the same query.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from rest_framework.exceptions import NotAuthenticated, NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from django_batch.core.batch import Batch, Subresponse
from django_batch.core.media_types import preferred
from django_batch.dialects.base import Dialect
from django_batch.dialects.native import NativeDialect
from django_batch.dialects.native.writers import LINES, LinesWriter
from django_batch.errors import InProgress, JobExpired, Malformed, TooLarge
from django_batch.jobs.cancelling import cancel
from django_batch.jobs.conf import database
from django_batch.jobs.content import batch_of, dialect_of, subrequests_of, view_of
from django_batch.jobs.lines import accept_lines
from django_batch.jobs.models import Answer, Job, Outcome
from django_batch.jobs.presenting import RETRY_AFTER, accepted, job_response, job_url, shown
from django_batch.jobs.reopening import not_succeeded, reopen
from django_batch.jobs.resuming import resume
from django_batch.jobs.storing import subresponse_of
from django_batch.views import BatchView

_CHANGE = "django_batch_jobs.change_job"
_PORTION = 500  # answers that are read from the database at once
_OUTCOMES = {outcome.name.lower(): outcome for outcome in Outcome}


class NewestFirst(CursorPagination):
    """Pages that stay the same while jobs are added."""

    ordering = "-pk"
    page_size = 50


class OfSender(BatchView):
    """What the views of jobs share: only the sender of a job sees it, and staff with a permission of the model."""

    permission = "django_batch_jobs.view_job"  # by which staff see the jobs of others
    schema = None  # what a batch view takes and answers is not true here

    def jobs(self) -> QuerySet[Job]:
        """The jobs that the sender of this request sees."""
        user = self.request.user
        if not user.is_authenticated:
            raise NotAuthenticated
        wholly = Job.objects.using(database()).exclude(state=Job.State.ACCEPTING)
        if user.is_staff and user.has_perm(self.permission):
            return wholly
        return wholly.filter(user_key=str(user.pk))

    def job(self, public_id: UUID) -> Job:
        """The job with this id, whose lost chunks are found again by the way. Raises `NotFound`."""
        job = self.jobs().filter(public_id=public_id).defer("body").first()
        if job is None:
            raise NotFound
        if resume(job):
            job.refresh_from_db()
        return job


class JobsView(OfSender):
    """The jobs of a sender, newest first. A job is sent here as JSON lines."""

    http_method_names = ("get", "head", "post", "options")

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """One page of the jobs, each as it shows itself."""
        mine = self.jobs().filter(user_key=str(request.user.pk)).defer("body")
        pages = NewestFirst()
        found = pages.paginate_queryset(mine, request, view=self)
        links = {"next": pages.get_next_link(), "previous": pages.get_previous_link()}
        return JsonResponse({**links, "results": [shown(job) for job in found or ()]})

    def post(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Store a stream of items, and run them in the background. Every refusal is raised as a `BatchError`."""
        return accepted(accept_lines(self, request), NativeDialect())

    def get_dialect(self) -> Dialect:
        """The native format, whatever the batches of the site are written in."""
        return NativeDialect()


class JobView(OfSender):
    """One job."""

    http_method_names = ("get", "head", "delete", "options")

    @property
    def permission(self) -> str:  # type: ignore[override]
        """What staff need for a job of somebody else."""
        return _CHANGE if self.request.method == "DELETE" else OfSender.permission

    def get(self, request: Request, public_id: UUID, **kwargs: Any) -> HttpResponseBase:
        """How far the job is."""
        return job_response(self.job(public_id))

    def delete(self, request: Request, public_id: UUID, **kwargs: Any) -> HttpResponseBase:
        """Cancel what has not started. 202 while something is in progress, 204 once nothing is."""
        job = self.job(public_id)
        return HttpResponse(status=204) if cancel(job) else job_response(job, status=202)


class RetryView(OfSender):
    """Runs again what was not done."""

    permission = _CHANGE
    http_method_names = ("post", "options")

    def post(self, request: Request, public_id: UUID, **kwargs: Any) -> HttpResponseBase:
        """Run the items that failed, or were not run, under the same ids."""
        job = self.job(public_id)
        if job.has_expired:
            raise _expired()
        if not job.is_over:
            raise _busy("The job is not over yet.")
        failed = not_succeeded(job)
        if failed.exists():
            if not reopen(job, failed, background=True):
                raise _busy("The job was sent again in this moment.")
            resume(job)
        return accepted(job, NativeDialect())


class AnswersView(OfSender):
    """The answers of a job, in the order of its items."""

    http_method_names = ("get", "head", "options")

    def get(self, request: Request, public_id: UUID, **kwargs: Any) -> HttpResponseBase:
        """JSON lines of what is final so far, or, if the sender prefers it, the answer of the whole batch."""
        job = self.job(public_id)
        if job.has_expired:
            raise _expired()
        if preferred(request.headers.get("Accept", ""), (*LINES, "application/json")) == "application/json":
            return whole(job)
        lines = written_lines(job, self._chosen(job))
        return StreamingHttpResponse(lines, content_type=LINES[0])

    def _chosen(self, job: Job) -> QuerySet[Answer]:
        answers = job.answer_set.filter(started=False)
        parameters = self.request.query_params
        if (status := parameters.get("status")) is not None:
            if status not in _OUTCOMES:
                raise Malformed(f"The status is {status[:50]!r}, but must be one of {', '.join(_OUTCOMES)}.")
            answers = answers.filter(outcome=_OUTCOMES[status])
        if (after := parameters.get("after")) is not None:
            if not after.isascii() or not after.isdecimal() or len(after) > 9:
                raise Malformed("'after' must be the position of an item.")
            answers = answers.filter(position__gt=int(after))
        return answers


class MonitorView(JobView):
    """The status monitor of OData (Protocol 4.01 §11.6): 202 while the batch runs, then its own answer."""

    http_method_names = ("get", "head", "delete", "options")

    def get(self, request: Request, public_id: UUID, **kwargs: Any) -> HttpResponseBase:
        """The answer of the batch, once it is there."""
        job = self.job(public_id)
        if job.has_expired:
            raise _expired()
        if not job.is_over:
            headers = {"Retry-After": RETRY_AFTER, "Location": job_url(job, "batch-job-monitor")}
            return HttpResponse(status=202, headers=headers)
        response = whole(job)
        response.headers["AsyncResult"] = "200"
        return response


def whole(job: Job) -> HttpResponse:
    """The answer that the batch of `job` would have had."""
    if not job.is_over:
        raise _busy("The job is not over yet, so its answer is not whole.")
    view = view_of(job)
    rows = job.answer_set.order_by("position")
    size = 0
    batch = _lines_batch(job, view) if job.body is None else batch_of(job, view)
    subresponses: list[Subresponse] = []
    for row in rows.iterator(_PORTION):
        size += len(row.body)
        if size > view.max_response_size:
            raise TooLarge("The answers are past MAX_RESPONSE_SIZE together. Ask for them as application/jsonl.")
        subresponses.append(subresponse_of(row, batch.subrequests[row.position]))
    writer = dialect_of(job, view).writer(batch)
    response = HttpResponse(status=writer.status, content_type=writer.content_type, headers=writer.headers)
    response.content = writer.whole(subresponses)
    return response


def _lines_batch(job: Job, view: BatchView) -> Batch:
    subrequests = subrequests_of(job, view, range(job.total))
    return Batch(tuple(subrequests[place] for place in range(job.total)))


def written_lines(job: Job, answers: QuerySet[Answer]) -> Iterator[bytes]:
    """One line for each of `answers`. Only some of them are in memory at a time."""
    view = view_of(job)
    writer = LinesWriter(LINES[0])
    every = None if job.body is None else dict(enumerate(batch_of(job, view).subrequests))
    last = -1
    while portion := _portion(answers, last):
        subrequests = every or subrequests_of(job, view, [row.position for row in portion])
        for row in portion:
            yield writer.write(subresponse_of(row, subrequests[row.position]))
        last = portion[-1].position


def _portion(answers: QuerySet[Answer], last: int) -> Sequence[Answer]:
    return [*answers.filter(position__gt=last).order_by("position")[:_PORTION]]


def _busy(detail: str) -> InProgress:
    return InProgress(detail, headers={"Retry-After": RETRY_AFTER})


def _expired() -> JobExpired:
    return JobExpired("The answers of this job were kept for their time, and are not any more.")
