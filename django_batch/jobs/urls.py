"""`path("batch/jobs/", include("django_batch.jobs.urls"))`, for sites that do not include `django_batch.urls`."""

from django.urls import path

from django_batch.jobs.views import AnswersView, JobsView, JobView, MonitorView, RetryView

urlpatterns = [
    path("", JobsView.as_view(), name="batch-jobs"),
    path("<uuid:public_id>/", JobView.as_view(), name="batch-job"),
    path("<uuid:public_id>/answers/", AnswersView.as_view(), name="batch-job-answers"),
    path("<uuid:public_id>/retry/", RetryView.as_view(), name="batch-job-retry"),
    path("<uuid:public_id>/monitor/", MonitorView.as_view(), name="batch-job-monitor"),
]
