"""The Django app."""

from importlib import import_module
from importlib.util import find_spec

from django.apps import AppConfig
from django.core import checks


class DjangoBatchConfig(AppConfig):
    """Connects the system checks, the log lines, and the description of batches for drf-spectacular."""

    name = "django_batch"
    verbose_name = "Batch"

    def ready(self) -> None:
        """Nothing here is imported before the settings are known."""
        from django_batch import log, signals
        from django_batch.checks import check_chain, check_limits, check_logins, check_settings
        from django_batch.execution.chain.item import watch_users

        checks.register(check_settings)
        checks.register(check_chain)
        checks.register(check_logins, checks.Tags.urls)
        checks.register(check_limits, checks.Tags.urls)
        watch_users()
        signals.group_retried.connect(log.log_retry)
        signals.batch_finished.connect(log.log_failures)
        signals.batch_finished.connect(log.log_batch)
        if find_spec("drf_spectacular"):
            import_module("django_batch.openapi.spectacular.extension")
