"""OData's batches as `multipart/mixed`: change sets are groups, in versions 2 to 4."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from django_batch.core.batch import Batch
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.dialects.odata.change_sets import ChangeSetsWriter, places
from django_batch.dialects.odata.parts import PartReader
from django_batch.dialects.odata.protocol import continues_on_error, error_body, odata_version
from django_batch.dialects.odata.urls import ServiceRoot
from django_batch.dialects.shared.mime import MULTIPART, boundary_of
from django_batch.dialects.shared.parts import BEFORE_4, Layout, default_status, is_azure, no_parts
from django_batch.errors import BatchError, Malformed

_OLD_VERSION = re.compile(r"[1-3]\.0")


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
            continue_on_error=continues_on_error(envelope.headers, default=self._flat or layout.status == BEFORE_4),
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
        if status == BEFORE_4:
            asked = _OLD_VERSION.match(envelope.headers.get("DataServiceVersion", ""))
            headers = {"DataServiceVersion": asked[0] if asked else "2.0"}
            # One of Azure's clients sees no failure outside of such a message.
            return Layout(content_ids, status, headers, nests_failures=is_azure(envelope))
        return Layout(content_ids, status, {"OData-Version": odata_version(envelope.headers, default="4.0")})
