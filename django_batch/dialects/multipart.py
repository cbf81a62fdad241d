"""Batches as `multipart/mixed`, whose parts are HTTP requests: as Google takes them, and as OData does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from msgspec.json import encode

from django_batch.core.messages import Batch, Subrequest
from django_batch.core.paths import local_path
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.dialects.change_sets import ChangeSetsWriter, places
from django_batch.dialects.http import MessageReader
from django_batch.dialects.mime import MULTIPART, boundary_of, cut
from django_batch.dialects.odata_parts import PartReader
from django_batch.dialects.odata_protocol import continues_on_error, error_body, odata_version
from django_batch.dialects.odata_urls import ServiceRoot
from django_batch.dialects.parts import Layout, PartsWriter
from django_batch.errors import BatchError, Malformed

_OLD_VERSION = re.compile(r"[1-3]\.0")
_AZURE = "x-ms-version"
_BEFORE_4 = 202  # what the versions 2 and 3 of OData answer every batch with (MS-ODATA §2.2.7.6.6)
# By these a client says that it is one of theirs, or of Azure Storage.
_ACCEPTED = ("DataServiceVersion", "MaxDataServiceVersion", _AZURE)


def default_status(envelope: Envelope) -> int:
    """The status of the answer that a client expects, by what it says of itself."""
    return _BEFORE_4 if any(name in envelope.headers for name in _ACCEPTED) else 200


def is_azure(envelope: Envelope) -> bool:
    """Whether a client of Azure Storage has sent it."""
    return _AZURE in envelope.headers


def no_parts() -> Malformed:
    """The error that a batch without a part is."""
    return Malformed("The batch has no parts.")


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


class ODataMultipart(Dialect):
    """OData's batches in versions 2 to 4: change sets are groups, and the batch stops at the first failure.

    It goes on if its sender prefers that, and in versions before 4, which know no such preference. `status` is that of
    the whole answer: by default 200, or 202 for clients that name such a version. `service_root` and `host_relative`
    say where URLs lead, as in `ServiceRoot`. With `flat`, change sets are as in SharePoint: their parts are answered
    one by one, as all others, and none stops the rest. An answer that is `streamed` is sent part by part.
    """

    media_types = (MULTIPART,)
    error_content_type = "application/json"

    def __init__(
        self,
        *,
        status: int | None = None,
        flat: bool = False,
        service_root: str | None = None,
        host_relative: tuple[str, ...] = (),
        max_requests: int | None = None,
        streamed: bool = False,
    ) -> None:
        self.max_requests = max_requests
        self._status = status
        self._flat = flat
        self._streamed = streamed
        self._root = ServiceRoot(service_root, host_relative)

    def parse(self, envelope: Envelope) -> Batch:
        """The batch in `envelope`. Raises for what cannot be cut into parts, or into too many; the rest are faults."""
        faults: list[BatchError] = []
        found = places(envelope.body, boundary_of(envelope.content_type), faults, limit=envelope.max_requests)
        if not found and not faults:
            faults.append(no_parts())
        reader = PartReader(envelope.body, self._root, base=envelope.url, flat=self._flat)
        subrequests = []
        for place in found:
            try:
                subrequests.append(reader.read(place))
            except Malformed as error:
                faults.append(Malformed(error.detail, pointer=f"/{place[0]}"))
        layout = self._layout(envelope, reader.content_ids)
        return Batch(
            tuple(subrequests),
            continue_on_error=continues_on_error(envelope.headers, default=self._flat or layout.status == _BEFORE_4),
            lenient=True,
            faults=tuple(faults),
            layout=layout,
        )

    def writer(self, batch: Batch) -> Writer:
        """A writer that nests the answers of change sets, unless they are flat."""
        layout = cast("Layout", batch.layout)
        return ChangeSetsWriter(layout, goes_on=batch.continue_on_error, streamed=self._streamed)

    def write_error(self, error: BatchError) -> bytes:
        """The refusal of a whole batch."""
        return error_body(error)

    def _layout(self, envelope: Envelope, content_ids: Mapping[str, str]) -> Layout:
        status = self._status or default_status(envelope)
        if status == _BEFORE_4:
            asked = _OLD_VERSION.match(envelope.headers.get("DataServiceVersion", ""))
            headers = {"DataServiceVersion": asked[0] if asked else "2.0"}
            # One of Azure's clients sees no failure outside of such a message.
            return Layout(content_ids, status, headers, nests_failures=is_azure(envelope))
        return Layout(content_ids, status, {"OData-Version": odata_version(envelope.headers, default="4.0")})
