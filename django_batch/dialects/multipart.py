"""Batches as `multipart/mixed`: each part is an HTTP request, and the answer has one part to each. Google's is one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import cast
from urllib.parse import urlsplit
from uuid import uuid4

from msgspec.json import encode

from django_batch.core.messages import Batch, Subrequest, Subresponse
from django_batch.core.paths import local_path
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.dialects.http import MessageReader, answer_head
from django_batch.dialects.mime import MULTIPART, boundary_of, cut
from django_batch.errors import BatchError, Malformed

_PART_HEAD = "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"


class MultipartWriter(Writer):
    """Writes one part for each answer. `content_ids` are those that the parts have, by the id of the sub-request."""

    status = 200

    def __init__(self, content_ids: Mapping[str, str]) -> None:
        self._content_ids = content_ids
        boundary = f"batchresponse_{uuid4()}"  # known to nobody, so that it is in no body
        self._delimiter = f"--{boundary}"
        self.content_type = f"{MULTIPART}; boundary={boundary}"

    @abstractmethod
    def error(self, error: BatchError, *, status: int) -> bytes:
        """The JSON that tells of `error` in an answer."""

    def write(self, subresponse: Subresponse) -> bytes:
        return b"".join(self.pieces(subresponse))

    def end(self) -> bytes:
        return f"{self._delimiter}--\r\n".encode()

    def whole(self, subresponses: Iterable[Subresponse]) -> bytes:
        """The whole answer, joined of the bodies themselves: none is held twice on the way."""
        pieces: list[bytes] = []
        for subresponse in subresponses:
            pieces += self.pieces(subresponse)
        return b"".join([*pieces, self.end()])

    def pieces(self, subresponse: Subresponse) -> Iterable[bytes]:
        """What `write` gives, with the body as it is."""
        return self.part(subresponse, self._delimiter)

    def part(self, subresponse: Subresponse, delimiter: str) -> tuple[bytes, ...]:
        """One part: an answer, in the form that all clients read."""
        subrequest, headers, body = subresponse.subrequest, subresponse.headers, subresponse.body
        if subresponse.error:
            headers = {**headers, "Content-Type": "application/json"}
            body = self.error(subresponse.error, status=subresponse.status)
        length = headers.get("Content-Length", "0") if subrequest.method == "HEAD" and not body else str(len(body))
        content_id = self._content_ids.get(subrequest.id)
        known_as = f"Content-ID: {content_id}\r\n" if content_id else ""
        head = f"{delimiter}{_PART_HEAD}{known_as}\r\n{answer_head(subresponse.status, headers, length=length)}"
        return head.encode("latin-1", "replace"), body, b"\r\n"


class GoogleMultipart(Dialect):
    """Google's batches: every part is answered, whatever becomes of the others.

    `max_requests` is what most of Google's own services take; some take 100, or 50.
    """

    media_types = (MULTIPART,)
    error_content_type = "application/json"

    def __init__(self, *, max_requests: int | None = 1_000) -> None:
        self.max_requests = max_requests

    def parse(self, envelope: Envelope) -> Batch:
        """The batch in `envelope`. Raises for what cannot be cut into parts, or into too many; the rest are faults."""
        body = envelope.body
        parts = cut(body, (0, len(body)), boundary_of(envelope.content_type), limit=envelope.max_requests)
        faults: list[BatchError] = [] if parts else [Malformed("The batch has no parts.")]
        reader = MessageReader(body, base=envelope.url)
        content_ids: dict[str, str] = {}
        subrequests = []
        for position, part in enumerate(parts):
            name = str(position)
            pointer = f"/{name}"
            try:
                content_id, method, url, headers, content = reader.read(part, pointer=pointer)
                path = _path(url, base=envelope.url, pointer=pointer)
            except Malformed as fault:
                faults.append(fault)
                continue
            own_headers = headers.with_body if content else headers.without_body
            subrequests.append(Subrequest(name, method, path, own_headers, content, (), None, pointer))
            if content_id:
                content_ids[name] = _response_id(content_id)
        return Batch(tuple(subrequests), lenient=True, faults=tuple(faults), layout=content_ids)

    def writer(self, batch: Batch) -> Writer:
        """A writer that gives each part the Content-ID of its request, with `response-` in front."""
        return GoogleWriter(cast("Mapping[str, str]", batch.layout))

    def write_error(self, error: BatchError) -> bytes:
        """The refusal of a whole batch, as Google's services write it."""
        return _google_error(error, error.status)


def _path(url: str, *, base: str, pointer: str) -> str:
    """The path of `url`, which is on the host of `base`, the absolute URL of the batch, or relative to it."""
    try:
        if url[0] == "/" or url[:8].lower().startswith(("http://", "https://")):
            return local_path(url, base=base)
        root = urlsplit(base).path.rstrip("/").rpartition("/")[0]  # without the last segment
        return local_path(f"{root}/{url}", base=base)
    except Malformed as error:
        raise Malformed(error.detail, pointer=pointer) from None


def _response_id(content_id: str) -> str:
    """The Content-ID of the answer, in brackets if that of the request is."""
    return f"<response-{content_id[1:]}" if content_id.startswith("<") else f"response-{content_id}"


class GoogleWriter(MultipartWriter):
    """Writes errors as Google's services do."""

    def error(self, error: BatchError, *, status: int) -> bytes:
        return _google_error(error, status)


def _google_error(error: BatchError, status: int) -> bytes:
    """As the libraries for Google's services read it: <https://cloud.google.com/storage/docs/json_api/v1/status-codes>."""
    errors = [
        {"domain": "global", "reason": error.code, "message": each.detail, "location": each.pointer}
        for each in error.errors
    ]
    return encode({"error": {"code": status, "message": error.detail, "errors": errors}})
