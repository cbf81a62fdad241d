"""The native format: `{"requests": [item, ...]}`, or the bare array of items.

Bodies pass through as bytes. The JSON text of a request body reaches the view unchanged, and the JSON of a response
body is copied into the answer without being decoded, so numbers and repeated keys survive as they were written.
"""

from __future__ import annotations

import re
from functools import partial
from typing import cast

from msgspec import Raw, Struct
from msgspec.json import Decoder

from django_batch.core.batch import Batch, Subrequest
from django_batch.core.media_types import preferred
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.dialects.native.items import read_item, undeclared
from django_batch.dialects.native.queries import Compiler
from django_batch.dialects.native.writers import LINES, BareWriter, LinesWriter, NativeWriter
from django_batch.dialects.shared.forms import FileParts, opened
from django_batch.dialects.shared.json_items import read_items, readable
from django_batch.dialects.shared.json_text import read, read_members, unknown_members
from django_batch.errors import BatchError, Malformed

_OPTIONS = ("atomic", "continue_on_error", "dry_run", "read_only", "parallel", "timing")
_MEMBERS = ("requests", *_OPTIONS)
_MEDIA_TYPES = ("application/json", *LINES)  # the types in which answers are offered
_boolean = Decoder(bool)
_is_array = re.compile(rb"\s*\[").match


class NativeLayout(Struct, frozen=True):
    """The form in which a batch is answered.

    `bare` is set if the batch is an array, `media_type` follows its Accept header, and `timing` is its own option.
    """

    bare: bool = False
    media_type: str = "application/json"
    timing: bool = False


class NativeDialect(Dialect):
    """Reads and writes the native format. `Batch.layout` is a `NativeLayout`."""

    name = "native"
    features = ("atomic", "dry_run", "parallel", "streaming", "references", "jsonpath", "files", "read_only")
    media_types = ("application/json", "multipart/form-data")
    can_be_kept = True

    def parse(self, envelope: Envelope) -> Batch:
        """The batch in `envelope`.

        Raises `BatchError` if it is not JSON in UTF-8, or too large. Anything else that is wrong is a fault.
        """
        parts, envelope = FileParts(envelope.form), opened(envelope)
        envelope = readable(envelope)
        faults: list[BatchError] = []
        bare = _is_array(envelope.body) is not None
        members = {"requests": Raw(envelope.body)} if bare else read_members(envelope.body)
        options = _options(members, faults)
        pointer = "" if bare else "/requests"
        subrequests = read_items(
            members, faults, envelope, pointer=pointer, read_item=partial(read_item, envelope, parts, Compiler())
        )
        faults += () if faults else parts.unnamed()
        faults += undeclared(subrequests) if b'"$ref"' in envelope.body else ()
        if options.get("atomic"):
            faults += [
                _group_in_group(subrequest) for subrequest in subrequests if subrequest.atomicity_group is not None
            ]
        media_type = preferred(envelope.headers.get("Accept", ""), _MEDIA_TYPES)
        layout = NativeLayout(bare, media_type, timing=options.pop("timing", False))
        return Batch(tuple(subrequests), **options, faults=tuple(faults), layout=layout)

    def writer(self, batch: Batch) -> Writer:
        """A writer of JSON lines if the sender asked for them, of a bare array for a bare batch, else of an object."""
        layout = cast("NativeLayout | None", batch.layout) or NativeLayout()
        if layout.media_type in LINES:
            return LinesWriter(layout.media_type, dry_run=batch.dry_run, timing=layout.timing)
        return BareWriter() if layout.bare else NativeWriter(dry_run=batch.dry_run, timing=layout.timing)


def _options(members: dict[str, Raw], faults: list[BatchError]) -> dict[str, bool]:
    options = {}
    faults += unknown_members(members, _MEMBERS)
    for name, value in members.items():
        if name in _OPTIONS:
            try:
                options[name] = read(value, _boolean, pointer=f"/{name}")
            except Malformed as fault:
                faults.append(fault)
    return options


def _group_in_group(subrequest: Subrequest) -> Malformed:
    return Malformed(
        "The whole batch is atomic, so an item cannot name a group. Remove 'atomicity_group', or 'atomic'.",
        pointer=f"{subrequest.pointer}/atomicity_group",
    )
