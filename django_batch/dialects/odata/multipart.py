"""OData's batches as `multipart/mixed`, in versions 2 to 4 of OData.

The versions differ in the status of the answer, in whether a batch stops at the first failure, and in the form of
errors. The headers of the sender tell which version it speaks. Change sets are read and written in `change_sets`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, cast

from django_batch.core.batch import Batch, Subrequest
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.dialects.odata.change_sets import ChangeSetsWriter, Place, places
from django_batch.dialects.odata.json import ODataJSONWriter
from django_batch.dialects.odata.parts import PartReader
from django_batch.dialects.odata.protocol import continues_on_error, error_body, odata_version, prefers_json
from django_batch.dialects.odata.urls import ServiceRoot
from django_batch.dialects.shared.mime import MULTIPART, boundary_of
from django_batch.dialects.shared.parts import BEFORE_4, PartsLayout, check_body, default_status, is_azure, no_parts
from django_batch.errors import BatchError, Malformed

_OLD_VERSION = re.compile(r"[1-3]\.0")


class ODataMultipart(Dialect):
    """Reads and writes OData's multipart batches. Change sets are groups, and a batch stops at the first failure.

    A batch goes on after failures if its sender prefers that, or if it uses a version before 4, which has no such
    preference. `status` is the status of the whole answer: by default 202 for clients that name a version before 4,
    else 200. `service_root` and `host_relative` say where URLs lead (see `ServiceRoot`). With `flat`, change sets work
    as in SharePoint: each of their parts is answered like any other, and no failure stops the rest. With `streamed`,
    the answer is sent part by part while the batch runs. `failed_change_set` is "single" to answer a failed change set
    with one part, as in the standard, or "nested" to put that part into a message of its own, as ASP.NET Core does. The
    default is "nested" for clients of Azure, else "single".
    """

    name = "odata-multipart"
    media_types = (MULTIPART,)
    can_be_kept = monitored = True  # OData Protocol 4.01 §11.6
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
        failed_change_set: Literal["single", "nested"] | None = None,
    ) -> None:
        if failed_change_set not in (None, "single", "nested"):
            raise ValueError(f"failed_change_set is {failed_change_set!r}, but must be 'single', 'nested' or None.")
        self._failed_change_set = failed_change_set
        self.max_requests = max_requests
        self.status = status
        self.flat = flat
        self._streamed = streamed
        self.features = ("references", *([] if flat else ["atomic"]), *(["streaming"] if streamed else []))
        self._root = ServiceRoot(service_root, host_relative)

    def parse(self, envelope: Envelope) -> Batch:
        """The batch in `envelope`.

        Raises `BatchError` if it cannot be cut into parts, or has too many. Anything else that is wrong is a fault.
        """
        faults: list[BatchError] = []
        boundary = boundary_of(envelope.content_type)
        check_body(envelope)
        found = places(envelope.body, boundary, faults, limit=envelope.max_requests)
        if not found and not faults:
            faults.append(no_parts())
        reader = PartReader(envelope.body, self._root, base=envelope.url, flat=self.flat)
        subrequests = tuple(_subrequests(found, reader, faults))
        layout = self._layout(envelope, reader)
        return Batch(
            subrequests,
            continue_on_error=continues_on_error(envelope.headers, default=self.flat or layout.status == BEFORE_4),
            faults=tuple(faults),
            layout=layout,
        )

    def writer(self, batch: Batch) -> Writer:
        """A writer that nests the answers of change sets, unless they are flat, or a JSON writer if asked for one."""
        layout = cast("PartsLayout", batch.layout)
        if layout.as_json:
            return ODataJSONWriter("4.01", lower_case_headers=True, names=layout.content_ids)
        return ChangeSetsWriter(layout, goes_on=batch.continue_on_error, streamed=self._streamed)

    def write_error(self, error: BatchError) -> bytes:
        """The refusal of a whole batch, in the form of version 2 if the dialect always has the status of that."""
        return error_body(error, "2.0" if self.status == BEFORE_4 else "4.0")

    def _layout(self, envelope: Envelope, reader: PartReader) -> PartsLayout:
        status = self.status or default_status(envelope)
        if status == BEFORE_4:
            asked = _OLD_VERSION.match(envelope.headers.get("DataServiceVersion", ""))
            headers = {"DataServiceVersion": asked[0] if asked else "2.0"}
        else:
            headers = {"OData-Version": odata_version(envelope.headers, default="4.0")}
        # One of Azure's clients does not see a failure outside of a nested message.
        nested = self._failed_change_set == "nested" or (self._failed_change_set is None and is_azure(envelope))
        return PartsLayout(
            reader.content_ids,
            status,
            headers,
            nests_failures=nested,
            inner_ids=reader.inner_ids,
            has_msgtype=reader.messages.names_msgtype,
            as_json=status != BEFORE_4 and prefers_json(envelope.headers),
        )


def _subrequests(found: Iterable[Place], reader: PartReader, faults: list[BatchError]) -> Iterator[Subrequest]:
    for place in found:
        try:
            yield reader.read(place)
        except Malformed as error:
            faults.append(Malformed(error.detail, pointer=f"/{place[0]}"))
