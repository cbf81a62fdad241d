"""Middleware that sees what others do not: whether a request is inside of another one, and what it is told of."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from django.conf import settings
from django.http import HttpRequest, HttpResponse

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


def close(get_response: _GetResponse) -> _GetResponse:
    """Takes requests to this host no more, once it has answered one."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.method == "GET":  # and no batch
            settings.ALLOWED_HOSTS = ["elsewhere"]
        return response

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
    "path": lambda request: setattr(request, "path_info", "/odd/told/nothing/"),
}


def meddle(get_response: _GetResponse) -> _GetResponse:
    """Changes what is known of a request, before anything has looked at it, where its path says so."""

    def answer(request: HttpRequest) -> HttpResponse:
        MEDDLING.get(request.path_info.rstrip("/").rpartition("/")[2], lambda request: None)(request)
        return get_response(request)

    return answer
