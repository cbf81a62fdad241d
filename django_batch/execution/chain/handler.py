"""The site's own middleware chain, in front of its URL resolver and views: one per process, and one more for a loop.

Another chain is another instance of every middleware, with its own counters, limits and maps in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase
from django.urls import ResolverMatch, resolve
from django.utils.module_loading import import_string

from django_batch.decorators import refuse_exempt
from django_batch.execution.chain.resolving import resolve_once
from django_batch.sharing.authentication import share_authenticators

_lock = Lock()
_handlers: dict[bool, SubrequestHandler] = {}  # the async one is under True


class SubrequestHandler(BaseHandler):
    """Answers sub-requests. It holds nothing of a request, so that one serves all threads."""

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """The match for `request`, whose view is a refusal if it is `@batch_exempt`.

        The resolved view is compared, never the path: `/v1/%62atch` reaches `/v1/batch`.
        """
        matches = request._batch_template.common.matches  # type: ignore[attr-defined]
        match = resolve_once(request, matches, super().resolve_request)
        if getattr(match.func, "batch_exempt", False):
            match.func = refuse_exempt
        return match

    def make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """What is called in place of `view`, once every middleware has seen it."""
        atomic: Callable[..., Any] = BaseHandler.make_view_atomic(self, share_authenticators(view))
        return atomic


def get_response(request: HttpRequest) -> HttpResponseBase:
    """The answer of the whole chain to `request`. It sends neither `request_started` nor `request_finished`."""
    return (_handlers.get(False) or _make_handler(is_async=False)).get_response(request)


async def aget_response(request: HttpRequest) -> HttpResponseBase:
    """As `get_response`, on the loop: what is sync in the chain is called on the thread of the request."""
    response: HttpResponseBase = await (_handlers.get(True) or _make_handler(is_async=True)).get_response_async(request)
    return response


def answers_for(parent: HttpRequest) -> Callable[[HttpRequest], HttpResponseBase]:
    """What answers the sub-requests of `parent` on its thread: `get_response`, if it does there what it does alone.

    Django takes a remote user from another key of META in the one chain than in the other.
    """
    if isinstance(parent, ASGIRequest) and any(map(_knows_remote_users, settings.MIDDLEWARE)):
        return async_to_sync(aget_response)
    return get_response


@lru_cache(maxsize=64)
def _knows_remote_users(middleware: str) -> bool:
    classes = getattr(import_string(middleware), "__mro__", ())
    return any(each.__name__ == "RemoteUserMiddleware" for each in classes)  # whose module needs the app of users


def is_async(path_info: str) -> bool:
    """Whether the view at `path_info` is async. A middleware may yet choose another `urlconf`: both chains call any."""
    return _is_async(path_info.encode("latin-1").decode(errors="replace") or "/", settings.ROOT_URLCONF)


@lru_cache(maxsize=1024)
def _is_async(path_info: str, urlconf: str) -> bool:
    """Kept, as many items of a batch have the same path: a tenth of what a trivial view takes on this road."""
    try:
        return iscoroutinefunction(resolve(path_info, urlconf).func)
    except Exception:  # of a converter of the site's own: whatever it is, the chain answers it, here as alone
        return False


def _make_handler(*, is_async: bool) -> SubrequestHandler:
    with _lock:
        if is_async not in _handlers:
            handler = SubrequestHandler()
            handler.load_middleware(is_async)
            _handlers[is_async] = handler
        return _handlers[is_async]


@receiver(setting_changed)
def _forget_handler(**kwargs: object) -> None:
    """A test has changed a setting, which a middleware may have read as it was made."""
    _handlers.clear()
    _is_async.cache_clear()
