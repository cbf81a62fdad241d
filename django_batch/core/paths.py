"""Which URLs a sub-request may have: a path on this host, in the one spelling that reaches Django as it was written."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from django_batch.errors import Malformed

_ABSOLUTE = re.compile(r"https?://", re.IGNORECASE)
# A client strips a fragment and cannot send a control character, a space or (browsers) a backslash.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f#\\]")
_LONGEST = 16 * 2**10  # characters, between what servers take (4 to 64 KiB): alone, a longer one never reached Django
# What nearly all are, at a fifth of the cost of looking closely.
is_plain = re.compile(rf"/(?!/)[^\x00-\x20\x7f#\\]{{,{_LONGEST - 1}}}+").fullmatch
_DEFAULT_PORTS = {"http": 80, "https": 443}


def local_path(url: str, *, base: str) -> str:
    """The path and query of `url`, which must be on the host of `base`, the absolute URL of the batch.

    Raises `Malformed` for all that is not origin-form (RFC 9112 §3.2.1) or an absolute URL with the scheme and host of
    `base`: `RequestFactory` would take `//evil.example/x` for `/x`.
    """
    if is_plain(url):
        return url
    if len(url) > _LONGEST:
        raise Malformed(f"The path has {len(url)} characters, which is more than {_LONGEST}.")
    if found := _FORBIDDEN.search(url):
        raise Malformed(f"The path {url!r} contains {found[0]!r}, which must be percent-encoded.")
    path = url if url.startswith("/") or not _ABSOLUTE.match(url) else _without_origin(url, base)
    if not path.startswith("/") or path.startswith("//"):
        raise Malformed(f"The path {url!r} must start with one slash, or with the scheme and host of this request.")
    return path


def _without_origin(url: str, base: str) -> str:
    try:
        if _origin(urlsplit(url)) != _origin(urlsplit(base)):
            raise Malformed(f"The URL {url!r} is on another scheme or host than this request.")
    except ValueError as error:  # a port that is no number, or an unclosed bracket
        raise Malformed(f"The URL {url!r} cannot be read: {error}.") from error
    path = re.sub(r"^[^/]+//[^/?]*", "", url)
    return path if path.startswith("/") else f"/{path}"


def _origin(url: SplitResult) -> tuple[str, str, int | None]:
    userinfo_and_host = url.netloc.removesuffix(f":{url.port}").lower()
    return url.scheme, userinfo_and_host, url.port or _DEFAULT_PORTS.get(url.scheme)
