"""The site's own middleware chain, in front of its URL resolver and views: one per process.

A second chain would be a second instance of every middleware, with its own counters, limits and maps in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

from django.core.handlers.base import BaseHandler
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase
from django.urls import ResolverMatch

from django_batch.decorators import refuse_exempt
from django_batch.execution.authentication import share_authenticators

_lock = Lock()
_handler: SubrequestHandler | None = None


class SubrequestHandler(BaseHandler):
    """Answers sub-requests. It holds nothing of a request, so that one serves all threads."""

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """The match for `request`, whose view is a refusal if it is `@batch_exempt`.

        The resolved view is compared, never the path: `/v1/%62atch` reaches `/v1/batch`.
        """
        match: ResolverMatch = super().resolve_request(request)
        if getattr(match.func, "batch_exempt", False):
            match.func = refuse_exempt
        return match

    def make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """What is called in place of `view`, once every middleware has seen it."""
        atomic: Callable[..., Any] = super().make_view_atomic(share_authenticators(view))
        return atomic


def get_response(request: HttpRequest) -> HttpResponseBase:
    """The answer of the whole chain to `request`. It sends neither `request_started` nor `request_finished`."""
    return _get_handler().get_response(request)


def _get_handler() -> SubrequestHandler:
    global _handler
    with _lock:
        if _handler is None:
            handler = SubrequestHandler()
            handler.load_middleware()
            _handler = handler
        return _handler


@receiver(setting_changed)
def _forget_handler(**kwargs: object) -> None:
    """A test has changed a setting, which a middleware may have read as it was made."""
    global _handler
    _handler = None
