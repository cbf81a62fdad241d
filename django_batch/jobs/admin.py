"""Jobs in the admin: nothing can be written there, but a job can be cancelled, and what failed run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from django_batch.jobs.cancelling import cancel
from django_batch.jobs.conf import database
from django_batch.jobs.models import Answer, Job, Outcome
from django_batch.jobs.reopening import not_succeeded, reopen
from django_batch.jobs.resuming import resume

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin  # which takes no parameters at run time


class ReadOnly(ModelAdmin):
    """Rows that can be looked at."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows of the database that holds the jobs."""
        rows: QuerySet[Any] = self.model._default_manager.using(database())
        return rows

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Jobs are sent, not written here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Jobs are deleted by `prune_jobs`."""
        return False


@admin.register(Job)
class JobAdmin(ReadOnly):
    """The list and the page of jobs. Who may change jobs may cancel them and run them again."""

    list_display = ("public_id", "user_key", "shown_state", "progress", "total", "created", "finished")
    list_filter = ("state", "background")
    search_fields = ("public_id", "user_key")
    fields = (
        *("public_id", "user_key", "path", "shown_state", "progress", "outcomes", "total", "failed_items"),
        *("options", "created", "started", "finished", "expires"),
    )
    readonly_fields = fields
    actions = ("cancel_jobs", "retry_jobs")

    @admin.display(description="state")
    def shown_state(self, job: Job) -> str:
        """The state that the sender sees."""
        return job.shown_state

    @admin.display(description="progress")
    def progress(self, job: Job) -> SafeString:
        """A bar of the items that have their answers."""
        counts = job.counts()
        answered = counts.succeeded + counts.failed + counts.not_run + counts.unknown
        return format_html('<progress max="{}" value="{}">{}</progress>', max(job.total, 1), answered, answered)

    @admin.display(description="outcomes")
    def outcomes(self, job: Job) -> str:
        """How many items have each outcome."""
        counts = job.counts()
        return (
            f"{counts.succeeded} succeeded, {counts.failed} failed, {counts.not_run} not run, {counts.unknown} unknown"
        )

    @admin.display(description="failed items")
    def failed_items(self, job: Job) -> SafeString:
        """A link to the answers of the items that failed."""
        url = reverse("admin:django_batch_jobs_answer_changelist")
        return format_html(
            '<a href="{}?job__id__exact={}&amp;outcome__exact={}">Failed</a>', url, job.pk, int(Outcome.FAILED)
        )

    @admin.action(description="Cancel the selected jobs", permissions=["change"])
    def cancel_jobs(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Start nothing more of them."""
        over = [cancel(job) for job in queryset.defer("body")]
        self.message_user(request, f"{len(over)} jobs were cancelled.")

    @admin.action(description="Run again what failed", permissions=["change"])
    def retry_jobs(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Run the failed items of those that are over again, in the name of their senders."""
        number = 0
        for job in queryset.defer("body"):
            failed = not_succeeded(job)
            if not job.has_expired and failed.exists() and reopen(job, failed, background=True):
                resume(job)
                number += 1
        self.message_user(request, f"{number} jobs run again.")


@admin.register(Answer)
class AnswerAdmin(ReadOnly):
    """The answers of items: their statuses and errors, and not their bodies, which belong to their senders."""

    list_display = ("job", "position", "status", "outcome", "path")
    list_filter = ("outcome", ("job", admin.RelatedOnlyFieldListFilter))
    fields = ("job", "position", "status", "outcome", "path", "error", "duration")
    readonly_fields = fields
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing of an answer can be changed."""
        return False
