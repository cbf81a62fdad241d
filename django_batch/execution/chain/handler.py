"""The site's own middleware chain, in front of its URL resolver and views: one per process, and one more for a loop.

Another chain is another instance of every middleware, with its own counters, limits and maps in memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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
from msgspec.structs import replace

from django_batch.decorators import refusing
from django_batch.errors import ChainFailed
from django_batch.execution.chain.item import current_item
from django_batch.execution.chain.reading import reading
from django_batch.execution.chain.resolving import resolve_once
from django_batch.execution.internals import middleware_that_failed
from django_batch.requests import batch_of

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_lock = Lock()
_handlers: dict[bool, SubrequestHandler] = {}  # the async one is under True


class SubrequestHandler(BaseHandler):
    """Answers sub-requests. It holds nothing of a request, so that one serves all threads."""

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """The match for `request`, whose view is a refusal if the view that it leads to is exempt."""
        item = current_item.get()
        if item is None:  # a middleware has left the context of the sub-request
            raise RuntimeError("A middleware resolved a sub-request outside of the context that it was begun in.")
        match = resolve_once(request, item.matches, super().resolve_request)
        item.view = match.func
        may_lose_counts = item.may_lose_counts
        error = item.access.refusal(match, request.path, can_roll_back=may_lose_counts, read_only=item.read_only)
        if error is None and item.limits is not None:
            error = item.limits.refusal(match, item.subrequest)
        if error:
            match.func = refusing(error)
        elif may_lose_counts and item.access.may_log_in(match):
            item.may_log_in = True
            if batch := batch_of(request):
                vars(request)["batch"] = replace(batch, may_log_in=True)
        if item.identity:
            item.identity.enter(request, match)
        return match

    def make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """`view` as Django calls it, and in a read-only batch one that cannot write."""
        view = BaseHandler.make_view_atomic(self, view)
        item = current_item.get()
        return reading(view, item) if item is not None and item.read_only else view


def load_chain(*, is_async: bool = False) -> SubrequestHandler:
    """The chain of this process. Raises `ChainFailed` if a middleware cannot be made a second time."""
    return _handlers.get(is_async) or _make_handler(is_async=is_async)


def chain_for(parent: HttpRequest) -> GetResponse:
    """The chain as a function, for sub-requests on the thread of `parent`, which does what it does for a request alone.

    Under ASGI, Django takes a remote user from another key of META in its async chain than in the other.
    """
    if isinstance(parent, ASGIRequest) and remote_user_keys():
        return async_to_sync(load_chain(is_async=True).get_response_async)
    return load_chain().get_response


def async_chain() -> Callable[[HttpRequest], Awaitable[HttpResponseBase]]:
    """The chain on the loop: sync code in it is called on the thread of the request."""
    return load_chain(is_async=True).get_response_async


@lru_cache(maxsize=1)
def remote_user_keys() -> frozenset[str]:
    """The keys of META from which the site's middlewares take the name of a remote user."""
    return frozenset(key for path in settings.MIDDLEWARE for key in _remote_user_keys(path))


def _remote_user_keys(middleware: str) -> list[str]:
    found = import_string(middleware)
    # Django's class is not imported here, because its module needs the app of users.
    named = any(each.__name__ == "RemoteUserMiddleware" for each in getattr(found, "__mro__", ()))
    return [found.header] if named else []


def leads_to_async_view(path_info: str) -> bool:
    """Whether the view at `path_info` is async. A middleware may yet choose another `urlconf`: both chains call any."""
    match = match_of(path_info)
    return match is not None and iscoroutinefunction(match.func)


def match_of(path_info: str) -> ResolverMatch | None:
    """The match for `path_info`, as far as the path tells, or None."""
    try:
        return resolve(path_info.encode("latin-1").decode(errors="replace") or "/", settings.ROOT_URLCONF)
    except Exception:  # a converter of the site's own may raise anything, which the chain answers, here as alone
        return None


def _make_handler(*, is_async: bool) -> SubrequestHandler:
    with _lock:
        if is_async not in _handlers:
            handler = SubrequestHandler()
            try:
                handler.load_middleware(is_async)
            except Exception as error:
                name = middleware_that_failed(error) or "A middleware"
                detail = f"{name} cannot be made a second time, for the sub-requests of batches: {error!r}."
                raise ChainFailed(detail) from error
            _handlers[is_async] = handler
        return _handlers[is_async]


@receiver(setting_changed)
def _forget_handler(**kwargs: object) -> None:
    """A test has changed a setting, which a middleware may have read as it was made."""
    _handlers.clear()
    remote_user_keys.cache_clear()
