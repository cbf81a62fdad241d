"""The options of a batch view: settings in lower case, given to `as_view()` or `run_batch()`."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from django_batch import conf


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
