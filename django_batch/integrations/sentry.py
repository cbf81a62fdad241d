"""Sentry: a transaction for each sub-request, and errors that tell which one failed.

Sentry learns of a request in Django's handler for WSGI or ASGI, which a sub-request does not pass again. It starts in a
clean context, so that Sentry would know nothing about it but its route, and would not see that it belongs to the batch.
`subrequest_scope` does for a sub-request what Sentry does there for a request. The transaction of a sub-request is one
of its own, not a span of the batch: Sentry names the transaction around it after the route of what it runs, which
would rename the batch. Both are in one trace, as if the batch had called the site over the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import sentry_sdk
from django.core.handlers.asgi import ASGIRequest
from django.core.signals import got_request_exception
from django.dispatch import receiver
from django.http import HttpRequest
from sentry_sdk.integrations.django import DjangoRequestExtractor
from sentry_sdk.scope import should_send_default_pii
from sentry_sdk.utils import capture_internal_exceptions

from django_batch.requests import batch_of, is_subrequest
from django_batch.signals import batch_started

Event = dict[str, Any]

# The headers that continue the trace of a batch, by the request that carries it.
_traces: WeakKeyDictionary[HttpRequest, dict[str, str]] = WeakKeyDictionary()


@contextmanager
def subrequest_scope(request: HttpRequest) -> Iterator[None]:
    """Give the sub-request `request` a scope and a transaction of its own, in the trace of its batch.

    It is meant for a setting: `BATCH = {"AROUND": "django_batch.integrations.sentry.subrequest_scope"}`.
    """
    batch = batch_of(request)
    trace = _traces.get(batch.request, {}) if batch else {}
    with sentry_sdk.isolation_scope() as scope:
        scope.add_event_processor(_processor(request))
        transaction = sentry_sdk.continue_trace(
            trace, op="http.server", name=request.path, source="url", origin="auto.http.django_batch"
        )
        with sentry_sdk.start_transaction(transaction):
            yield


@receiver(batch_started, dispatch_uid="django_batch.integrations.sentry")
def _note_trace(*, request: HttpRequest, **kwargs: object) -> None:
    """Keep the trace of a batch: its sub-requests, in their clean contexts, cannot ask Sentry for it."""
    transaction = sentry_sdk.get_current_scope().transaction  # the current span may be that of this very receiver
    traceparent = transaction.to_traceparent() if transaction else sentry_sdk.get_traceparent()
    headers = {"sentry-trace": traceparent, "baggage": sentry_sdk.get_baggage()}
    _traces[request] = {name: value for name, value in headers.items() if value}


@receiver(got_request_exception, dispatch_uid="django_batch.integrations.sentry")
def _note_failure(*, request: HttpRequest | None = None, **kwargs: object) -> None:
    """Mark the transaction of a sub-request that failed, because no response passes Sentry's own handler."""
    transaction = sentry_sdk.get_current_scope().transaction
    if is_subrequest(request) and transaction is not None:
        transaction.set_http_status(500)


def _processor(request: HttpRequest) -> Callable[[Event, object], Event]:
    """Adds to an event what Sentry's handlers add about a request that is sent alone."""

    def add(event: Event, hint: object) -> Event:
        if isinstance(request, ASGIRequest):  # Sentry does this itself for requests of WSGI
            with capture_internal_exceptions():
                DjangoRequestExtractor(request).extract_into_event(event)
            with capture_internal_exceptions():  # async code cannot load a user who has not been asked for yet
                event["user"] = {**_user(request), **event.get("user", {})}
        # Headers and the query are left out: Sentry filters secrets out of them before it sends them, and so must we.
        told = event.setdefault("request", {})
        told.update(url=request.path, method=request.method)
        with capture_internal_exceptions():  # the host may not be allowed
            told["url"] = f"{request.scheme}://{request.get_host()}{request.path}"
        return event

    return add


def _user(request: HttpRequest) -> dict[str, str]:
    """What Sentry tells of a user, as far as the site lets it."""
    collected = sentry_sdk.get_client().options.get("data_collection")  # older releases do not have it
    user = getattr(request, "user", None)
    if user is None or not (collected["user_info"] if collected else should_send_default_pii()):
        return {}
    if not user.is_authenticated:
        return {}
    return {"id": str(user.pk), "username": user.get_username(), "email": getattr(user, "email", "")}
