"""The system check of the setting `BATCH`."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from django_batch.conf import SETTINGS


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """An error for every unknown key and wrong value."""
    batch = getattr(settings, "BATCH", {})
    if not isinstance(batch, dict):
        return [Error(f"BATCH must be a dict, not {batch!r}.", id="django_batch.E001")]
    return list(_errors(batch))


def _errors(batch: dict[object, object]) -> Iterator[Error]:
    for key, value in batch.items():
        setting = SETTINGS.get(str(key))
        if setting is None:
            close = get_close_matches(str(key), SETTINGS, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known are {', '.join(SETTINGS)}."
            yield Error(f"BATCH has the unknown key {key!r}.", hint=hint, id="django_batch.E002")
        elif not setting.accepts(value):
            yield Error(f"BATCH[{key!r}] is {value!r}, but must be {setting.expects}.", id="django_batch.E003")
