"""The options of a batch view: the settings as attributes in lower case, which `as_view()` and `run_batch()` take."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from django_batch import conf


class BatchOptions:
    """Every setting of `BATCH` as an attribute in lower case."""

    max_requests = conf.MAX_REQUESTS
    max_size = conf.MAX_SIZE
    decompress = conf.DECOMPRESS
    max_response_size = conf.MAX_RESPONSE_SIZE
    timeout = conf.TIMEOUT
    methods = conf.METHODS
    allowed_headers = conf.ALLOWED_HEADERS
    atomic_databases = conf.ATOMIC_DATABASES
    atomic_retries = conf.ATOMIC_RETRIES
    executor = conf.EXECUTOR
    max_workers = conf.MAX_WORKERS
    server_timing = conf.SERVER_TIMING
    count_headers = conf.COUNT_HEADERS
    dialect = conf.DIALECT
    exempt = conf.EXEMPT
    group_exempt = conf.GROUP_EXEMPT
    group_allowed = conf.GROUP_ALLOWED
    limits = conf.LIMITS
    dry_run = conf.DRY_RUN
    carried_context = conf.CARRIED_CONTEXT
    around = conf.AROUND
    share = conf.SHARE
    stream_timeout = conf.STREAM_TIMEOUT
    console = conf.CONSOLE
    documentation = conf.DOCUMENTATION


def check_options(view: type, options: Mapping[str, object]) -> None:
    """Raise `TypeError` for an option that `view` has not, and `ImproperlyConfigured` for a wrong value."""
    for name, value in options.items():
        if not hasattr(view, name):
            raise TypeError(f"{view.__name__} has no option {name!r}.")
        setting = conf.SETTINGS.get(name.upper())
        if setting and not setting.accepts(value):
            raise ImproperlyConfigured(f"{view.__name__}.{name} is {value!r}, but must be {setting.expects}.")


def all_databases() -> list[str]:
    """The aliases of all databases. One that DATABASES leaves blank has no transactions."""
    return [alias for alias, options in connections.settings.items() if options["ENGINE"] != "django.db.backends.dummy"]
