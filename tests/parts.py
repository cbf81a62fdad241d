"""Batches as `multipart/mixed`, and their answers as a client reads them: by the standard library where it can."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from email.parser import BytesParser
from http.client import HTTPResponse
from io import BytesIO
from typing import Any, NamedTuple

from hypothesis import strategies as st


def message(method: str, url: str, body: bytes = b"", **headers: str) -> bytes:
    """A request as `application/http`. Underscores in the names of headers stand for hyphens."""
    lines = [f"{method} {url} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def part(content: bytes, content_id: str | None = None) -> bytes:
    """A part that carries a request."""
    known_as = "" if content_id is None else f"Content-ID: {content_id}\r\n"
    return f"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n{known_as}\r\n".encode() + content


def change_set(parts: Iterable[bytes], boundary: str = "changeset") -> bytes:
    """A part that carries parts."""
    return f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode() + multipart(parts, boundary)


def multipart(parts: Iterable[bytes], boundary: str = "batch") -> bytes:
    """The body that carries `parts`."""
    delimiter = f"--{boundary}".encode()
    return b"".join(delimiter + b"\r\n" + each + b"\r\n" for each in parts) + delimiter + b"--\r\n"


_LINES = (
    *(b"--batch", b"--batch--", b"--c", b"--c--", b"Content-Type: multipart/mixed; boundary=c", b"Content-ID: 1"),
    *(
        b"Content-Type: application/http",
        b"GET /api/echo/ HTTP/1.1",
        b"POST $1",
        b"Content-Length: 7",
        b"{}",
        b": ",
        b"",
    ),
)
# Lines that mean something in parts, in any order: nearly a request, nearly a change set.
nearly_parts = st.builds(
    lambda lines, end: end.join(lines),
    st.lists(st.sampled_from(_LINES) | st.binary(max_size=5)),
    st.sampled_from([b"\r\n", b"\n"]),
)


class Answer(NamedTuple):
    """One part of an answer."""

    content_id: str | None
    status: int
    reason: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class _Socket:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, mode: str) -> BytesIO:
        return BytesIO(self._content)


def answers(content: bytes, content_type: str) -> list[Answer | list[Answer]]:
    """The parts of an answer; those of a change set in a list. It may hold nothing that strict clients trip over."""
    prefix, _, boundary = content_type.partition("; boundary=")
    assert prefix == "multipart/mixed"
    delimiter = f"--{boundary}".encode()
    empty, *parts, closing = (b"\r\n" + content).split(b"\r\n" + delimiter)
    assert (empty, closing) == (b"", b"--\r\n"), "There is something before the first delimiter or behind the last."
    return [_part(each.removeprefix(b"\r\n")) for each in parts]


def _part(content: bytes) -> Answer | list[Answer]:
    head, _, rest = content.partition(b"\r\n\r\n")
    headers = BytesParser().parsebytes(head + b"\r\n\r\n")
    if headers.get_content_type() == "multipart/mixed":
        assert headers.keys() == ["Content-Type"]
        return answers(rest + b"\r\n", headers["Content-Type"])  # type: ignore[return-value]  # no change set is in another
    kinds = ("application/http", "application/http; msgtype=response")
    assert headers.items()[:2] in [[("Content-Type", kind), ("Content-Transfer-Encoding", "binary")] for kind in kinds]
    return answer(rest, headers["Content-ID"])


def answer(content: bytes, content_id: str | None = None) -> Answer:
    """What `http.client` makes of an answer."""
    assert content.partition(b"\r\n\r\n")[0].count(b"\r\n") > 0, "There is no header."
    response = HTTPResponse(_Socket(content))  # type: ignore[arg-type]
    response.begin()
    assert response.reason
    assert response.getheader("Content-Length") is not None
    return Answer(content_id, response.status, response.reason, dict(response.getheaders()), response.read())


def statuses(found: Sequence[Answer | list[Answer]]) -> list[Any]:
    """Of each answer its status; those of a change set in a list."""
    return [statuses(each) if isinstance(each, list) else each.status for each in found]
