"""One sub-request on its way through the chain: what the handler has to know of it, and what turns out on the way.

It is kept in a context variable and not on the request, where a site's middleware could replace it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.http import HttpRequest
from msgspec import Struct

from django_batch.core.batch import Subrequest
from django_batch.execution.chain.access import Access
from django_batch.execution.chain.limits import Limits
from django_batch.execution.chain.resolving import Matches

current_item: ContextVar[Item | None] = ContextVar("django_batch.current_item", default=None)


class Item(Struct):
    """`access`, `matches` and `limits` are those of the whole batch."""

    subrequest: Subrequest
    access: Access
    matches: Matches
    limits: Limits | None  # None where the site has none
    can_roll_back: bool = False
    read_only: bool = False
    is_reading: bool = False  # its view is at work, and may not write
    has_written: bool = False  # or has tried to
    may_log_in: bool = False  # in a group, because the site says so
    logged_in: bool = False  # somebody's credentials were checked

    def is_withheld(self, request: HttpRequest) -> bool:
        """Whether the answer would tell something about a password, while the attempt may not be counted."""
        if not (self.can_roll_back or self.read_only) or self.may_log_in:
            return False
        return self.logged_in or "sensitive_post_parameters" in vars(request)


def _note_login(**kwargs: Any) -> None:
    if item := current_item.get():
        item.logged_in = True


user_logged_in.connect(_note_login, dispatch_uid="django_batch")
user_login_failed.connect(_note_login, dispatch_uid="django_batch")
