"""Middleware that can tell whether it is gone through inside of another request, as in a batch."""

from __future__ import annotations

from collections.abc import Callable

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
