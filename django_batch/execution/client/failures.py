"""Exceptions that escape from a site's chain become the 500 of one sub-request."""

from __future__ import annotations

from asyncio import CancelledError, current_task

from django.conf import settings
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponseBase
from django.utils.log import log_response

from django_batch.decorators import refusing
from django_batch.errors import SubrequestFailed

# By these, servers end a worker or a greenlet. Their names are compared, because greenlet may not be installed.
_OF_SERVERS = {"SystemExit", "KeyboardInterrupt", "GreenletExit"}


def ends_the_server(error: BaseException, *, is_async: bool = False) -> bool:
    """Whether `error` means the whole process or task, so that no answer can follow it."""
    if is_async and isinstance(error, CancelledError):
        task = current_task()
        return task is not None and bool(task.cancelling())
    return not _OF_SERVERS.isdisjoint(each.__name__ for each in type(error).__mro__)


def response_to(error: BaseException, request: HttpRequest) -> HttpResponseBase:
    """Django's response to `error`, or one of our own if the site's error page fails, too.

    With `DEBUG_PROPAGATE_EXCEPTIONS` Django makes no response, but leaves exceptions to the server. For a sub-request,
    that is the batch.
    """
    if settings.DEBUG_PROPAGATE_EXCEPTIONS:
        return _refusal("This request failed. The site's log says why.", request, error)
    try:
        return response_for_exception(request, error)  # type: ignore[arg-type]  # which only looks at its class
    except BaseException as second:
        if ends_the_server(second):
            raise
        return _refusal(
            "This request failed, and so did the site's error page. The site's log says why.", request, second
        )


def _refusal(detail: str, request: HttpRequest, error: BaseException) -> HttpResponseBase:
    response = refusing(SubrequestFailed(detail))(request)
    log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request, exception=error)
    return response
