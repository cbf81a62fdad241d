"""The cookies of one client: what it sent with the batch, and what sub-requests have told it since (RFC 6265 §5)."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from email.message import Message
from http.client import HTTPResponse
from http.cookiejar import CookieJar, DefaultCookiePolicy
from http.cookies import Morsel
from types import SimpleNamespace
from typing import cast
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import Request

from django.http import HttpResponseBase

from django_batch.core.messages import Subresponse

# Of the characters of a path, a browser's default Path keeps all; `;` and `,` would end the attribute here.
_SAFE_IN_PATH = "/%!$&'()*+:=@~"


class Cookies:
    """`sent` is the Cookie header of the batch, `url` its absolute URL."""

    def __init__(self, sent: str, url: str) -> None:
        self._sent = sent
        self._url = url
        self._policy = DefaultCookiePolicy()
        self._jar = CookieJar(self._policy)
        self._replaced: frozenset[str] = frozenset()  # names of cookies that were sent and are so no more

    def header(self, path: str) -> str:
        """The Cookie header of a request to `path`: as it was sent, unless something was told that changes it."""
        if not self._jar and not self._replaced:
            return self._sent
        request = Request(urljoin(self._url, "/") + path.lstrip("/"))
        self._jar.add_cookie_header(request)
        sent = [pair.strip() for pair in self._sent.split(";")]
        kept = [pair for pair in sent if pair.partition("=")[0] not in self._replaced]
        return "; ".join(filter(None, [request.get_header("Cookie"), *kept]))

    def take(self, morsels: Iterable[Morsel[str]]) -> None:
        """What a response sets; each of `morsels` has a Path.

        A cookie that was sent came without its path. One of that name which also matches the batch's URL replaces it;
        any other is a second cookie of that name.
        """
        request = Request(self._url)
        for morsel in morsels:
            made = self._jar.make_cookies(_response(morsel), request)
            accepted = [cookie for cookie in made if self._policy.set_ok(cookie, request)]
            for cookie in accepted:
                self._jar.set_cookie(cookie)
            expired = not made
            if (accepted or expired) and _path_matches(urlsplit(self._url).path, morsel["path"]):
                self._replaced |= {morsel.key}

    def copy(self) -> Cookies:
        """The same client, apart: what the copy is told, this one does not know."""
        twin = Cookies(self._sent, self._url)
        twin._replaced = self._replaced
        for cookie in self._jar:
            twin._jar.set_cookie(copy(cookie))
        return twin


def _response(morsel: Morsel[str]) -> HTTPResponse:
    """As much of an answer as `CookieJar` looks at."""
    message = Message()
    message["Set-Cookie"] = morsel.OutputString()
    return cast("HTTPResponse", SimpleNamespace(info=lambda: message))


def with_path(morsel: Morsel[str], path: str) -> Morsel[str]:
    """A copy of `morsel` with the Path that it has where it is set by `path` (RFC 6265 §5.1.4).

    Moved to the URL of the batch without one, it would belong to that URL.
    """
    morsel = copy(morsel)
    if not morsel["path"].startswith("/"):
        directory = path.partition("?")[0].rpartition("/")[0]
        morsel["path"] = quote(directory, safe=_SAFE_IN_PATH) or "/"
    return morsel


def _path_matches(path: str, cookie_path: str) -> bool:
    """RFC 6265 §5.1.4."""
    return path == cookie_path or path.startswith(cookie_path.rstrip("/") + "/")


def set_cookies(response: HttpResponseBase, subresponses: Iterable[Subresponse]) -> None:
    """Set on `response` what `subresponses` set, in order; of one name, the last wins."""
    for subresponse in subresponses:
        for morsel in subresponse.cookies:
            response.cookies[morsel.key] = morsel
