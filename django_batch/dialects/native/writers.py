"""The writers of the native format: one JSON document, a bare array, or JSON lines.

Lines are streamed, each as soon as its answer is finished. A JSON body is copied into the answer as it is, once it has
been checked to be valid JSON in UTF-8: an unchecked body could forge the items behind it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from time import perf_counter

from msgspec.json import encode

from django_batch.core.batch import Subresponse
from django_batch.dialects.shared.bodies import json_body
from django_batch.dialects.shared.fragments import Fragments
from django_batch.dialects.shared.json_items import ItemsWriter

# Characters that some readers take for the end of a line. In JSON text, CR and LF occur only between tokens, the others
# only inside strings.
_BREAK = re.compile(rb"[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9]")
LINES = ("application/jsonl", "application/x-ndjson")  # two names for the same format


class NativeWriter(ItemsWriter):
    """Writes `{"responses": [...]}`."""

    def __init__(self, *, dry_run: bool = False, timing: bool = False) -> None:
        super().__init__()
        self._dry_run = dry_run
        self._timing = Timing() if timing else None
        self._fragments = Fragments(_fragment)

    def begin(self) -> bytes:
        return b'{"dry_run":true,' + self.opening[1:] if self._dry_run else self.opening

    def item(self, subresponse: Subresponse) -> bytes:
        """One answer. Every member except `body_base64` and `atomicity_group` is always present."""
        subrequest = subresponse.subrequest
        headers, body, base64 = self._message(subresponse)
        group = subrequest.atomicity_group
        return b'{"id":%b,"status":%d,"headers":%b,"body":%b%b%b%b}' % (
            encode(subrequest.id),
            subresponse.status,
            headers,
            body,
            b"" if base64 is None else b',"body_base64":' + base64,
            b"" if group is None else b',"atomicity_group":' + encode(group),
            self._timing.of(subresponse) if self._timing else b"",
        )

    def _message(self, subresponse: Subresponse) -> tuple[bytes, bytes, bytes | None]:
        """The JSON texts of the headers and the body, and the body in base64 if it has no JSON text."""
        if subresponse.error:
            headers = encode({"Content-Type": "application/problem+json", **subresponse.headers})
            return headers, encode(subresponse.error.problem(status=subresponse.status)), None
        headers, content_type, encoded = self._fragments.of(subresponse.headers)
        if subresponse.subrequest.omit_body and not subresponse.failed:
            return headers, b"null", None
        return headers, *json_body(subresponse.body, content_type, encoded=encoded)


class Timing:
    """When each answer was made, counted from the moment when this object was, and by which of the workers."""

    def __init__(self) -> None:
        self._begun = perf_counter()
        self._workers: dict[int, int] = {}  # thread -> its number, in the order in which they are first seen

    def of(self, subresponse: Subresponse) -> bytes:
        """The members that tell it, in milliseconds. What was not run has no beginning and no worker."""
        duration = b',"duration":%.3f' % (subresponse.duration * 1000)
        if not subresponse.started:
            return duration
        worker = self._workers.setdefault(subresponse.worker, len(self._workers))
        started = max(0.0, subresponse.started - self._begun) * 1000
        return duration + b',"started":%.3f,"worker":%d' % (started, worker)


class LinesWriter(NativeWriter):
    """Writes one answer per line as soon as it is finished, and a last line that says that the batch is complete."""

    streamed, in_order = True, False

    def __init__(self, media_type: str, *, dry_run: bool = False, timing: bool = False) -> None:
        super().__init__(dry_run=dry_run, timing=timing)
        self.content_type = media_type
        self._responses = self._failed = 0

    def begin(self) -> bytes:
        return b""

    def write(self, subresponse: Subresponse) -> bytes:
        line = _BREAK.sub(_without_break, self.item(subresponse)) + b"\n"
        self._responses += 1
        self._failed += subresponse.failed
        return line

    def end(self) -> bytes:
        rehearsed = b',"dry_run":true' if self._dry_run else b""
        return b'{"done":true%b,"responses":%d,"failed":%d}\n' % (rehearsed, self._responses, self._failed)


class BareWriter(NativeWriter):
    """Writes the bare array, which has only the status and the body of each answer."""

    opening, closing = b"[", b"]"

    def item(self, subresponse: Subresponse) -> bytes:
        """One answer, in the short form."""
        _, body, base64 = self._message(subresponse)
        suffix = b"" if base64 is None else b',"response_base64":' + base64
        return b'{"status":%d,"response":%b%b}' % (subresponse.status, body, suffix)


def _fragment(headers: Mapping[str, str]) -> tuple[bytes, str, bool]:
    """The JSON text of `headers`, the content type in them, and whether they name a content coding."""
    encoded = headers.get("Content-Encoding", "identity").lower() != "identity"
    return encode(headers), headers.get("Content-Type", ""), encoded


def _without_break(found: re.Match[bytes]) -> bytes:
    character = found[0].decode()
    return b" " if character.isascii() else b"\\u%04x" % ord(character)
