"""The cookies of one client: what it sent with the batch, and what sub-requests have told it since (RFC 6265 §5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from email.message import Message
from functools import cached_property
from http.client import HTTPResponse
from http.cookiejar import CookieJar, DefaultCookiePolicy
from http.cookies import Morsel, SimpleCookie
from types import SimpleNamespace
from typing import cast
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import Request

from django.http import HttpResponseBase

from django_batch.core.batch import Subresponse

# A browser's default Path keeps all characters of a path; here `;` and `,` would end the attribute.
_SAFE_IN_PATH = "/%!$&'()*+:=@~"


class Cookies:
    """`sent` is the Cookie header of the batch, `url` gives its absolute URL."""

    def __init__(self, sent: str, url: Callable[[], str]) -> None:
        self.sent = sent
        self.as_sent = True  # nothing was told since
        self._url = url
        self._replaced: frozenset[str] = frozenset()  # names of cookies that were sent, and have another value now

    @cached_property
    def _policy(self) -> DefaultCookiePolicy:
        # Behind a proxy that ends TLS, the client has https where Django sees http, and it keeps its Secure cookies.
        return DefaultCookiePolicy(secure_protocols=("http", "https"))

    @cached_property
    def _wide(self) -> CookieJar:
        """The cookies whose path includes the URL of the batch, like all that were sent with it."""
        return CookieJar(self._policy)

    @cached_property
    def _narrow(self) -> CookieJar:
        return CookieJar(self._policy)

    def header(self, path: str) -> str:
        """The Cookie header of a request to `path`: as it was sent, unless something was told that changes it."""
        if self.as_sent:
            return self.sent
        url = urljoin(self._url(), "/") + path.lstrip("/")
        narrow, wide = _pairs(self._narrow, url), _pairs(self._wide, url)
        replacing = {_name(pair): pair for pair in wide}
        sent = [pair.strip() for pair in self.sent.split(";")]
        # RFC 6265 §5.3: what replaces a cookie takes its place. §5.4: those with longer paths come first.
        kept = [replacing.get(_name(pair), "") if _name(pair) in self._replaced else pair for pair in sent]
        new = [pair for pair in wide if pair not in kept]
        return "; ".join(filter(None, [*narrow, *kept, *new]))

    def take(self, morsels: Iterable[Morsel[str]]) -> None:
        """Take the cookies that a response sets; each of `morsels` has a Path.

        A cookie that was sent came without its path. One of that name which also matches the batch's URL replaces it;
        any other is a second cookie of that name.
        """
        url = urlsplit(self._url())
        for morsel in morsels:
            domain = morsel["domain"].lower().removeprefix(".")
            if not f".{url.hostname}".endswith(f".{domain}" if domain else ""):
                continue  # RFC 6265 §5.3, step 6: not even to be deleted
            self.as_sent = False
            request = Request(self._url())
            reaches_batch = _path_matches(url.path, morsel["path"])
            jar = self._wide if reaches_batch else self._narrow
            made = jar.make_cookies(_response(morsel, of_host=domain == url.hostname), request)
            accepted = [cookie for cookie in made if self._policy.set_ok(cookie, request)]
            for cookie in accepted:
                jar.set_cookie(cookie)
            if reaches_batch and accepted:
                self._replaced |= {morsel.key}
            elif reaches_batch and not made:  # it has expired, and its place with it
                self.sent = ";".join([pair for pair in self.sent.split(";") if _name(pair) != morsel.key])

    def copy(self) -> Cookies:
        """The same client, apart: what the copy is told, this one does not know."""
        twin = Cookies(self.sent, self._url)
        twin.as_sent, twin._replaced = self.as_sent, self._replaced
        for jar, copied in ((self._wide, twin._wide), (self._narrow, twin._narrow)):
            for cookie in jar:
                copied.set_cookie(copy(cookie))
        return twin


def _pairs(jar: CookieJar, url: str) -> list[str]:
    """The pairs that `jar` sends to `url`."""
    request = Request(url)
    jar.add_cookie_header(request)
    return (request.get_header("Cookie") or "").split("; ")


def _name(pair: str) -> str:
    return pair.partition("=")[0].strip()


def _response(morsel: Morsel[str], *, of_host: bool) -> HTTPResponse:
    """The part of an answer that `CookieJar` looks at. A domain without a dot, such as `localhost`, is left out."""
    message = Message()
    message["Set-Cookie"] = morsel.OutputString([name for name in morsel if not (of_host and name == "domain")])
    return cast("HTTPResponse", SimpleNamespace(info=lambda: message))


def cookies_of(response: HttpResponseBase, by_hand: str, *, path: str) -> tuple[Morsel[str], ...]:
    """The cookies that `response` sets, each with a Path. A view may also have written one into the header itself."""
    if not response.cookies and not by_hand:
        return ()
    morsels = [*SimpleCookie(by_hand).values(), *(response.cookies or {}).values()]
    for morsel in morsels:
        morsel.OutputString().encode("latin-1")  # as a server does, which sends nothing else
    return tuple([with_path(morsel, path) for morsel in morsels])


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
    """Set on `response` what `subresponses` set, in order; of one name, domain and path, the last wins."""
    told: dict[tuple[str, str, str], Morsel[str]] = {}
    for subresponse in subresponses:
        for morsel in subresponse.cookies:
            told.pop(_identity(morsel), None)
            told[_identity(morsel)] = morsel
    for morsel in told.values():
        if other := response.cookies.pop(morsel.key, None):
            # Django keeps one cookie of each name, but it sends what is in the morsel, whatever its key.
            response.cookies["; ".join(_identity(other))] = other
        response.cookies[morsel.key] = morsel


def _identity(morsel: Morsel[str]) -> tuple[str, str, str]:
    """RFC 6265 §5.3, step 11."""
    return morsel.key, morsel["domain"], morsel["path"]
