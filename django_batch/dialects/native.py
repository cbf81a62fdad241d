"""The native format: `{"requests": [item, ...]}`, or the bare array of items.

Bodies are bytes that pass through: the JSON text of a request body reaches the view unchanged, and the JSON of a
response body stands in the answer as it came.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import islice

from msgspec import Raw
from msgspec.json import Decoder, encode

from django_batch.core.messages import Batch, Subrequest, Subresponse
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.dialects.bodies import json_body
from django_batch.dialects.items import read_item
from django_batch.dialects.json import read, read_members, unknown_member
from django_batch.dialects.json_items import ItemsWriter, check_encoding, read_items
from django_batch.errors import BatchError, Malformed

_OPTIONS = ("atomic", "continue_on_error", "dry_run", "parallel")
_boolean = Decoder(bool)
_MAX_UNKNOWN = 10  # members beside `requests` that are answered; there may be a million


class NativeDialect(Dialect):
    """Reads and writes the native format. `Batch.layout` is True for the bare array."""

    media_types = ("application/json",)

    def parse(self, envelope: Envelope) -> Batch:
        """The batch in `envelope`. Raises for what is no JSON, not in UTF-8, or too much; the rest are faults."""
        check_encoding(envelope)
        faults: list[BatchError] = []
        bare = re.match(rb"\s*\[", envelope.body) is not None
        members = {"requests": Raw(envelope.body)} if bare else read_members(envelope.body)
        options = _options(members, faults)
        pointer = "" if bare else "/requests"
        subrequests = read_items(
            members, faults, envelope, pointer=pointer, read_item=partial(read_item, base=envelope.url)
        )
        if options.get("atomic"):
            faults += [
                _group_in_group(subrequest) for subrequest in subrequests if subrequest.atomicity_group is not None
            ]
        return Batch(tuple(subrequests), **options, faults=tuple(faults), layout=bare)

    def writer(self, batch: Batch) -> Writer:
        """A writer of bare answers for a bare batch, else of whole ones."""
        return BareWriter() if batch.layout else NativeWriter(batch.dry_run)


def _options(members: dict[str, Raw], faults: list[BatchError]) -> dict[str, bool]:
    options = {}
    unknown = (name for name in members if name not in ("requests", *_OPTIONS))
    faults += [unknown_member(name, ("requests", *_OPTIONS), pointer="") for name in islice(unknown, _MAX_UNKNOWN)]
    for name, value in members.items():
        if name in _OPTIONS:
            try:
                options[name] = read(value, _boolean, pointer=f"/{name}")
            except Malformed as fault:
                faults.append(fault)
    return options


def _group_in_group(subrequest: Subrequest) -> Malformed:
    return Malformed(
        "The whole batch is atomic: no group can be named inside it.", pointer=f"{subrequest.pointer}/atomicity_group"
    )


class NativeWriter(ItemsWriter):
    """Writes `{"responses": [...]}`."""

    def __init__(self, dry_run: bool = False) -> None:
        super().__init__()
        self._dry_run = dry_run

    def begin(self) -> bytes:
        return b'{"dry_run":true,' + self.opening[1:] if self._dry_run else self.opening

    def item(self, subresponse: Subresponse) -> bytes:
        """One answer, of which every member is always there."""
        subrequest = subresponse.subrequest
        body, base64 = _body(subresponse)
        headers = subresponse.headers
        if subresponse.error:
            headers = {"Content-Type": "application/problem+json", **headers}
        group = subrequest.atomicity_group
        return b'{"id":%b,"status":%d,"headers":%b,"body":%b%b%b}' % (
            encode(subrequest.id),
            subresponse.status,
            encode(headers),
            body,
            b"" if base64 is None else b',"body_base64":' + base64,
            b"" if group is None else b',"atomicity_group":' + encode(group),
        )


class BareWriter(NativeWriter):
    """Writes the bare array: of each answer its status and body."""

    opening, closing = b"[", b"]"

    def item(self, subresponse: Subresponse) -> bytes:
        """One answer, in the short form."""
        body, base64 = _body(subresponse)
        suffix = b"" if base64 is None else b',"response_base64":' + base64
        return b'{"status":%d,"response":%b%b}' % (subresponse.status, body, suffix)


def _body(subresponse: Subresponse) -> tuple[bytes, bytes | None]:
    if subresponse.error:
        return encode(subresponse.error.problem(status=subresponse.status)), None
    if subresponse.subrequest.omit_body and not subresponse.failed:
        return b"null", None
    headers = subresponse.headers
    encoded = headers.get("Content-Encoding", "identity").lower() != "identity"
    return json_body(subresponse.body, headers.get("Content-Type", ""), encoded=encoded)
