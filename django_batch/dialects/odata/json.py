"""Batches in OData's JSON format (OData JSON 4.01 §19). Microsoft Graph's JSON batching is a subset of it.

URLs, references and errors are shared with the multipart format, and are in modules of their own. Binary bodies are the
main difference between the standard and Microsoft Graph, so their alphabet is an option; both alphabets are read.
"""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from msgspec.json import encode

from django_batch.core.batch import Batch, Subresponse
from django_batch.core.media_types import is_json, is_plain_text
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.dialects.odata.items import ItemReader, misplaced
from django_batch.dialects.odata.protocol import continues_on_error, error_body, odata_version
from django_batch.dialects.odata.urls import ServiceRoot
from django_batch.dialects.shared.bodies import json_value
from django_batch.dialects.shared.fragments import Fragments
from django_batch.dialects.shared.json_items import ItemsWriter, read_items, readable
from django_batch.dialects.shared.json_text import read_members, unknown_members
from django_batch.errors import BatchError

_ALPHABETS = {"url": urlsafe_b64encode, "standard": b64encode}  # RFC 4648 §5 and §4


class ODataJSON(Dialect):
    """Reads and writes OData's JSON format. `Batch.layout` is the OData version of the answer.

    `service_root` and `host_relative` say where the URLs of items lead (see `ServiceRoot`). `max_requests` is a limit
    of sub-requests below that of the view, such as the 20 of Microsoft Graph. Set `value_references` to False if end
    users may type text that looks like a reference: strings in bodies and values in queries are then left alone. With
    `lower_case_headers`, the names of headers in answers are in lower case, as the standard writes them. `base64` is
    the alphabet of binary bodies in answers: "url" as in the standard, or "standard" as in Microsoft Graph and its
    clients. Both are read.
    """

    name = "odata-json"
    features = ("atomic", "references")
    media_types = ("application/json",)
    can_be_kept = monitored = True  # OData Protocol 4.01 §11.6
    error_content_type = "application/json"

    def __init__(
        self,
        *,
        service_root: str | None = None,
        host_relative: tuple[str, ...] = (),
        max_requests: int | None = None,
        value_references: bool = True,
        lower_case_headers: bool = False,
        base64: Literal["url", "standard"] = "url",
    ) -> None:
        if base64 not in _ALPHABETS:
            raise ValueError(f"base64 is {base64!r}, but must be 'url' or 'standard'.")
        self.max_requests = max_requests
        self._encode = _ALPHABETS[base64]
        self._root = ServiceRoot(service_root, host_relative)
        self._value_references = value_references
        self._lower_case_headers = lower_case_headers

    def parse(self, envelope: Envelope) -> Batch:
        """The batch in `envelope`.

        Raises `BatchError` if it is not JSON in UTF-8, or too large. Anything else that is wrong is a fault.
        """
        envelope = readable(envelope)
        members = read_members(envelope.body)
        faults: list[BatchError] = [*unknown_members(members, ("requests",))]
        reader = ItemReader(self._root, envelope.url, self._value_references)
        subrequests = read_items(
            members, faults, envelope, pointer="/requests", read_item=reader.read, default_id="/requests/{}".format
        )
        return Batch(
            tuple(subrequests),
            continue_on_error=continues_on_error(envelope.headers, default=True),
            faults=(*faults, *misplaced(subrequests)),
            layout=odata_version(envelope.headers, default="4.01"),
        )

    def writer(self, batch: Batch) -> Writer:
        """A writer of answers in the version that the sender asked for."""
        version, lowers = str(batch.layout), self._lower_case_headers
        return ODataJSONWriter(version, lower_case_headers=lowers, to_base64=self._encode)

    def write_error(self, error: BatchError) -> bytes:
        """The refusal of a whole batch."""
        return error_body(error)


class ODataJSONWriter(ItemsWriter):
    """Writes `{"responses": [...]}`. Every item has all its members, because some clients need them.

    `names` maps the id of a sub-request to the name that its sender uses, if the two differ.
    """

    status = 200

    def __init__(
        self,
        version: str,
        *,
        lower_case_headers: bool = False,
        to_base64: Callable[[bytes], bytes] = urlsafe_b64encode,
        names: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self.headers = {"OData-Version": version}
        self._to_base64 = to_base64
        self._names = names
        self._fragments = Fragments(_in_lower_case if lower_case_headers else encode)

    def item(self, subresponse: Subresponse) -> bytes:
        subrequest = subresponse.subrequest
        headers = subresponse.headers
        if subresponse.error:
            headers = {"Content-Type": "application/json", **headers}
        group = subrequest.atomicity_group
        return b'{"id":%b%b,"status":%d,"headers":%b,"body":%b}' % (
            encode(self._names.get(subrequest.id, subrequest.id)),
            b"" if group is None else b',"atomicityGroup":' + encode(group),
            subresponse.status,
            self._fragments.of(headers),
            _body(subresponse, self._to_base64),
        )


def _in_lower_case(headers: Mapping[str, str]) -> bytes:
    return encode({name.lower(): value for name, value in headers.items()})


def _body(subresponse: Subresponse, to_base64: Callable[[bytes], bytes]) -> bytes:
    """The JSON text of a body: a value for JSON, a string for text, base64 for anything else."""
    if subresponse.error:
        return error_body(subresponse.error)
    body, headers = subresponse.body, subresponse.headers
    if not body:
        return b"null"
    content_type, coding = headers.get("Content-Type", ""), headers.get("Content-Encoding", "identity").lower()
    is_value = coding == "identity" and (is_json(content_type) or is_plain_text(content_type))
    if is_value and (value := json_value(body, content_type)):
        return value
    return b'"%b"' % to_base64(body)
