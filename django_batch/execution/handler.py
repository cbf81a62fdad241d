"""The site's own middleware chain, in front of its URL resolver and views: one per process.

A second chain would be a second instance of every middleware, with its own counters, limits and maps in memory.
"""

from __future__ import annotations

from threading import Lock

from django.core.handlers.base import BaseHandler
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import ResolverMatch

from django_batch.errors import BatchExempt
from django_batch.execution.responses import problem_response

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
            match.func = _refuse_exempt
        return match


def _refuse_exempt(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
    return problem_response(BatchExempt(f"{request.path} cannot be reached through a batch. Send it alone."))


# Nothing is done, so nothing needs to be checked before it.
_refuse_exempt.csrf_exempt = True  # type: ignore[attr-defined]
_refuse_exempt.login_required = False  # type: ignore[attr-defined]


def get_response(request: HttpRequest) -> HttpResponseBase:
    """The answer of the whole chain to `request`. It sends neither `request_started` nor `request_finished`."""
    return _get_handler().get_response(request)


def _get_handler() -> SubrequestHandler:
    global _handler
    if _handler is None:
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
