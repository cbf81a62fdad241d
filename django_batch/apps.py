"""The Django app."""

from django.apps import AppConfig
from django.core import checks


class DjangoBatchConfig(AppConfig):
    """Connects the system check and the log lines."""

    name = "django_batch"
    verbose_name = "Batch"

    def ready(self) -> None:
        """Nothing here is imported before the settings are known."""
        from django_batch import log, signals
        from django_batch.checks import check_settings

        checks.register(check_settings)
        signals.group_retried.connect(log.log_retry)
        signals.batch_finished.connect(log.log_batch)
