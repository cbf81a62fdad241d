"""Multipart messages in the body of a batch, cut into parts at their boundary without copying them.

This follows RFC 2046 §5.1, and tolerates deviations of real clients: bare line feeds, blank lines, folded headers, text
before and behind the parts. The standard library's `email` package is not used, because it does not keep binary content
unchanged and is far too slow for thousands of parts. A part that might get lost is refused, never skipped.
"""

from __future__ import annotations

import re

from django_batch.core.media_types import media_type_of
from django_batch.errors import Malformed, TooManyRequests, UnsupportedMediaType

MULTIPART = "multipart/mixed"

_PARAMETER = re.compile(r';\s*+([^\s;="]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^;"]*+))')
_BOUNDARY = re.compile(r"[ -~]{0,199}[!-~]")  # RFC 2046 §5.1.1 allows only 70 characters, but nothing depends on that
_END_OF_DELIMITER = re.compile(rb"(--)?+[ \t]*+\r?(?=\n|\Z)")
_BEGINS_PART = re.compile(rb"[ \t]*+\r?(?=\n|\Z)")
_CR, _CRLF, _BOM = ord("\r"), b"\r\n", b"\xef\xbb\xbf"
# One header with its continuation lines, for use in verbose patterns.
HEADER = rb"(?: [!-9;-~]++ [ \t]*+ : [^\n]*+\n (?: [ \t][^\n]*+\n )*+ )"
_HEAD = re.compile(rb"[\r\n]*+ ( %b*+ ) [\r\n]*+" % HEADER, re.VERBOSE)
# These tell most parts apart without reading their headers.
IS_REQUEST = b"Content-Type: application/http"
_IS_MULTIPART = re.compile(
    rb"[\r\n]*+(?:(?!content-type[ \t:])[^\r\n][^\n]*+\n)*+content-type[ \t]*+:\s*+multipart/", re.I
)
# Matches the whole head of most nested multipart messages, whose headers then need not be read.
_USUAL_MULTIPART = re.compile(rb"content-type: multipart/mixed; ?+boundary=([\w.-]{1,200}+)\r?+\n[\r\n]++", re.I)
_FOLD = re.compile(r"\r?\n[ \t]+")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
# Headers that may appear once. Servers join all others with commas (RFC 9110 §5.3), but these cannot be joined.
_ONCE = {"authorization", "content-id", "content-length", "content-transfer-encoding", "content-type", "host"}
LONGEST_HEAD = 128 * 2**10  # bytes of all headers of a part
_MAX_HEADERS = 100  # in one part, like the limit of most servers for one request

Span = tuple[int, int]  # the start and the end of a range in the body of a batch


def boundary_of(content_type: str) -> bytes:
    """The boundary in `content_type`. Raises a `BatchError` if the type is not multipart, or has no boundary."""
    if media_type_of(content_type) != MULTIPART:
        raise UnsupportedMediaType(f"Send the batch as {MULTIPART} with a boundary, not as {content_type!r}.")
    for name, quoted, plain in _PARAMETER.findall(content_type):
        boundary = re.sub(r"\\(.)", r"\1", quoted) if quoted else plain.strip()
        if name.lower() == "boundary" and _BOUNDARY.fullmatch(boundary):
            return boundary.encode()
    raise Malformed(f"The content type {content_type!r} has no valid boundary. Add one (RFC 2046 §5.1.1).")


def cut(body: bytes, whole: Span, boundary: bytes, *, limit: int) -> list[Span]:
    """The parts of the message in the span `whole`. Raises `TooManyRequests` as soon as there are more than `limit`.

    Raises `Malformed` if no delimiter closes the message, because then an unknown number of parts is missing. Raises it
    too if there is a part before the first delimiter or behind the closing one, because that part would be lost.
    """
    (start, end), line = whole, b"\n--" + boundary
    start += len(_BOM) if body.startswith(_BOM, start, end) else 0
    parts: list[Span] = []
    at_once = body.startswith(line[1:], start, end) and _END_OF_DELIMITER.match(body, start + len(line) - 1, end)
    place, begun = start - 1, _behind(at_once) if at_once else 0
    if not at_once:
        place, begun = _delimiter(body, body.find(line, start, end), end, line)
        _check_outside(body, start, place, line[1:])
    while begun:
        if len(parts) >= limit:
            raise TooManyRequests(f"The batch has more than {limit} sub-requests. Split it into several batches.")
        place = body.find(line, begun - 1, end)
        behind = place + len(line) + 2
        if place < 0 or body[behind - 2 : behind] != _CRLF:  # most delimiters are followed by CRLF directly
            place, behind = _delimiter(body, place, end, line)
        if body[place - 1] == _CR:  # the line end before a delimiter belongs to it (RFC 2046 §5.1.1)
            place -= 1
        parts.append((begun, place if place > begun else begun))
        begun = behind
    _check_outside(body, place + len(line), end, line)
    return parts


def _check_outside(body: bytes, start: int, end: int, line: bytes) -> None:
    """Raise `Malformed` if there is a delimiter in the text before the first part or behind the last one."""
    if body.find(line, start, end) >= 0 and re.compile(re.escape(line) + _BEGINS_PART.pattern).search(body, start, end):
        name = line.strip().decode()
        place = f"behind '{name}--', or not at the start of its line"
        raise Malformed(f"The delimiter {name!r} stands where no part is read: {place}.")


def _delimiter(body: bytes, place: int, end: int, line: bytes) -> tuple[int, int]:
    """The start of the next delimiter, including the line end before it, and the place `_behind` it.

    `place` is where `line` was found, or -1. Raises `Malformed` if there is no delimiter.
    """
    while place >= 0:
        if found := _END_OF_DELIMITER.match(body, place + len(line), end):
            return place, _behind(found)
        # There may be millions of lines that only look like a delimiter, so one search skips all of them.
        found = re.compile(re.escape(line) + _END_OF_DELIMITER.pattern).search(body, place + 1, end)
        place = found.start() if found else -1
    raise Malformed(f"The parts do not end with '{line[1:].decode()}--', so a part may be missing. Add that line.")


def _behind(found: re.Match[bytes]) -> int:
    """The start of the part behind the delimiter that ends with `found`, or 0 if it is the closing delimiter."""
    return 0 if found[1] else found.end() + 1


def multipart_in(body: bytes, part: Span) -> tuple[bytes, Span] | None:
    """The boundary and the span of the multipart message in `part`, or None if it has another type."""
    start, end = part
    if found := _USUAL_MULTIPART.match(body, start, end):
        return found[1], (found.end(), end)
    furthest = min(end, start + LONGEST_HEAD)
    if not _IS_MULTIPART.match(body, start, furthest) or not (found := _HEAD.match(body, start, furthest)):
        return None
    content_type = headers_of(found[1]).get("content-type", "")
    return (boundary_of(content_type), (found.end(), end)) if media_type_of(content_type) == MULTIPART else None


def headers_of(lines: bytes) -> dict[str, str]:
    """The headers in `lines`, by name in lower case. Headers of the same name are joined, as servers do.

    Raises `Malformed` for any other line, because it may be a body whose sender forgot the blank line before it.
    """
    try:
        text = unfolded(lines.decode().strip("\r\n"))
    except UnicodeDecodeError as error:
        raise not_utf8(error) from None
    if text.count("\n") >= _MAX_HEADERS:
        raise Malformed(f"A part can have at most {_MAX_HEADERS} headers. This one has more.")
    headers: dict[str, str] = {}
    for line in text.split("\n") if text else ():
        name, colon, value = line.partition(":")
        name, value = name.rstrip(" \t").lower(), value.strip(" \t\r")
        if not (colon and _TOKEN.fullmatch(name)):
            raise not_a_header(line, "it has no name and colon")
        if name in headers and name in _ONCE:
            raise not_a_header(line, "this header appears twice")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def not_a_header(line: str, reason: str) -> Malformed:
    """The error for a line among the headers that is not a header."""
    detail = f"The line {line.rstrip()[:100]!r} cannot be read as a header, because {reason}."
    return Malformed(f"{detail} An empty line ends the headers; after it comes the body.")


def not_utf8(error: UnicodeDecodeError) -> Malformed:
    """The error for headers, or a request line, that are not UTF-8."""
    return Malformed(f"The headers are not UTF-8: {error.reason}.")


def unfolded(text: str) -> str:
    """`text` with each header on one line (RFC 5322 §2.2.3)."""
    return _FOLD.sub(" ", text) if "\n " in text or "\n\t" in text else text
