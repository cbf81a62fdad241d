"""From a sub-request to the `HttpRequest` that the site would get if it were sent alone.

What the server knows of the sender is inherited by an allow-list, what the sender may say by another; nothing else gets
in. Credentials are handed down, never a user: who the sender is, each sub-request's own middleware and authenticators
decide. A user attached here would be let in by views that would not take the sender's credentials.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator
from functools import lru_cache
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.core.exceptions import BadRequest, DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import LimitedStream, WSGIRequest
from django.http import HttpHeaders, HttpRequest
from django.test import RequestFactory
from django.test.client import FakePayload
from msgspec.structs import replace

from django_batch.core.batch import Subrequest
from django_batch.errors import HeaderNotAllowed, Malformed, MethodNotAllowed, OutsideScriptPrefix
from django_batch.execution.requests.lean_requests import UNDER_ASGI, UNDER_WSGI, Common, Template
from django_batch.execution.requests.uploads import Upload
from django_batch.sharing.lookups import Lookups

# Of the parent's META: what the server says. Whatever else is there, tracers and middlewares have put there.
_SERVER_KEYS = re.compile(r"SERVER_\w+|REMOTE_\w+|SSL_\w+|SCRIPT_NAME|HTTPS|AUTH_TYPE")
# Headers that speak of the batch as a message, or of its connection, and not of its sender.
_NOT_INHERITED = re.compile(
    r"HTTP_(CONTENT_\w+|ACCEPT|ACCEPT_ENCODING|IF_\w+|RANGE|EXPECT|PREFER|IDEMPOTENCY_KEY|COOKIE"
    r"|X_HTTP_METHOD|X_HTTP_METHOD_OVERRIDE|X_METHOD_OVERRIDE"
    r"|TRANSFER_ENCODING|TE|TRAILER|UPGRADE|CONNECTION|KEEP_ALIVE|PROXY_CONNECTION|HTTP2_SETTINGS)"
)
# Headers by which a site knows where a request comes from, or a server where it ends. No setting lets them in.
_NEVER_SETTABLE = re.compile(
    r"host|origin|referer|cookie|forwarded|x-forwarded-.*|x-real-ip|remote-.*|content-length|transfer-encoding"
    r"|te|trailer|upgrade|connection|keep-alive|proxy-.*|expect|http2-settings|sec-.*"
)
_TOKEN = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2, without `_`: META has one key for it and `-`
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 §5.5
_LONGEST_VALUE = 8 * 2**10  # characters, as of most servers: Django may take long to read what never reached it alone
# What Django's and DRF's test clients set, with a stream of these kinds: the latter by the async client, but no server.
_STREAMS_OF_TESTS = (FakePayload, LimitedStream)
_MARKS_OF_TESTS = ("_force_auth_user", "_force_auth_token", "_dont_enforce_csrf_checks")
_MAX_TEMPLATES = 64  # kept per batch
# Of META, what each sub-request has of its own.
_OWN_KEYS = dict.fromkeys(("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_LENGTH"), "")
Pairs = tuple[tuple[str, str], ...]  # names and values


class SubrequestFactory(RequestFactory):
    """Builds the sub-requests of one batch, which share `credentials`. `parent` is the request that carries it.

    Where it is `lenient`, a header that may not be set is left out, and refuses nothing.
    """

    def __init__(
        self,
        parent: HttpRequest,
        *,
        allowed_headers: Collection[str],
        methods: Collection[str],
        credentials: Lookups,
        lenient: bool = False,
    ) -> None:
        super().__init__()
        self.defaults = _inherited(parent)
        self._methods = tuple(methods)
        self._lenient = lenient
        self._settable = _settable(tuple(allowed_headers), (settings.SECURE_PROXY_SSL_HEADER or ("",))[0])
        self._authorization = parent.META.get("HTTP_AUTHORIZATION")
        self._script_prefix = self.defaults["SCRIPT_NAME"].rstrip("/")
        self._templates: dict[object, Template] = {}
        self._given = marks_of_tests(parent)
        self._common = Common(credentials)
        self._lean, self._sharing = UNDER_WSGI
        if isinstance(parent, ASGIRequest):
            self._given["_batch_scope"] = parent.scope
            self._lean, self._sharing = UNDER_ASGI

    def _base_environ(self, **request: object) -> dict[str, object]:
        return {**self.defaults, **request}  # and none of the values that the test client invents

    def build(self, subrequest: Subrequest, *, cookies: Pairs) -> WSGIRequest:
        """The request that `subrequest` is. Raises a `BatchError` if it may not be sent.

        `cookies` are the keys of META that follow those of the client. What an item sets outranks them.
        """
        if subrequest.method not in self._methods:
            raise self._method_not_allowed(subrequest)
        upload = Upload(subrequest) if subrequest.files else None
        if upload:
            subrequest = replace(subrequest, headers=upload.headers)
        path, _, query = subrequest.path.partition("?")
        try:
            template = self._templates.get((subrequest.headers, cookies)) or self._template(subrequest, cookies)
            own = {
                "REQUEST_METHOD": subrequest.method,
                "PATH_INFO": self.path_info(path, subrequest.pointer),
                "QUERY_STRING": query if query.isascii() else _wsgi_text(query),
                "CONTENT_LENGTH": str(upload.size if upload else len(subrequest.body)),
                "wsgi.input": upload.stream() if upload else BytesIO(subrequest.body),
            }
        except (BadRequest, ValueError, LookupError) as error:  # of a Content-Type, or a lone surrogate
            raise Malformed(f"This request cannot be read: {error}", pointer=subrequest.pointer) from None
        return template.make(subrequest, own)

    def _template(self, subrequest: Subrequest, cookies: Pairs) -> Template:
        """What makes all sub-requests of the same headers."""
        if len(self._templates) >= _MAX_TEMPLATES:
            self._templates.clear()
        headers = dict(self._headers(subrequest))
        request = self.request(**{"wsgi.input": BytesIO(), **dict(cookies), **headers})
        kind = self._sharing if cookies else self._lean  # without cookies there is no session
        template = self._templates[subrequest.headers, cookies] = Template(request, kind, self._common, self._given)
        return template

    def _method_not_allowed(self, subrequest: Subrequest) -> MethodNotAllowed:
        allow = ", ".join(self._methods)
        detail = f"The method {subrequest.method!r} is not one of {allow}."
        return MethodNotAllowed(detail, pointer=f"{subrequest.pointer}/method", headers={"Allow": allow})

    def path_info(self, path: str, pointer: str) -> str:
        """`path` without the script prefix, as a WSGI server decodes it (PEP 3333)."""
        decoded = unquote_to_bytes(path).decode("latin-1") if "%" in path or not path.isascii() else path
        prefix = self._script_prefix
        if not prefix and decoded[:1] == "/":
            return decoded
        if decoded != prefix and not decoded.startswith(f"{prefix}/"):
            detail = f"{path!r} is outside the script prefix {prefix!r}, where this site has nothing."
            raise OutsideScriptPrefix(detail, pointer=f"{pointer}/path")
        return decoded[len(prefix) :]

    def _headers(self, subrequest: Subrequest) -> Iterator[tuple[str, str]]:
        """The headers of an item as keys and values of META."""
        seen: set[str] = set()
        for name, value in subrequest.headers:
            if self._lenient and not self._may_set(name.lower(), value):
                continue
            if reason := self._objection(name, value, seen):
                pointer = f"{subrequest.pointer}/headers/{name.replace('~', '~0').replace('/', '~1')}"
                raise HeaderNotAllowed(f"The header {name!r} {reason}", pointer=pointer)
            seen.add(name.lower())
            yield str(HttpHeaders.to_wsgi_name(name)), _wsgi_text(value.strip(" \t"))

    def _may_set(self, lowered: str, value: str) -> bool:
        return lowered in self._settable or (lowered == "authorization" and value == self._authorization)

    def _objection(self, name: str, value: str, seen: Collection[str]) -> str:
        lowered = name.lower()
        if not _TOKEN.fullmatch(name):
            return "is no name that a header can have here: letters, digits and hyphens."
        if len(value) > _LONGEST_VALUE:
            return f"has more than {_LONGEST_VALUE} characters."
        if _CONTROL.search(value):
            return "has a control character in its value."
        if lowered in seen:
            return "is there twice. Write its values as one, with commas."
        if self._may_set(lowered, value):
            return ""
        return "cannot be set by a sub-request. It is sent with the batch, or added to ALLOWED_HEADERS by the site."


def absolute_url(parent: HttpRequest) -> str:
    """The URL of a batch. It is made when it is asked for, as it seldom is: 3 % of a batch of one."""
    try:
        return parent.build_absolute_uri(parent.path)
    except DisallowedHost:  # where no middleware minds, as requests alone are answered there: nor may it end a batch
        return f"{parent.scheme}://{parent.META['SERVER_NAME']}{parent.path}"


def marks_of_tests(request: HttpRequest) -> dict[str, Any]:
    """What a test client has set, and nothing from outside of tests.

    There a middleware may excuse one URL from the CSRF check, which it decides anew about each sub-request.
    """
    stream = request.META.get("wsgi.input", vars(request).get("_stream"))
    if not isinstance(stream, _STREAMS_OF_TESTS):
        return {}
    return {name: vars(request)[name] for name in _MARKS_OF_TESTS if name in vars(request)}


def _inherited(parent: HttpRequest) -> dict[str, Any]:
    """What every sub-request of `parent` starts with.

    Also what `Connection` names: the sender wrote it, and could so hide what a proxy has added, such as its address.
    """
    meta = parent.META
    return {
        **{key: meta[key] for key in _inherited_keys(tuple(meta))},
        **_OWN_KEYS,
        "HTTP_ACCEPT": "application/json",  # what the parent accepts is the batch
        "SCRIPT_NAME": _wsgi_text(meta.get("SCRIPT_NAME", "")),  # Django has decoded it
        "wsgi.url_scheme": parent._get_scheme(),  # type: ignore[attr-defined]  # of ASGI's scope, or of the environ
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
    }


@lru_cache(maxsize=32)
def _inherited_keys(keys: tuple[str, ...]) -> list[str]:
    """Kept, as most requests have the same: 2 % of a batch of one."""
    return [
        key
        for key in keys
        if _SERVER_KEYS.fullmatch(key) or (key.startswith("HTTP_") and not _NOT_INHERITED.fullmatch(key))
    ]


@lru_cache(maxsize=32)
def _settable(allowed_headers: tuple[str, ...], secure_header: str) -> frozenset[str]:
    """In lower case. Kept, as sites allow the same for each batch: a fifth of what a batch of one takes on its own."""
    names = (name.lower() for name in allowed_headers)
    return frozenset(
        name
        for name in names
        if not _NEVER_SETTABLE.fullmatch(name) and HttpHeaders.to_wsgi_name(name) != secure_header
    )


def _wsgi_text(text: str) -> str:
    """`text` as PEP 3333 wants it: its UTF-8 bytes, each as one character."""
    return text if text.isascii() else text.encode().decode("latin-1")
