"""Google's batches: `multipart/mixed` messages whose parts are HTTP requests.

Every part is answered independently: there are no groups, references or dependencies in this format. Azure Blob Storage
uses the same format with another status and other Content-IDs.
"""

from __future__ import annotations

from typing import cast
from urllib.parse import urlsplit

from msgspec.json import encode

from django_batch.core.batch import Batch, Subrequest
from django_batch.core.paths import local_path, with_encoded_query
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.dialects.shared.http_messages import MessageReader
from django_batch.dialects.shared.mime import MULTIPART, Span, boundary_of, cut
from django_batch.dialects.shared.parts import PartsLayout, PartsWriter, check_body, default_status, is_azure, no_parts
from django_batch.errors import BatchError, Malformed


class GoogleMultipart(Dialect):
    """Reads and writes Google's batches. Every part is answered, even if others fail.

    The default of `max_requests` is the limit of most Google services; some accept only 100 or 50. `status` is the
    status of the whole answer, and `id_prefix` is put before each Content-ID in it. By default these are 200 and
    "response-", or 202 and nothing if the sender is a client of Azure Blob Storage. With `streamed`, the answer is sent
    part by part while the batch runs.
    """

    name = "google-multipart"
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
        self.status = status
        self._id_prefix = id_prefix
        self._streamed = streamed
        self.features = ("streaming",) if streamed else ()

    def parse(self, envelope: Envelope) -> Batch:
        """The batch in `envelope`.

        Raises `BatchError` if it cannot be cut into parts, or has too many. Anything else that is wrong is a fault.
        """
        boundary = boundary_of(envelope.content_type)
        check_body(envelope)
        parts = cut(envelope.body, (0, len(envelope.body)), boundary, limit=envelope.max_requests)
        faults: list[BatchError] = [] if parts else [no_parts()]
        prefix = ("" if is_azure(envelope) else "response-") if self._id_prefix is None else self._id_prefix
        reader = _PartReader(envelope, prefix)
        subrequests = []
        for position, part in enumerate(parts):
            try:
                subrequests.append(reader.read(str(position), part))
            except Malformed as error:
                faults.append(Malformed(error.detail, pointer=f"/{position}"))
        layout = PartsLayout(
            reader.content_ids,
            self.status or default_status(envelope),
            inner_ids=reader.inner_ids,
            has_msgtype=reader.messages.names_msgtype,
        )
        return Batch(tuple(subrequests), faults=tuple(faults), layout=layout)

    def writer(self, batch: Batch) -> Writer:
        """A writer that gives each part the Content-ID of its request, with the prefix."""
        return GoogleWriter(cast("PartsLayout", batch.layout), streamed=self._streamed)

    def write_error(self, error: BatchError) -> bytes:
        """The refusal of a whole batch, as Google's services write it."""
        return _google_error(error, error.status)


class _PartReader:
    """Reads the requests of one batch, and collects the Content-IDs of their answers by the id of the sub-request."""

    def __init__(self, envelope: Envelope, prefix: str) -> None:
        self.content_ids: dict[str, str] = {}
        self.inner_ids: dict[str, str] = {}
        self.messages = MessageReader(envelope.body, base=envelope.url)
        self._base = envelope.url
        self._prefix = prefix

    def read(self, name: str, part: Span) -> Subrequest:
        """The sub-request with the id `name`. Raises `Malformed`."""
        content_id, method, url, is_path, headers, content = self.messages.read(part)
        path = url if is_path else _path(url, base=self._base)
        if content_id:
            self.content_ids[name] = _response_id(content_id, self._prefix)
        if headers.content_id:
            self.inner_ids[name] = _response_id(headers.content_id, self._prefix)
        own_headers = headers.with_body if content else headers.without_body
        return Subrequest(name, method, path, own_headers, content, pointer=f"/{name}")


def _response_id(content_id: str, prefix: str) -> str:
    """The Content-ID of an answer. It has angle brackets if the Content-ID of the request has them."""
    return f"<{prefix}{content_id[1:]}" if content_id[0] == "<" else prefix + content_id


def _path(url: str, *, base: str) -> str:
    """The path of `url`, which may be absolute or relative to `base`, the absolute URL of the batch."""
    url = with_encoded_query(url)
    if url[0] == "/" or url[:8].lower().startswith(("http://", "https://")):
        return local_path(url, base=base)
    root = urlsplit(base).path.rstrip("/").rpartition("/")[0]  # without the last segment
    return local_path(f"{root}/{url}", base=base)


class GoogleWriter(PartsWriter):
    """Writes errors as Google's services do."""

    def error(self, error: BatchError, *, status: int) -> bytes:
        return _google_error(error, status)


def _google_error(error: BatchError, status: int) -> bytes:
    """An error as Google's libraries read it (https://cloud.google.com/storage/docs/json_api/v1/status-codes)."""
    errors = [
        {"domain": "global", "reason": error.code, "message": each.detail, "location": each.pointer}
        for each in error.errors
    ]
    return encode({"error": {"code": status, "message": error.detail, "errors": errors}})
