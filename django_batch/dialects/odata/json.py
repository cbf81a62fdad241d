"""Batches in OData's JSON format (OData JSON 4.01 §19), of which Microsoft Graph's JSON batching is a part.

The multipart format has the same URLs, references and errors, but is read and written elsewhere.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping

from msgspec.json import encode

from django_batch.core.batch import Batch, Subresponse
from django_batch.core.media_types import is_json, is_plain_text
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.dialects.odata.items import ItemReader, misplaced
from django_batch.dialects.odata.protocol import continues_on_error, error_body, odata_version
from django_batch.dialects.odata.urls import ServiceRoot
from django_batch.dialects.shared.bodies import json_value
from django_batch.dialects.shared.fragments import Fragments
from django_batch.dialects.shared.json_items import ItemsWriter, check_encoding, read_items
from django_batch.dialects.shared.json_text import read_members, unknown_members
from django_batch.errors import BatchError


class ODataJSON(Dialect):
    """Reads and writes OData's JSON format. `Batch.layout` is the version of OData that the answer is in.

    `service_root` and `host_relative` say where the URLs of items lead, as in `ServiceRoot`. `max_requests` is a limit
    of sub-requests below that of the view, such as the 20 of Microsoft Graph. Without `value_references` strings in
    bodies and values in queries are left alone, of which an end user may have typed one that looks like a reference.
    With `lower_case_headers`, headers have their names in answers as the standard writes them.
    """

    media_types = ("application/json",)
    error_content_type = "application/json"

    def __init__(
        self,
        *,
        service_root: str | None = None,
        host_relative: tuple[str, ...] = (),
        max_requests: int | None = None,
        value_references: bool = True,
        lower_case_headers: bool = False,
    ) -> None:
        self.max_requests = max_requests
        self._root = ServiceRoot(service_root, host_relative)
        self._value_references = value_references
        self._lower_case_headers = lower_case_headers

    def parse(self, envelope: Envelope) -> Batch:
        """The batch in `envelope`. Raises for what is no JSON, not in UTF-8, or too much; the rest are faults."""
        check_encoding(envelope)
        members = read_members(envelope.body)
        faults: list[BatchError] = [*unknown_members(members, ("requests",))]
        reader = ItemReader(self._root, envelope.url, self._value_references)
        subrequests = read_items(
            members, faults, envelope, pointer="/requests", read_item=reader.read, default_id="/requests/{}".format
        )
        return Batch(
            tuple(subrequests),
            continue_on_error=continues_on_error(envelope.headers, default=True),
            lenient=True,
            faults=(*faults, *misplaced(subrequests)),
            layout=odata_version(envelope.headers, default="4.01"),
        )

    def writer(self, batch: Batch) -> Writer:
        """A writer of answers in the version that was asked for."""
        return ODataJSONWriter(str(batch.layout), lower_case_headers=self._lower_case_headers)

    def write_error(self, error: BatchError) -> bytes:
        """The refusal of a whole batch."""
        return error_body(error)


class ODataJSONWriter(ItemsWriter):
    """Writes `{"responses": [...]}`, of which every item has all its members, as some clients need."""

    status = 200

    def __init__(self, version: str, *, lower_case_headers: bool = False) -> None:
        super().__init__()
        self.headers = {"OData-Version": version}
        self._fragments = Fragments(_in_lower_case if lower_case_headers else encode)

    def item(self, subresponse: Subresponse) -> bytes:
        subrequest = subresponse.subrequest
        headers = subresponse.headers
        if subresponse.error:
            headers = {"Content-Type": "application/json", **headers}
        group = subrequest.atomicity_group
        return b'{"id":%b%b,"status":%d,"headers":%b,"body":%b}' % (
            encode(subrequest.id),
            b"" if group is None else b',"atomicityGroup":' + encode(group),
            subresponse.status,
            self._fragments.of(headers),
            _body(subresponse),
        )


def _in_lower_case(headers: Mapping[str, str]) -> bytes:
    return encode({name.lower(): value for name, value in headers.items()})


def _body(subresponse: Subresponse) -> bytes:
    """The JSON text of a body: a value for JSON, a string for text, base64url for all else."""
    if subresponse.error:
        return error_body(subresponse.error)
    body, headers = subresponse.body, subresponse.headers
    if not body:
        return b"null"
    content_type, coding = headers.get("Content-Type", ""), headers.get("Content-Encoding", "identity").lower()
    is_value = coding == "identity" and (is_json(content_type) or is_plain_text(content_type))
    if is_value and (value := json_value(body, content_type)):
        return value
    return b'"%b"' % urlsafe_b64encode(body)
