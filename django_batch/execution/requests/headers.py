"""Which headers a sub-request has: those of the batch that speak of its sender, and those that its item may set."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpHeaders, HttpRequest

from django_batch.core.batch import Subrequest
from django_batch.core.headers import is_noise
from django_batch.errors import HeaderNotAllowed
from django_batch.execution.chain.handler import remote_user_keys
from django_batch.execution.internals import scheme_of

# These keys of the parent's META are the server's own. Tracers and middlewares have put the others there.
_SERVER_KEYS = re.compile(r"SERVER_\w+|REMOTE_\w+|SSL_\w+|SCRIPT_NAME|HTTPS|AUTH_TYPE|wsgi\.(multi\w+|run_once)")
# Headers that speak of the batch as a message, or of its connection, and not of its sender.
_NOT_INHERITED = re.compile(
    r"HTTP_(CONTENT_\w+|ACCEPT|ACCEPT_ENCODING|IF_\w+|RANGE|EXPECT|PREFER|IDEMPOTENCY_KEY|COOKIE"
    r"|X_HTTP_METHOD|X_HTTP_METHOD_OVERRIDE|X_METHOD_OVERRIDE"
    r"|TRANSFER_ENCODING|TE|TRAILER|UPGRADE|CONNECTION|KEEP_ALIVE|PROXY_CONNECTION|HTTP2_SETTINGS)"
)
# Headers by which a site knows where a request comes from, or a server where it ends. No setting lets them in.
NEVER_SETTABLE = re.compile(
    r"host|origin|referer|cookie|forwarded|x-forwarded-.*|x-real-ip|remote-.*|content-length|transfer-encoding"
    r"|te|trailer|upgrade|connection|keep-alive|proxy-.*|expect|http2-settings|sec-.*|.*_.*"
)
_TOKEN = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2, without `_`: META has one key for it and `-`
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 §5.5
_LONGEST_KEPT = 100  # characters of a key that is kept for the process
_LONGEST_VALUE = 8 * 2**10  # characters, as most servers take: a longer value never reaches Django alone


def inherited_meta(parent: HttpRequest) -> dict[str, Any]:
    """The part of META that every sub-request of `parent` inherits.

    A header that `Connection` names is inherited, too: the sender wrote that name, and could so hide what a proxy has
    added, such as an address.
    """
    users = remote_user_keys()
    inherited = {
        key: value
        for key, value in parent.META.items()
        if (_is_known_to_be if len(key) <= _LONGEST_KEPT else _is_inherited)(key) or key in users
    }
    return {**inherited, "HTTP_ACCEPT": "application/json", "wsgi.url_scheme": scheme_of(parent)}


def _is_inherited(key: str) -> bool:
    is_header = key.startswith("HTTP_") and not _NOT_INHERITED.fullmatch(key)
    return is_header or _SERVER_KEYS.fullmatch(key) is not None


_is_known_to_be = lru_cache(maxsize=256)(_is_inherited)  # cached because most requests have the same headers


class ItemHeaders:
    """Reads the headers of items. `allowed` are the names that an item may set."""

    def __init__(self, parent: HttpRequest, allowed: Collection[str]) -> None:
        self._settable = _settable(tuple(allowed), (settings.SECURE_PROXY_SSL_HEADER or ("",))[0])
        # These say again what the batch has said, so that an item may repeat them.
        self._repeated: Mapping[str, str | None] = {
            "authorization": parent.META.get("HTTP_AUTHORIZATION"),
            "host": parent.META.get("HTTP_HOST", parent.META.get("SERVER_NAME")),
        }

    def read(self, subrequest: Subrequest) -> Iterator[tuple[str, str]]:
        """The headers of an item as keys and values of META. Raises `HeaderNotAllowed`."""
        seen: set[str] = set()
        for name, value in subrequest.headers:
            if self._is_left_out(name.lower(), value):
                continue
            if reason := self._objection(name, value, seen):
                pointer = f"{subrequest.pointer}/headers/{name.replace('~', '~0').replace('/', '~1')}"
                raise HeaderNotAllowed(f"The header {name!r} {reason}", pointer=pointer)
            seen.add(name.lower())
            yield str(HttpHeaders.to_wsgi_name(name)), wsgi_text(value.strip(" \t"))

    def _is_left_out(self, lowered: str, value: str) -> bool:
        """Whether a header may not be set, and nothing is lost without it."""
        if lowered in self._settable:
            return False
        return is_noise(lowered) or (lowered in self._repeated and value == self._repeated[lowered])

    def _objection(self, name: str, value: str, seen: Collection[str]) -> str:
        lowered = name.lower()
        if not _TOKEN.fullmatch(name):
            return "is no name that a header can have here: letters, digits and hyphens."
        if len(value) > _LONGEST_VALUE:
            return f"has {len(value)} characters, which is more than {_LONGEST_VALUE}."
        if _CONTROL.search(value):
            return "has a control character in its value."
        if lowered in seen:
            return "is there twice. Write its values as one, with commas."
        if lowered in self._settable:
            return ""
        if NEVER_SETTABLE.fullmatch(lowered):
            return "cannot be set by a sub-request, and no setting allows it. Leave it out."
        if lowered == "authorization":
            return "differs from that of the batch. The site can allow this: it adds the name to ALLOWED_HEADERS."
        return "cannot be set by a sub-request. Send it with the batch, or ask the site to add it to ALLOWED_HEADERS."


@lru_cache(maxsize=32)  # because a site allows the same for each batch
def _settable(allowed: tuple[str, ...], secure_header: str) -> frozenset[str]:
    """The names in lower case that an item may set."""
    return frozenset(
        name
        for name in map(str.lower, allowed)
        if not NEVER_SETTABLE.fullmatch(name) and HttpHeaders.to_wsgi_name(name) != secure_header
    )


def wsgi_text(text: str) -> str:
    """`text` as PEP 3333 wants it: its UTF-8 bytes, each as one character."""
    return text if text.isascii() else text.encode().decode("latin-1")
