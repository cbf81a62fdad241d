"""Every private name of Django, REST framework and asgiref that a batch needs, each in one function.

A release of theirs may change any of these, so that a test tries each function against every supported version.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from copy import copy
from traceback import walk_tb
from typing import Any, TypeVar

from asgiref.sync import AsyncToSync, SyncToAsync
from django.contrib.auth.hashers import get_hashers_by_algorithm
from django.contrib.sessions.backends.base import SessionBase
from django.core.handlers.wsgi import LimitedStream
from django.http import HttpRequest, HttpResponseBase
from django.http.response import ResponseHeaders
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import ResolverMatch, URLPattern, URLResolver
from django.urls.resolvers import RegexPattern, RoutePattern
from django.utils.functional import LazyObject, empty

F = TypeVar("F", bound=Callable[..., Any])

# By these, test clients say that a request may do what no request from outside may.
_MARKS_OF_TESTS = ("_force_auth_user", "_force_auth_token", "_dont_enforce_csrf_checks")
# These say on which thread the sync code of a request runs, and with that, which connections it has.
_THREADS: tuple[ContextVar[Any], ...] = (SyncToAsync.thread_sensitive_context, SyncToAsync.deadlock_context)


def marks_of_tests(request: HttpRequest) -> dict[str, Any]:
    """The marks that a test client has set on `request`; none for a request that a server made.

    A middleware may excuse one URL from the CSRF check by such a mark, and decides anew about each sub-request.
    """
    stream = request.META.get("wsgi.input", vars(request).get("_stream"))
    if isinstance(stream, LimitedStream):  # the async test client wraps what runserver wraps, too
        stream = getattr(stream._read, "__self__", None)  # type: ignore[attr-defined]
    tests = sys.modules.get("django.test.client")  # not imported here, because a server has no use for it
    if tests is None or not isinstance(stream, tests.FakePayload):
        return {}
    return {name: vars(request)[name] for name in _MARKS_OF_TESTS if name in vars(request)}


def user_of(request: HttpRequest) -> Any:
    """The user of `request` if anybody has looked for them yet, or None."""
    user = vars(request).get("user")
    if issubclass(type(user), LazyObject):  # whose `__class__` would look
        user = vars(user)["_wrapped"]
        return None if user is empty else user
    return user


def passwords_checked() -> int:
    """How often this process has looked for the hasher of a stored password, since its hashers were last set up."""
    found = get_hashers_by_algorithm.cache_info()  # type: ignore[attr-defined]
    return int(found.hits + found.misses)


def scheme_of(request: HttpRequest) -> str:
    """The scheme that the server saw, which `SECURE_PROXY_SSL_HEADER` has not changed."""
    scheme: str = request._get_scheme()  # type: ignore[attr-defined]
    return scheme


def session_with_key(session: SessionBase, key: str | None) -> SessionBase:
    """A session like `session`, not loaded yet, of another key. Its store may have been given more than a key."""
    other = copy(session)
    vars(other).pop("_session_cache", None)
    other._session_key = key
    other.accessed, other.modified = session.accessed, session.modified
    return other


def origin_is_trusted(check: CsrfViewMiddleware, request: HttpRequest) -> bool:
    """Whether Django's check takes the `Origin` of `request` for one of this site."""
    trusted: bool = check._origin_verified(request)  # type: ignore[attr-defined]
    return trusted


def parsed_form(request: HttpRequest) -> Any:
    """The form of `request` if it has been read, else nothing: to read it here could raise, or take long."""
    return vars(request).get("_post", {})


def written_headers(response: HttpResponseBase) -> tuple[tuple[str, str], ...] | None:
    """The headers of `response` as they were written, or None where a site has put something else in their place."""
    headers = response.headers
    return tuple(headers._store.values()) if isinstance(headers, ResponseHeaders) else None


def closers_of(response: HttpResponseBase) -> list[Callable[[], object]]:
    """The functions that `response` calls when it is closed."""
    closers: list[Callable[[], object]] = response._resource_closers  # type: ignore[attr-defined]
    return closers


def looks_at_the_path_alone(pattern: URLPattern | URLResolver, converters: frozenset[type]) -> bool:
    """Whether `pattern` is of Django's own kind, the same in all languages, with `converters` that are Django's own."""
    part = pattern.pattern
    if type(part) is RegexPattern:
        return isinstance(part._regex, str)  # type: ignore[attr-defined]
    if type(part) is RoutePattern:
        in_all_languages = isinstance(part._route, str)  # type: ignore[attr-defined]
        return in_all_languages and converters.issuperset(map(type, part.converters.values()))
    return False


def copy_of_match(match: ResolverMatch, containers: Iterable[str]) -> ResolverMatch:
    """A match like `match`, whose `containers` are its own, as if the path had been resolved again."""
    another = ResolverMatch.__new__(ResolverMatch)
    another.__dict__ = fields = vars(match).copy()
    for name in containers:
        fields[name] = fields[name].copy()
    return another


def threads_of_this_request() -> Callable[[], None]:
    """A function that lets another context run its sync code on the threads of this one."""
    values = [(variable, variable.get()) for variable in _THREADS if variable.get(None) is not None]
    executor = getattr(AsyncToSync.executors, "current", None) if _on_a_loop() else None

    def enter() -> None:
        for variable, value in values:
            variable.set(value)
        if executor is not None:
            AsyncToSync.executors.current = executor

    return enter


def _on_a_loop() -> bool:
    try:
        return bool(asyncio.get_running_loop())
    except RuntimeError:
        return False


def with_room(function: F) -> F:
    """Let `function` be called with room for all that it calls in one chunk of CPython's frame stack. A decorator.

    CPython keeps frames in chunks, and gives a chunk back when its last frame returns. A batch is deeper than a
    request, so that its items could begin near the end of a chunk, and would pay for a new one at every call. A frame
    that asks for more than a chunk has left gets a larger one, in which all that is called from it has room.
    """
    function.__code__ = function.__code__.replace(co_stacksize=16 * 2**10)
    return function


def middleware_that_failed(error: BaseException) -> str | None:
    """The dotted path of the middleware whose making raised `error` in `BaseHandler.load_middleware`."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__) if frame.f_code.co_name == "load_middleware"]
    return frames[0].f_locals.get("middleware_path") if frames else None
