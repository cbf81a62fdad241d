"""Which URLs a sub-request may have: a path on the host of the batch.

A server normalizes a URL before Django sees it, and clients strip and encode parts of it. In a batch nobody does that,
so a URL is only accepted in the spelling that would reach Django unchanged. Everything else is refused with a hint,
never guessed: `RequestFactory` would take `//evil.example/x` for `/x`.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from django_batch.errors import Malformed

_ABSOLUTE = re.compile(r"https?://", re.IGNORECASE)
# No client sends these characters in a path, because clients percent-encode them.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_IN_QUERY = str.maketrans({" ": "%20", "#": "%23", "\\": "%5C"})
_LONGEST = 16 * 2**10  # characters. Servers accept between 4 and 64 KiB, so sent alone, a longer URL is refused too.
_LONGEST_QUOTED = 200  # characters of a URL that an error quotes
# Matches most URLs, which then need no closer look. A query may hold a backslash because browsers do not encode it.
is_plain = re.compile(
    rf"/(?!/)(?=[^\n]{{,{_LONGEST - 1}}}+\Z)[^\x00-\x20\x7f#\\?]*+(?:\?[^\x00-\x20\x7f#]*+)?"
).fullmatch
_DEFAULT_PORTS = {"http": 80, "https": 443}


def with_encoded_query(url: str) -> str:
    """`url` with the blanks, backslashes and hashes of its query percent-encoded. Clients in .NET leave them raw.

    No client strips the fragment of a URL inside a batch, so a `#` in the query is a part of the query.
    """
    path, mark, query = url.partition("?")
    return f"{path}?{query.translate(_IN_QUERY)}" if mark else url


def local_path(url: str, *, base: str) -> str:
    """The path and query of `url`, which must be on the host of `base`, the absolute URL of the batch.

    Raises `Malformed` unless `url` is origin-form (RFC 9112 §3.2.1) or an absolute URL with the scheme and host of
    `base`.
    """
    if is_plain(url):
        return url
    if len(url) > _LONGEST:
        raise Malformed(f"The path has {len(url)} characters. At most {_LONGEST} are allowed.")
    if "#" in url:
        detail = f"The path {_quoted(url)} has a fragment, which is never sent to a server."
        raise Malformed(f"{detail} Write a '#' that belongs to the path as '%23'.")
    before, mark, query = url.partition("?")
    if found := _FORBIDDEN.search(before) or _CONTROL.search(query):
        raise Malformed(f"The path {_quoted(url)} contains {found[0]!r}, which must be percent-encoded.")
    url = before + mark + query.replace(" ", "%20")
    path = url if url.startswith("/") or not _ABSOLUTE.match(url) else _without_origin(url, base)
    if not path.startswith("/") or path.startswith("//"):
        origin = "://".join(urlsplit(base)[:2])
        raise Malformed(f"The path {_quoted(url)} must start with one slash, or with {origin}/ as the batch does.")
    return path


def _quoted(url: str) -> str:
    return repr(url if len(url) <= _LONGEST_QUOTED else f"{url[:_LONGEST_QUOTED]}…")


def _without_origin(url: str, base: str) -> str:
    try:
        if _origin(urlsplit(url)) != _origin(urlsplit(base)):
            origin = "://".join(urlsplit(base)[:2])
            raise Malformed(f"The URL {_quoted(url)} has another scheme or host. This batch was sent to {origin}/.")
    except ValueError as error:  # a port that is not a number, or an unclosed bracket
        raise Malformed(f"The URL {_quoted(url)} cannot be read: {error}.") from error
    path = re.sub(r"^[^/]+//[^/?]*", "", url)
    return path if path.startswith("/") else f"/{path}"


def _origin(url: SplitResult) -> tuple[str, str, int | None]:
    userinfo_and_host = url.netloc.removesuffix(f":{url.port}").lower()
    return url.scheme, userinfo_and_host, url.port or _DEFAULT_PORTS.get(url.scheme)
