"""The app."""

from django.apps import AppConfig
from django.core import checks


class JobsConfig(AppConfig):
    """Lets batch views keep batches, and connects the system checks and the log lines."""

    name = "django_batch.jobs"
    label = "django_batch_jobs"
    verbose_name = "Batch jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Nothing of the jobs is imported where the app is not installed."""
        from django_batch import keeping
        from django_batch.jobs import log, signals
        from django_batch.jobs.checks import check_settings, check_urls
        from django_batch.jobs.keeper import JobKeeper

        keeping.keeper = JobKeeper()
        checks.register(check_settings)
        checks.register(check_urls, checks.Tags.urls)
        signals.job_accepted.connect(log.log_accepted)
        signals.job_finished.connect(log.log_finished)
