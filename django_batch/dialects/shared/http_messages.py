"""Requests and answers as bytes, as the media type `application/http` carries them (RFC 9112 §10.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from http.client import responses
from urllib.parse import urlsplit

from msgspec import Struct

from django_batch.core.media_types import media_type_of
from django_batch.core.paths import local_path
from django_batch.dialects.shared.mime import HEADER, LONGEST_HEAD, Span, headers_of, not_utf8, unfolded
from django_batch.errors import Malformed

HTTP = "application/http"

# All of a part before the body of its request. Every piece is taken whole (`++`), so that nothing is tried twice.
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
# The same of most parts, behind the headers that most have alike: a third of the cost of looking closely. What is read
# needs no second look, nor does a URL that is found to be a path.
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
_MOST_EXTRA = 16  # bytes of line ends on one side of a body that are taken for a slip of its sender
_LENGTH = re.compile(r"[0-9]{1,18}")
_AS_IT_IS = ("binary", "7bit", "8bit")  # the encodings that are none (RFC 2045 §6.2)
# Headers of a connection, or of how the sender would like a message to be packed.
_NOT_OF_THE_REQUEST = frozenset(
    ["accept-encoding", "connection", "content-id", "content-length", "host", "mime-version", "transfer-encoding"]
)

Pairs = tuple[tuple[str, str], ...]
# Content-ID, method, URL, whether that is a path for sure, headers and body
Message = tuple[str, str, str, bool, "Headers", bytes | memoryview]


class Headers(Struct, frozen=True):
    """The headers of a request, by name in lower case, and what a view gets of them, with a body and without one."""

    by_name: Mapping[str, str]
    without_body: Pairs
    with_body: Pairs  # of a type in any case: JSON, if none is named
    length: int | None
    content_id: str
    may_refer: bool  # as a value begins with a dollar


class MessageReader:
    """Reads the requests in the parts of `body`, for the host of `base`, the absolute URL of the batch.

    What many of them have in common is read once.
    """

    def __init__(self, body: bytes, *, base: str) -> None:
        self._body = body
        self._view = memoryview(body)
        self._site = urlsplit(base)
        self._base = base
        self._hosts = (self._site.netloc, re.sub(r":\d+$", "", self._site.netloc))
        self._start = b""  # of the last part: all before its Content-ID
        self._heads = {b"", None}  # those of parts that have been looked at
        self._headers: dict[bytes, Headers] = {}  # as they were written -> as they are read

    def read(self, part: Span) -> Message:
        """The request in `part`: its body is a view of the batch, not a copy of it. Raises `Malformed`."""
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
        """The same of any part."""
        found = _BEFORE_BODY.match(self._body, start, furthest)
        if not found or (found.end() == furthest < end):
            raise Malformed(f"This part holds no HTTP request, but {self._body[start : min(end, start + 100)]!r} …")
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

    def _content(self, start: int, end: int, headers: Headers) -> bytes | memoryview:
        if start < end:
            start, end = _span_of_body(self._body, start, end, headers.length)
        return self._view[start:end] if start < end else b""

    def _look_at(self, head: bytes) -> None:
        """Raise `Malformed` if a part with this head has no request for its content."""
        headers = headers_of(head)
        if media_type_of(headers.get("content-type", HTTP)) != HTTP:
            raise Malformed(f"A part is {HTTP} here, not {headers['content-type']!r}.")
        encoding = headers.get("content-transfer-encoding", "binary")
        if encoding.lower() not in _AS_IT_IS:
            raise Malformed(f"A part cannot be read in {encoding!r}. Send it as binary.")
        self._heads.add(head)

    def _read_headers(self, lines: bytes) -> Headers:
        by_name = headers_of(lines)
        self._check_host(by_name.get("host", self._site.netloc))
        own = {name: value for name, value in by_name.items() if name not in _NOT_OF_THE_REQUEST}
        typed = {"content-type": "application/json", **own}
        length = by_name.get("content-length", "")
        size = int(length) if _LENGTH.fullmatch(length) else None
        # Some senders write the Content-ID in the wrong place.
        content_id = _content_id(by_name.get("content-id", "").encode())
        may_refer = any(value.startswith("$") for value in own.values())
        headers = Headers(by_name, tuple(own.items()), tuple(typed.items()), size, content_id, may_refer)
        self._headers[lines] = headers
        return headers

    def _check_host(self, host: str) -> None:
        """Raise `Malformed` for another host than that of the batch. Some clients leave out its port."""
        if host not in self._hosts and local_path(f"{self._site.scheme}://{host}/", base=self._base) != "/":
            raise Malformed(f"{host!r} is no host.")


def _content_id(value: bytes) -> str:
    text = value.decode().strip()
    if not text.isprintable():
        text = unfolded(text)
    if not (text.isascii() and text.isprintable()):
        raise Malformed(f"The Content-ID {text!r} is not printable ASCII.")
    return text


def _span_of_body(body: bytes, start: int, end: int, length: int | None) -> Span:
    """Where the body is, which may have line ends around it. `length` is believed if it can be true.

    Else all of it is body, exactly; but line ends alone stand for none.
    """
    if length == end - start:
        return start, end
    if length is not None:
        head, tail = body[start : min(end, start + _MOST_EXTRA)], body[max(start, end - _MOST_EXTRA) : end]
        first = start + len(head) - len(head.lstrip(b"\r\n"))  # where the body starts at the latest
        last = end - len(tail) + len(tail.rstrip(b"\r\n"))  # and where it ends at the earliest
        likely = max(start, last - length)
        if likely <= first and likely + length <= end:
            return likely, likely + length
    return (start, end) if end - start > _MOST_EXTRA or body[start:end].strip(b"\r\n") else (end, end)


def fields(headers: Mapping[str, str]) -> str:
    """The headers of an answer, each on a line."""
    lines = "\r\n".join(map(": ".join, headers.items()))
    if not lines.count("\n") == lines.count("\r") == len(headers) - 1:  # it could forge a header, or an answer
        lines = "\r\n".join(re.sub(r"[\r\n]+", " ", ": ".join(header)) for header in headers.items())
    return lines


def answer_head(
    status: int, headers: Mapping[str, str], *, length: str, write: Callable[[Mapping[str, str]], str] = fields
) -> str:
    """All of an answer before its body. There is a reason and a header always: some clients read no answer without.

    `write` is what writes its `fields`.
    """
    if headers.get("Content-Length") != length:
        headers = {**headers, "Content-Length": length}
    return f"{_status_line(status)}\r\n{write(headers)}\r\n\r\n"


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {responses.get(status, 'Unknown Status Code')}"
