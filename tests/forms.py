"""Forms as browsers write them, and a dialect that reads any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django_batch.core.batch import Batch, Subrequest
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.dialects.native.dialect import BareWriter

MULTIPART, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"
BOUNDARY = "between-parts"
CONTENT_TYPE = f"{MULTIPART}; boundary={BOUNDARY}"


def part(name: str, content: bytes, filename: str | None = None, content_type: str = "") -> bytes:
    """One part of a form."""
    disposition = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    headers = f"Content-Disposition: {disposition}\r\n" + (f"Content-Type: {content_type}\r\n" if content_type else "")
    return f"--{BOUNDARY}\r\n{headers}\r\n".encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """The body of a form, for `CONTENT_TYPE`."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


class FormDialect(Dialect):
    """Tells what it read in `read`, and posts to what `send` names."""

    media_types = (MULTIPART, URLENCODED, "text/plain", "")

    def __init__(self) -> None:
        self.read: list[dict[str, Any]] = []

    def parse(self, envelope: Envelope) -> Batch:
        fields, files = (envelope.form.fields, envelope.form.files) if envelope.form else ({}, {})
        self.read.append({"fields": _values(fields.items()), "body": envelope.body, "query": envelope.query})
        self.read[-1]["files"] = [
            (each.field, each.name, each.content_type, each.read(0, each.size))
            for name in files
            for each in files[name]
        ]
        subrequests = [
            Subrequest(str(place), "POST", path) for place, path in enumerate(fields.get("send", ["/api/me/"]))
        ]
        return Batch(tuple(subrequests))

    def writer(self, batch: Batch) -> Writer:
        return BareWriter()


def _values(fields: Iterable[tuple[str, Any]]) -> Mapping[str, list[str]]:
    return {name: list(values) for name, values in fields}
