"""Multipart messages, as they stand in the body of a batch: cut into parts at their boundary, never copied.

RFC 2046 §5.1, and in its place what clients really send: bare line feeds, blank lines, folded headers, text before and
behind the parts. The standard library's `email` does not keep binary content as it is, and for the headers of an item
alone takes longer than an item may take, so lines are read here.
"""

from __future__ import annotations

import re

from django_batch.core.media_types import media_type_of
from django_batch.errors import Malformed, TooManyRequests, UnsupportedMediaType

MULTIPART = "multipart/mixed"

_PARAMETER = re.compile(r';\s*+([^\s;="]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^;"]*+))')
_BOUNDARY = re.compile(r"[ -~]{0,199}[!-~]")  # RFC 2046 §5.1.1 allows fewer, on which nothing here depends
_END_OF_DELIMITER = re.compile(rb"(--)?+[ \t]*+\r?(?=\n|\Z)")
_CR, _CRLF = ord("\r"), b"\r\n"
# One header, and the lines that it goes on in; for patterns that are verbose.
HEADER = rb"(?: [!-9;-~]++ [ \t]*+ : [^\n]*+\n (?: [ \t][^\n]*+\n )*+ )"
_HEAD = re.compile(rb"[\r\n]*+ ( %b*+ ) [\r\n]*+" % HEADER, re.VERBOSE)
# By these most parts can be told apart without reading their headers.
IS_REQUEST = b"Content-Type: application/http"
_IS_MULTIPART = re.compile(
    rb"[\r\n]*+(?:(?!content-type[ \t:])[^\r\n][^\n]*+\n)*+content-type[ \t]*+:\s*+multipart/", re.I
)
# All of the head of most messages in parts: their boundary, at a tenth of the cost of reading headers.
_USUAL_MULTIPART = re.compile(rb"content-type: multipart/mixed; ?+boundary=([\w.-]{1,200}+)\r?+\n[\r\n]++", re.I)
_FOLD = re.compile(r"\r?\n[ \t]+")
LONGEST_HEAD = 128 * 2**10  # bytes of all headers of a part
_MAX_HEADERS = 100  # of one part, as of one request on most servers

Span = tuple[int, int]  # a part of the body of a batch: where it starts, and where it ends


def boundary_of(content_type: str) -> bytes:
    """What divides the parts of a multipart message. Raises for a type that is none, or names no boundary."""
    if media_type_of(content_type) != MULTIPART:
        raise UnsupportedMediaType(f"Send the batch as {MULTIPART} with a boundary, not as {content_type!r}.")
    for name, quoted, plain in _PARAMETER.findall(content_type):
        boundary = re.sub(r"\\(.)", r"\1", quoted) if quoted else plain.strip()
        if name.lower() == "boundary" and _BOUNDARY.fullmatch(boundary):
            return boundary.encode()
    raise Malformed(f"{content_type!r} names no boundary by which parts can be told (RFC 2046 §5.1.1).")


def cut(body: bytes, whole: Span, boundary: bytes, *, limit: int) -> list[Span]:
    """The parts of the message that is `whole`. Raises `TooManyRequests` as soon as there are more than `limit`.

    Raises `Malformed` where no delimiter closes the message: who knows what else is missing.
    """
    (start, end), line = whole, b"\n--" + boundary
    parts: list[Span] = []
    at_once = body.startswith(line[1:], start, end) and _END_OF_DELIMITER.match(body, start + len(line) - 1, end)
    begun = _behind(at_once) if at_once else _delimiter(body, body.find(line, start, end), end, line)[1]
    while begun:
        if len(parts) >= limit:
            raise TooManyRequests(f"The batch has more than {limit} sub-requests. Send them in several.")
        place = body.find(line, begun - 1, end)
        behind = place + len(line) + 2
        if place < 0 or body[behind - 2 : behind] != _CRLF:  # which is seen at a third of the cost of looking closely
            place, behind = _delimiter(body, place, end, line)
        if body[place - 1] == _CR:  # the line end before a delimiter belongs to it (RFC 2046 §5.1.1)
            place -= 1
        parts.append((begun, place if place > begun else begun))
        begun = behind
    return parts


def _delimiter(body: bytes, place: int, end: int, line: bytes) -> tuple[int, int]:
    """Where a delimiter is, with the line end before it, and what is `_behind` it.

    It is the first one from `place` on, where `line` is, or -1.
    """
    while place >= 0:
        if found := _END_OF_DELIMITER.match(body, place + len(line), end):
            return place, _behind(found)
        # There may be millions of such lines, so the next ones are passed over in one go.
        found = re.compile(re.escape(line) + _END_OF_DELIMITER.pattern).search(body, place + 1, end)
        place = found.start() if found else -1
    raise Malformed(f"The parts do not end with '{line[1:].decode()}--', so something is missing.")


def _behind(found: re.Match[bytes]) -> int:
    """Where the part behind a delimiter starts, whose end was `found`: 0 behind the last."""
    return 0 if found[1] else found.end() + 1


def multipart_in(body: bytes, part: Span) -> tuple[bytes, Span] | None:
    """The boundary and the span of the message that `part` carries, if that is a multipart one."""
    start, end = part
    if found := _USUAL_MULTIPART.match(body, start, end):
        return found[1], (found.end(), end)
    furthest = min(end, start + LONGEST_HEAD)
    if not _IS_MULTIPART.match(body, start, furthest) or not (found := _HEAD.match(body, start, furthest)):
        return None
    content_type = headers_of(found[1]).get("content-type", "")
    return (boundary_of(content_type), (found.end(), end)) if media_type_of(content_type) == MULTIPART else None


def headers_of(lines: bytes) -> dict[str, str]:
    """The headers that `lines` are, by name in lower case. Those of one name are one, as servers make of them."""
    try:
        text = unfolded(lines.decode().strip("\r\n"))
    except UnicodeDecodeError as error:
        raise not_utf8(error) from None
    if text.count("\n") >= _MAX_HEADERS:
        raise Malformed(f"A part has at most {_MAX_HEADERS} headers.")
    headers: dict[str, str] = {}
    for line in text.split("\n") if text else ():
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed(f"The line {line!r} is no header, as it has no colon.")
        name, value = name.rstrip(" \t").lower(), value.strip(" \t\r")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def not_utf8(error: UnicodeDecodeError) -> Malformed:
    """The error of headers, or of a request line, in another encoding."""
    return Malformed(f"The headers are not UTF-8: {error.reason}.")


def unfolded(text: str) -> str:
    """Headers each on one line (RFC 5322 §2.2.3)."""
    return _FOLD.sub(" ", text) if "\n " in text or "\n\t" in text else text
