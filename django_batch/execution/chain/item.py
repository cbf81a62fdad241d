"""One sub-request on its way through the chain: what the handler has to know of it, and what turns out on the way.

It is kept in a context variable and not on the request, where a site's middleware could replace it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.signals import got_request_exception
from django.db.models.signals import post_init
from django.http import HttpRequest
from django.urls import ResolverMatch
from msgspec import Struct

from django_batch.core.batch import Subrequest
from django_batch.execution.chain.access import Access
from django_batch.execution.chain.attempts import Attempts
from django_batch.execution.chain.limits import Limits
from django_batch.execution.chain.resolving import Matches
from django_batch.execution.chain.sources import checks_credentials

current_item: ContextVar[Item | None] = ContextVar("django_batch.current_item", default=None)


class Identity(Protocol):
    """A sender whose credentials are not there, because the sub-requests run without the request that brought them."""

    def begin(self, request: HttpRequest) -> None:
        """Let the middleware know the sender of `request`, which has just been built."""

    def enter(self, request: HttpRequest, match: ResolverMatch) -> None:
        """Let the view of `match` know the sender of `request`, if it would take the credentials."""


class Item(Struct):
    """`access`, `matches` and `limits` are those of the whole batch.

    What may be rolled back has `attempts`, and so has what may not write, where no attempt could be counted either.
    """

    subrequest: Subrequest
    access: Access
    matches: Matches
    attempts: Attempts | None = None
    limits: Limits | None = None  # None where the site has none
    read_only: bool = False
    is_reading: bool = False  # its view is at work, and may not write
    has_written: bool = False  # or has tried to
    may_log_in: bool = False  # in a group, because the site says so
    raised: bool = False  # the view or a middleware raised what Django answers with 500
    identity: Identity | None = None  # if the sub-request brings no credentials of its own
    view: Callable[..., Any] | None = None

    @property
    def may_lose_counts(self) -> bool:
        """Whether the sub-request is in a group or a dry run, or in a batch that only reads."""
        return self.attempts is not None

    def is_withheld(self, request: HttpRequest) -> bool:
        """Whether the answer would tell something about a password, while the attempt may not be counted."""
        if self.attempts is None or self.may_log_in:
            return False
        marked = "sensitive_post_parameters" in vars(request)
        return self.attempts.were_made(lambda: checks_credentials(self.view)) or marked


def watch_users() -> None:
    """Hear of each user that is made from now on, of all models that are users."""
    for model in apps.get_models():
        if issubclass(model, AbstractBaseUser):
            post_init.connect(_note_user, sender=model, dispatch_uid="django_batch")


def _note_user(*, instance: Any, **kwargs: Any) -> None:
    item = current_item.get()
    if item is not None and item.attempts is not None:
        item.attempts.note_user(instance)


def _note_login(**kwargs: Any) -> None:
    item = current_item.get()
    if item is not None and item.attempts is not None:
        item.attempts.noted = True


def _note_exception(**kwargs: Any) -> None:
    if item := current_item.get():
        item.raised = True


got_request_exception.connect(_note_exception, dispatch_uid="django_batch")
user_logged_in.connect(_note_login, dispatch_uid="django_batch")
user_login_failed.connect(_note_login, dispatch_uid="django_batch")
