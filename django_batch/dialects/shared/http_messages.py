"""HTTP requests and answers as bytes, in the media type `application/http` (RFC 9112 §10.2).

A part of a batch is read with one regular expression, because the standard library's parsers are far too slow for
thousands of parts. Parts of one batch are usually alike, so the headers of a part are read once and looked up for the
next. Anything unusual takes a second, more general expression. Nothing is guessed: a line that might be a body whose
sender forgot the blank line before it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from http.client import responses
from urllib.parse import urlsplit

from msgspec import Struct

from django_batch.core.headers import is_noise
from django_batch.core.media_types import media_type_of
from django_batch.core.paths import local_path
from django_batch.dialects.shared.mime import HEADER, LONGEST_HEAD, Span, headers_of, not_a_header, not_utf8, unfolded
from django_batch.errors import Malformed

HTTP = "application/http"

# Matches a part up to the body of its request. All quantifiers are possessive (`++`), so it never backtracks.
_BEFORE_BODY = re.compile(
    rb"""[\r\n]*+
    (?:
        ( (?: (?! (?i:content-id) [ \t:] ) %(header)b )*+ )
        (?: (?i:content-id) [ \t]*+ : ([^\n]*+\n (?: [ \t][^\n]*+\n )*+) )?+
        ( %(header)b*+ )
        [\r\n]++
    )?+
    ([!#-'*+.^_`|~0-9A-Za-z-]++) [ ]++                                           # method
    ( (?!HTTP/) [^ \r\n]++ (?: [ ]++ (?! HTTP/ | \r?(?:\n|\Z) ) [^ \r\n]++ )*+ )  # URL, which may have blanks in it
    (?: [ ]++ HTTP/\d (?:\.\d)?+ )?+ [ \t]*+ \r?+
    ( (?: \n [^\r\n] [^\n]*+ )*+ )                                               # headers, each behind a line end
    (?: \n \r?+ (?:\n|\Z) | \Z )
    """
    % {b"header": HEADER},
    re.VERBOSE,
)
# Matches the rest of most parts, behind the headers that they share with the previous part. These pieces need no more
# checks, and a URL in the group for paths is known to be a path.
_USUAL = re.compile(
    rb"""
    (?: (?i:content-id) : [ ]?+ ([!-~]++ (?: [ ] [!-~]++ )*+) \r?+\n )?+ \r?+\n
    ([A-Z]++) [ ]
    (?: (/ (?!/) [!"$-\[\]-~]{,1000}+) (?= [ \r\n] ) | ((?!HTTP/) [!-~]++) )       # a path, or another URL
    (?: [ ] HTTP/1\.1 )?+ \r?+
    ( (?: \n [^\r\n] [^\n]*+ )*+ ) \n\r?+\n
    """,
    re.VERBOSE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_MOST_EXTRA = 16  # bytes of line ends before or behind a body that may be a mistake of its sender
_LENGTH = re.compile(r"[0-9]{1,18}")
_AS_IT_IS = ("binary", "7bit", "8bit")  # the encodings that change nothing (RFC 2045 §6.2)
# Headers that belong to the connection or to the encoding of the message, and not to the request.
_NOT_OF_THE_REQUEST = frozenset(
    ["accept-encoding", "connection", "content-id", "content-length", "host", "mime-version"]
)
# RFC 9112 §5.2 lets a server refuse these lines: each may be a body whose sender forgot the blank line before it.
_GOES_ON = re.compile(rb"\n([ \t][^\n]*+)")

HeaderPairs = tuple[tuple[str, str], ...]
# Content-ID, method, URL, whether that is a path for sure, headers and body
Message = tuple[str, str, str, bool, "MessageHeaders", bytes | memoryview]


class MessageHeaders(Struct, frozen=True):
    """The headers of a request, by name in lower case, and those that a view gets with or without a body."""

    by_name: Mapping[str, str]
    without_body: HeaderPairs
    with_body: HeaderPairs  # always with a content type, which defaults to JSON
    length: int | None
    content_id: str
    may_refer: bool  # whether a value begins with a dollar sign


class MessageReader:
    """Reads the requests in the parts of `body`. `base` is the absolute URL of the batch."""

    def __init__(self, body: bytes, *, base: str) -> None:
        self._body = body
        self._view = memoryview(body)
        self._site = urlsplit(base)
        self._base = base
        self._hosts = (self._site.netloc, re.sub(r":\d+$", "", self._site.netloc))
        self._start = b""  # the bytes of the previous part before its Content-ID
        self._heads = {b"", None}  # the heads of parts that have been checked
        self.names_msgtype = False  # whether the content type of a part has the parameter `msgtype`
        self._headers: dict[bytes, MessageHeaders] = {}  # lines -> the headers read from them

    def read(self, part: Span) -> Message:
        """The request in `part`. Its body is a view of the batch, not a copy. Raises `Malformed`."""
        start, end = part
        furthest = start + LONGEST_HEAD if end - start > LONGEST_HEAD else end
        begins_as_last = self._body.startswith(self._start, start)
        found = _USUAL.match(self._body, start + len(self._start), furthest) if begins_as_last else None
        if not found:
            return self._closely(start, end, furthest)
        known_as, method, path, url, lines = found.groups()
        headers = self._headers.get(lines) or self._read_headers(lines)
        content_id = known_as.decode() if known_as else headers.content_id
        content = self._content(found.end(), end, headers)
        return content_id, method.decode(), (path or url).decode(), path is not None, headers, content

    def _closely(self, start: int, end: int, furthest: int) -> Message:
        """`read` for any part, however unusual."""
        found = _BEFORE_BODY.match(self._body, start, furthest)
        if not found or (found.end() == furthest < end):
            raise Malformed(
                f"This part is not an HTTP request. It begins with {self._body[start : min(end, start + 100)]!r}."
            )
        head, content_id, head_goes_on, method, url, lines = found.groups()
        try:
            if head_goes_on or head not in self._heads:
                self._look_at(head + head_goes_on)
            self._start = self._body[start : found.end(1)] if head else b""
            headers = self._headers.get(lines) or self._read_headers(lines)
            known_as = _content_id(content_id) if content_id else headers.content_id
            content = self._content(found.end(), end, headers)
            return known_as, method.decode().upper(), url.decode(), False, headers, content
        except UnicodeDecodeError as error:
            raise not_utf8(error) from None

    def _content(self, start: int, end: int, headers: MessageHeaders) -> bytes | memoryview:
        if start < end:
            start, end = _span_of_body(self._body, start, end, headers.length)
        return self._view[start:end] if start < end else b""

    def _look_at(self, head: bytes) -> None:
        """Raise `Malformed` if the content of a part with this head is not a request."""
        headers = headers_of(head)
        for name in headers:
            if not name.startswith("content-") and not is_noise(name):
                detail = f"The header {name!r} stands before the request line, where it has no effect (RFC 2046 §5.1)."
                raise Malformed(f"{detail} Put it behind that line.")
        if "content-id" in headers:  # the first one is not among these headers
            raise Malformed("This part has two Content-IDs.")
        content_type = headers.get("content-type", HTTP)
        if media_type_of(content_type) != HTTP:
            raise Malformed(f"A part must be {HTTP}, not {content_type!r}.")
        self.names_msgtype |= "msgtype" in content_type.lower()
        encoding = headers.get("content-transfer-encoding", "binary")
        if encoding.lower() not in _AS_IT_IS:
            raise Malformed(f"A part cannot be read in {encoding!r}. Send it as binary.")
        self._heads.add(head)

    def _read_headers(self, lines: bytes) -> MessageHeaders:
        if found := _GOES_ON.search(lines):
            raise not_a_header(found[1].decode(errors="replace"), "it begins with a blank")
        by_name = headers_of(lines)
        self._check_host(by_name.get("host", self._site.netloc))
        own = {name: value for name, value in by_name.items() if name not in _NOT_OF_THE_REQUEST}
        typed = {"content-type": "application/json", **own}
        length = by_name.get("content-length", "")
        size = int(length) if _LENGTH.fullmatch(length) else None
        # Some senders write the Content-ID in the wrong place.
        content_id = _content_id(by_name.get("content-id", "").encode())
        may_refer = any(value.startswith("$") for value in own.values())
        headers = MessageHeaders(by_name, tuple(own.items()), tuple(typed.items()), size, content_id, may_refer)
        self._headers[lines] = headers
        return headers

    def _check_host(self, host: str) -> None:
        """Raise `Malformed` unless `host` is the host of the batch, with or without its port."""
        if host not in self._hosts and local_path(f"{self._site.scheme}://{host}/", base=self._base) != "/":
            raise Malformed(f"The Host {host!r} is not a host name.")


def _content_id(value: bytes) -> str:
    text = value.decode().strip()
    if not text.isprintable():
        text = unfolded(text)
    if not (text.isascii() and text.isprintable()):
        raise Malformed(f"The Content-ID {text!r} is not printable ASCII.")
    return text


def _span_of_body(body: bytes, start: int, end: int, length: int | None) -> Span:
    """The span of the body, which may have extra line ends around it.

    The declared `length` is used if it is possible. Otherwise everything is the body, except that a few line ends
    alone mean that there is none.
    """
    if length == end - start:
        return start, end
    if length is not None:
        head, tail = body[start : min(end, start + _MOST_EXTRA)], body[max(start, end - _MOST_EXTRA) : end]
        first = start + len(head) - len(head.lstrip(b"\r\n"))  # the latest place where the body can start
        last = end - len(tail) + len(tail.rstrip(b"\r\n"))  # the earliest place where it can end
        likely = max(start, last - length)
        if likely <= first and likely + length <= end:
            return likely, likely + length
    return (start, end) if end - start > _MOST_EXTRA or body[start:end].strip(b"\r\n") else (end, end)


def fields(headers: Mapping[str, str]) -> str:
    """The headers of an answer, one on each line."""
    lines = "\r\n".join(map(": ".join, headers.items()))
    if not lines.count("\n") == lines.count("\r") == len(headers) - 1:  # a line end could forge a header or an answer
        lines = "\r\n".join(re.sub(r"[\r\n]+", " ", ": ".join(header)) for header in headers.items())
    return lines


def answer_head(
    status: int,
    headers: Mapping[str, str],
    *,
    length: str,
    reason: str = "",
    write: Callable[[Mapping[str, str]], str] = fields,
) -> str:
    """An answer up to its body. It always has a reason and a header, because some clients cannot read it without.

    `reason` is a phrase that a view has chosen. `write` writes the headers.
    """
    if headers.get("Content-Length") != length:
        headers = {**headers, "Content-Length": length}
    line = f"HTTP/1.1 {status} {_CONTROL.sub(' ', reason)}" if reason else _status_line(status)
    return f"{line}\r\n{write(headers)}\r\n\r\n"


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {responses.get(status, 'Unknown Status Code')}"
