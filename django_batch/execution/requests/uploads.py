"""The body of a sub-request with files: a form whose parts are read as its view reads it, and never held together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import unescape
from io import BufferedReader, RawIOBase
from secrets import token_hex
from urllib.parse import unquote_to_bytes

from django_batch.core.batch import File, Subrequest

_CHUNK = 64 * 2**10  # bytes that are read at once
# HTML, "multipart/form-data encoding algorithm"; and the backslash, which would escape the quote behind it.
_QUOTED = {"\n": "%0A", "\r": "%0D", '"': "%22", "\\": "%5C"}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Upload(RawIOBase):
    """The form of `subrequest`. Its boundary is drawn after all parts were sent, so that no part can forge one."""

    def __init__(self, subrequest: Subrequest) -> None:
        super().__init__()
        boundary = token_hex(16)
        self.headers = (
            *((name, value) for name, value in subrequest.headers if name.lower() != "content-type"),
            ("Content-Type", f"multipart/form-data; boundary={boundary}"),
        )
        self._pieces: Sequence[bytes | File] = [*_pieces(subrequest, boundary.encode())]
        self.size = sum(map(_size, self._pieces))
        self._place, self._position = 0, 0  # which piece is read, and where in it

    def stream(self) -> BufferedReader:
        """The stream that a server would give to Django."""
        return BufferedReader(self, _CHUNK)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as BufferedReader calls it
        while self._place < len(self._pieces):
            if content := _read(self._pieces[self._place], self._position, len(buffer)):
                self._position += len(content)
                buffer[: len(content)] = content
                return len(content)
            self._place, self._position = self._place + 1, 0
        return 0


def _size(piece: bytes | File) -> int:
    return piece.size if isinstance(piece, File) else len(piece)


def _read(piece: bytes | File, position: int, size: int) -> bytes:
    return piece.read(position, size) if isinstance(piece, File) else piece[position : position + size]


def _pieces(subrequest: Subrequest, boundary: bytes) -> Iterator[bytes | File]:
    delimiter = b"--" + boundary
    for name, value in _fields(bytes(subrequest.body)):
        yield b'%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (delimiter, _quoted(name), value)
    for file in subrequest.files:
        yield b'%b\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n%b\r\n' % (
            delimiter,
            _quoted(file.field),
            _quoted(_escaped(file.name)),
            _type_header(file.content_type),
        )
        yield file
        yield b"\r\n"
    yield delimiter + b"--\r\n"


def _fields(body: bytes) -> Iterator[tuple[str, bytes]]:
    for pair in body.replace(b"+", b" ").split(b"&"):
        name, _, value = map(unquote_to_bytes, pair.partition(b"="))
        if pair:
            yield name.decode(errors="replace"), value


def _quoted(name: str) -> bytes:
    return re.sub(r'[\n\r"\\]', lambda found: _QUOTED[found[0]], name).encode(errors="replace")


def _escaped(name: str) -> str:
    """`name`, in which Django resolves the entities of HTML once more."""
    return name if unescape(name) == name else name.replace("&", "&amp;")


def _type_header(content_type: str) -> bytes:
    return b"Content-Type: %b\r\n" % _CONTROL.sub("", content_type).encode() if content_type else b""
