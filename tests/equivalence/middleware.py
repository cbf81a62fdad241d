"""Middleware that sees what others do not: whether a request is inside of another one, and what it is told of."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from io import BytesIO
from threading import local

from django.http import HttpRequest, HttpResponse

from .databases import TENANT, chosen

_GetResponse = Callable[[HttpRequest], HttpResponse]
_open: list[str] = []  # the paths of the requests that are being answered


def tell_open(get_response: _GetResponse) -> _GetResponse:
    """Answers how many requests it is in the middle of."""

    def answer(request: HttpRequest) -> HttpResponse:
        _open.append(request.path)
        try:
            response = get_response(request)
            response.headers["X-Open"] = str(len(_open))
            return response
        finally:
            _open.pop()

    return answer


def take_address(get_response: _GetResponse) -> _GetResponse:
    """Takes the sender's address from the end of what the proxies in front have written down."""

    def answer(request: HttpRequest) -> HttpResponse:
        rest, _, last = request.META["HTTP_X_FORWARDED_FOR"].rpartition(", ")
        request.META |= {"HTTP_X_FORWARDED_FOR": rest, "REMOTE_ADDR": last}
        return get_response(request)

    return answer


MEDDLING: dict[str, Callable[[HttpRequest], object]] = {
    "host": lambda request: request.META.update(HTTP_HOST="localhost", HTTP_X_FORWARDED_HOST="localhost"),
    "wrong-host": lambda request: request.META.update(HTTP_HOST="elsewhere", HTTP_X_FORWARDED_HOST="elsewhere"),
    "header": lambda request: request.META.update(HTTP_X_SEEN="1", HTTP_ACCEPT="text/html"),
    "no-header": lambda request: request.META.pop("HTTP_USER_AGENT", None),
    "length": lambda request: request.META.update(CONTENT_LENGTH=""),
    "input": lambda request: request.META.update({"wsgi.input": BytesIO(b"another body")}),
    "cookie": lambda request: request.META.update(HTTP_COOKIE="b=1; c=2"),
    "query": lambda request: request.META.update(QUERY_STRING="meddled=1"),
    "encoding": lambda request: setattr(request, "encoding", "latin-1"),
    "urlconf": lambda request: request.GET and setattr(request, "urlconf", "tests.equivalence.elsewhere"),
    "attributes": lambda request: vars(request).update(dict.fromkeys(("batch", "credentials", "matches", "template"))),
    "class": lambda request: setattr(request, "__class__", _subclass(type(request))),
    "path": lambda request: setattr(request, "path_info", "/odd/told/nothing/"),
}


def meddle(get_response: _GetResponse) -> _GetResponse:
    """Changes what is known of a request, before anything has looked at it, where its path says so."""

    def answer(request: HttpRequest) -> HttpResponse:
        MEDDLING.get(request.path_info.rstrip("/").rpartition("/")[2], lambda request: None)(request)
        return get_response(request)

    return answer


@cache
def _subclass(kind: type[HttpRequest]) -> type[HttpRequest]:
    return type("Request", (kind,), {"tenant": property(lambda self: self.get_host().partition(".")[0])})


def change_class(get_response: _GetResponse) -> _GetResponse:
    """Makes each request one of the site's own class."""

    def answer(request: HttpRequest) -> HttpResponse:
        request.__class__ = _subclass(type(request))
        return get_response(request)

    return answer


def dict_sessions(get_response: _GetResponse) -> _GetResponse:
    """Gives each request a plain dict for a session, as sites without sessions do for packages that want one."""

    def answer(request: HttpRequest) -> HttpResponse:
        request.session = {}
        return get_response(request)

    return answer


_last: ContextVar[str] = ContextVar("last", default="nothing")


def look(get_response: _GetResponse) -> _GetResponse:
    """Tells all that can be seen of a request from outside, before it is answered and after it."""

    def answer(request: HttpRequest) -> HttpResponse:
        found = [type(request).__mro__, request, _attributes(request), _last.get()]
        _last.set(request.path)
        response = get_response(request)
        response.headers["X-Seen"] = ascii([*found, _attributes(request), *_session_of(request)])
        return response

    return answer


def _attributes(request: HttpRequest) -> list[str]:
    return sorted(vars(request).keys() - {"batch"})


def _session_of(request: HttpRequest) -> list[object]:
    """What a session is, and what its pickle holds, before anything loads it."""
    session = vars(request).get("session")
    try:
        kept = vars(pickle.loads(pickle.dumps(session))) if hasattr(session, "__dict__") else {}
    except TypeError as error:  # one in a cache holds its connection
        return [type(session), str(error)]
    return [type(session), sorted(kept)]


_current = local()


def remember(get_response: _GetResponse) -> _GetResponse:
    """Keeps the path of the request that is being answered on its thread, and tells whether another was there."""

    def answer(request: HttpRequest) -> HttpResponse:
        before = current_path()
        _current.path = request.path
        try:
            response = get_response(request)
        finally:
            del _current.path
        response.headers["X-Before"] = ascii(before)
        return response

    return answer


def remember_and_restore(get_response: _GetResponse) -> _GetResponse:
    """The same, as middlewares do that may be inside of one another."""

    def answer(request: HttpRequest) -> HttpResponse:
        before = current_path()
        _current.path = request.path
        try:
            response = get_response(request)
        finally:
            _current.path = before
        response.headers["X-Before"] = ascii(before)
        return response

    return answer


def current_path() -> str:
    """The path that is kept on this thread."""
    return getattr(_current, "path", "nothing")


@contextmanager
def outside(request: HttpRequest) -> Iterator[None]:
    """For `AROUND`: takes away what `remember` keeps of the batch, and puts it back."""
    kept = vars(_current).copy()
    vars(_current).clear()
    try:
        yield
    finally:
        vars(_current).update(kept)


def choose_tenant(get_response: _GetResponse) -> _GetResponse:
    """Chooses the database of a tenant, where the query names one."""

    def answer(request: HttpRequest) -> HttpResponse:
        chosen.set(TENANT if "tenant" in request.GET else None)
        return get_response(request)

    return answer
