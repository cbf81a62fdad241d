"""Google's batches: `multipart/mixed`, whose parts are HTTP requests, each answered by itself."""

from __future__ import annotations

from typing import cast
from urllib.parse import urlsplit

from msgspec.json import encode

from django_batch.core.batch import Batch, Subrequest
from django_batch.core.paths import local_path
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.dialects.shared.http_messages import MessageReader
from django_batch.dialects.shared.mime import MULTIPART, boundary_of, cut
from django_batch.dialects.shared.parts import Layout, PartsWriter, default_status, is_azure, no_parts
from django_batch.errors import BatchError, Malformed


class GoogleMultipart(Dialect):
    """Google's batches: every part is answered, whatever becomes of the others.

    `max_requests` is what most of Google's own services take; some take 100, or 50. `status` is that of the whole
    answer, and `id_prefix` what stands before the Content-IDs in it: by default 200 and "response-", or 202 and nothing
    for Azure Blob Storage, whose batches are the same. An answer that is `streamed` is sent part by part.
    """

    media_types = (MULTIPART,)
    error_content_type = "application/json"

    def __init__(
        self,
        *,
        max_requests: int | None = 1_000,
        status: int | None = None,
        id_prefix: str | None = None,
        streamed: bool = False,
    ) -> None:
        self.max_requests = max_requests
        self._status = status
        self._id_prefix = id_prefix
        self._streamed = streamed

    def parse(self, envelope: Envelope) -> Batch:
        """The batch in `envelope`. Raises for what cannot be cut into parts, or into too many; the rest are faults."""
        body = envelope.body
        prefix = ("" if is_azure(envelope) else "response-") if self._id_prefix is None else self._id_prefix
        parts = cut(body, (0, len(body)), boundary_of(envelope.content_type), limit=envelope.max_requests)
        faults: list[BatchError] = [] if parts else [no_parts()]
        reader = MessageReader(body, base=envelope.url)
        content_ids: dict[str, str] = {}
        subrequests = []
        for position, part in enumerate(parts):
            name = str(position)
            try:
                content_id, method, url, is_path, headers, content = reader.read(part)
                path = url if is_path else _path(url, base=envelope.url)
            except Malformed as error:
                faults.append(Malformed(error.detail, pointer=f"/{name}"))
                continue
            own_headers = headers.with_body if content else headers.without_body
            subrequests.append(Subrequest(name, method, path, own_headers, content, (), None, f"/{name}"))
            if content_id:
                content_ids[name] = _response_id(content_id, prefix)
        layout = Layout(content_ids, self._status or default_status(envelope))
        return Batch(tuple(subrequests), lenient=True, faults=tuple(faults), layout=layout)

    def writer(self, batch: Batch) -> Writer:
        """A writer that gives each part the Content-ID of its request, with the prefix."""
        return GoogleWriter(cast("Layout", batch.layout), streamed=self._streamed)

    def write_error(self, error: BatchError) -> bytes:
        """The refusal of a whole batch, as Google's services write it."""
        return _google_error(error, error.status)


def _response_id(content_id: str, prefix: str) -> str:
    """That of the answer, in brackets if that of the request is."""
    return f"<{prefix}{content_id[1:]}" if content_id[0] == "<" else prefix + content_id


def _path(url: str, *, base: str) -> str:
    """The path of `url`, which is on the host of `base`, the absolute URL of the batch, or relative to it."""
    if url[0] == "/" or url[:8].lower().startswith(("http://", "https://")):
        return local_path(url, base=base)
    root = urlsplit(base).path.rstrip("/").rpartition("/")[0]  # without the last segment
    return local_path(f"{root}/{url}", base=base)


class GoogleWriter(PartsWriter):
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
