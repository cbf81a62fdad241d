"""From the HTTP request that carries a batch to the `Envelope` that its dialect reads.

The body is read here under `MAX_SIZE`, whatever length its sender declared. A form is read only if the dialect reads
forms, by Django's own parsers, whose upload handlers put large files on disk. A page of another site can make a browser
send a form with the user's cookies, so a batch in a form, or in another type that browsers send unasked, has to pass a
CSRF check.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from threading import Lock
from typing import Any, Protocol, TypeAlias

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpHeaders, HttpRequest, QueryDict, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.datastructures import MultiValueDict
from rest_framework.parsers import BaseParser, DataAndFiles
from rest_framework.request import Request

from django_batch.core.batch import File
from django_batch.core.media_types import charset_of, media_type_of
from django_batch.dialects.base import Envelope, Form
from django_batch.errors import Malformed, TooLarge, UnsupportedMediaType
from django_batch.execution.client.csrf import check_sender

_MULTIPART, _ = _FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
# The types that a browser sends to another site without a preflight (Fetch §2.2.2, "CORS-safelisted request-header").
_SENT_UNASKED = (*_FORMS, "text/plain", "")


_GZIP = ("gzip", "x-gzip")  # two names of one coding (RFC 9110 §8.4.1.3)
_GZIP_WINDOW = 16 + zlib.MAX_WBITS  # makes zlib expect the header and the checksum of gzip


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


_Content: TypeAlias = "dict[str, object] | DataAndFiles[QueryDict, MultiValueDict[str, UploadedFile[bytes]]]"


class UnreadParser(BaseParser):
    """A parser that reads nothing, because the dialect reads the body.

    It exists because the CSRF check of a session looks into the form, which would parse the whole body.
    """

    media_type = "*/*"

    def parse(
        self, stream: _Readable, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> _Content:
        """An empty form, whatever was sent."""
        return {}


class _FormParser(UnreadParser):
    """A parser that reads a form, for dialects that read forms and for the CSRF check."""

    def parse(
        self, stream: _Readable, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> _Content:
        """The fields and files of a form. Raises a `BatchError` if they cannot be read, or are too large."""
        view = (parser_context or {})["view"]
        if media_type_of(media_type or "") not in view.get_dialect().media_types:
            return {}
        return _read_form(view.request._request, stream, view.max_size)


@lru_cache(maxsize=64)
def parsers_of(media_types: tuple[str, ...]) -> tuple[type[BaseParser], ...]:
    """A parser for each of `media_types`, with JSON first, because tools send the first type if they may choose."""
    in_order = sorted(media_types, key=lambda media_type: media_type != "application/json")
    return tuple(_parser_of(media_type) for media_type in in_order if media_type)


def _parser_of(media_type: str) -> type[BaseParser]:
    return type("BatchParser", (_FormParser if media_type in _FORMS else UnreadParser,), {"media_type": media_type})


def read_envelope(
    request: Request, *, media_types: Collection[str], max_size: int, max_requests: int, decompress: bool = False
) -> Envelope:
    """The envelope of `request`, for a dialect that reads `media_types`.

    With `decompress`, a body in gzip is decompressed. Raises `TooLarge` if the body has more than `max_size` bytes,
    compressed or not, if possible before anything is read. Raises `PermissionDenied` if a page of another site may have
    sent it.
    """
    sent = request._request
    content_type = sent.META.get("CONTENT_TYPE", "")
    media_type = media_type_of(content_type)
    is_form, is_read = media_type in _FORMS, media_type in media_types
    form = _form(request) if is_form and is_read else None
    if is_read and media_type in _SENT_UNASKED:
        check_sender(sent)
    body, headers = (b"", _Headers(sent)) if is_form else _content(sent, max_size, decompress=decompress)
    return _SentEnvelope(
        body,
        content_type=content_type,
        url="",
        max_requests=max_requests,
        headers=headers,
        form=form,
        query=sent.META.get("QUERY_STRING", ""),
        request=sent,
    )


class _SentEnvelope(Envelope, frozen=True, kw_only=True):
    """An envelope that computes its `url` from `request` only when a dialect asks for it."""

    request: HttpRequest

    @property  # type: ignore[misc]  # in place of the field
    def url(self) -> str:
        from django_batch.execution.requests.factory import absolute_url

        return absolute_url(self.request)


class _Headers(Mapping[str, str]):
    """The headers of `request`, looked up one by one. Django's own mapping would first convert all of them."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def __getitem__(self, name: str) -> str:
        value: str = self._request.META[HttpHeaders.to_wsgi_name(name)]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._request.headers)

    def __len__(self) -> int:
        return len(self._request.headers)


def _content(request: HttpRequest, max_size: int, *, decompress: bool) -> tuple[bytes, _Headers]:
    body, headers = _body(request, max_size), _Headers(request)
    if decompress and headers.get("Content-Encoding", "").lower() in _GZIP:
        return _decompressed(body, max_size), _HeadersOfDecompressed(request)
    return body, headers


class _HeadersOfDecompressed(_Headers):
    """The headers of a batch that is no longer compressed, so a dialect sees no Content-Encoding."""

    def __getitem__(self, name: str) -> str:
        if name.lower() == "content-encoding":
            raise KeyError(name)
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in super().__iter__() if name.lower() != "content-encoding")

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _decompressed(body: bytes, max_size: int) -> bytes:
    """The content of `body`, which is in gzip. No more than `max_size` bytes and one are ever decompressed.

    Only one gzip member is read. More of them are allowed (RFC 1952 §2.2), but millions of tiny ones take too long.
    """
    stream = zlib.decompressobj(_GZIP_WINDOW)
    try:
        content = stream.decompress(body, max_size + 1)
    except zlib.error as error:
        raise Malformed(f"The batch is not gzip, as its Content-Encoding says: {error}.") from None
    if len(content) > max_size:
        raise _too_large(max_size)
    if not stream.eof or stream.unused_data:
        raise Malformed("The batch is not one complete gzip member. Compress it as a whole, and send all of it.")
    return content


def _body(request: HttpRequest, max_size: int) -> bytes:
    _check_declared(request, max_size)
    return _Bounded(request, max_size).read()


def _check_declared(request: HttpRequest, max_size: int) -> None:
    try:
        declared = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        declared = 0
    if declared > max_size:
        raise _too_large(max_size)


class _Bounded:
    """A stream that raises `TooLarge` after `limit` bytes, whatever length its sender declared."""

    def __init__(self, stream: _Readable, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._left = limit

    def read(self, size: int = -1, /) -> bytes:
        most = self._left + 1
        try:
            content = self._stream.read(most if size < 0 else min(size, most))
        except UnreadablePostError as error:
            raise Malformed("The batch could not be read to its end.") from error
        self._left -= len(content)
        if self._left < 0:
            raise _too_large(self._limit)
        return content


def _too_large(max_size: int) -> TooLarge:
    return TooLarge(f"The batch has more than {max_size} bytes. Split it into several batches.")


def _read_form(request: HttpRequest, stream: _Readable, max_size: int) -> _Content:
    """The fields and files of a form. Raises a `BatchError`, also if an upload handler or a setting refuses it."""
    content_type = request.META["CONTENT_TYPE"]
    if charset_of(content_type) not in (None, "utf-8", "utf8"):
        raise UnsupportedMediaType(f"Send the form in UTF-8, not as {content_type!r}.")
    _check_declared(request, max_size)
    bounded = _Bounded(stream, max_size)
    try:
        if request.content_type == _MULTIPART:
            return DataAndFiles(*request.parse_file_upload(request.META, bounded))  # type: ignore[arg-type]  # it reads
        return DataAndFiles(QueryDict(bounded.read(), encoding="utf-8"), MultiValueDict())
    except (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent) as error:
        raise TooLarge(f"The form is too large for this site. {error} Split it into several batches.") from None
    except (MultiPartParserError, SuspiciousOperation) as error:
        raise Malformed(f"The form cannot be read: {error}") from None


def _form(request: Request) -> Form:
    if not request._request.META.get("CONTENT_LENGTH"):
        raise Malformed("The form has no Content-Length. Send one, because Django reads no form without it.")
    files = {name: tuple(_file(name, each) for each in uploads) for name, uploads in request.FILES.lists()}
    return Form({name: tuple(values) for name, values in request.POST.lists()}, files)


def _file(field: str, upload: UploadedFile[bytes]) -> File:
    return File(field, upload.name or "", _content_type(upload), upload.size or 0, _reader(upload))


def _content_type(upload: UploadedFile[bytes]) -> str:
    """The content type as its sender wrote it. Django has split it into its parameters."""
    parameters = (upload.content_type_extra or {}).items()
    return "; ".join(
        [upload.content_type or "", *(f'{name}="{value.decode(errors="replace")}"' for name, value in parameters)]
    )


def _reader(upload: UploadedFile[bytes]) -> Callable[[int, int], bytes]:
    """A function that reads `upload` at a position. A lock makes it safe for threads, which share one file position."""
    lock = Lock()

    def read(position: int, size: int) -> bytes:
        with lock:
            upload.seek(position)
            content: bytes = upload.read(size)
            return content

    return read
