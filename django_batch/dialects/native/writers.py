"""The writers of the native format: one JSON document, a bare array, or JSON lines.

Lines are streamed, each as soon as its answer is finished. A JSON body is copied into the answer as it is, once it has
been checked to be valid JSON in UTF-8: an unchecked body could forge the items behind it.
"""

from __future__ import annotations

import re

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
        self._timing = timing
        self._fragments = Fragments(encode)

    def begin(self) -> bytes:
        return b'{"dry_run":true,' + self.opening[1:] if self._dry_run else self.opening

    def item(self, subresponse: Subresponse) -> bytes:
        """One answer. Every member except `body_base64` and `atomicity_group` is always present."""
        subrequest = subresponse.subrequest
        body, base64 = _body(subresponse)
        group = subrequest.atomicity_group
        return b'{"id":%b,"status":%d,"headers":%b,"body":%b%b%b%b}' % (
            encode(subrequest.id),
            subresponse.status,
            _problem_headers(subresponse) if subresponse.error else self._fragments.of(subresponse.headers),
            body,
            b"" if base64 is None else b',"body_base64":' + base64,
            b"" if group is None else b',"atomicity_group":' + encode(group),
            b',"duration":%.3f' % (subresponse.duration * 1000) if self._timing else b"",
        )


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
        body, base64 = _body(subresponse)
        suffix = b"" if base64 is None else b',"response_base64":' + base64
        return b'{"status":%d,"response":%b%b}' % (subresponse.status, body, suffix)


def _problem_headers(subresponse: Subresponse) -> bytes:
    return encode({"Content-Type": "application/problem+json", **subresponse.headers})


def _without_break(found: re.Match[bytes]) -> bytes:
    character = found[0].decode()
    return b" " if character.isascii() else b"\\u%04x" % ord(character)


def _body(subresponse: Subresponse) -> tuple[bytes, bytes | None]:
    if subresponse.error:
        return encode(subresponse.error.problem(status=subresponse.status)), None
    if subresponse.subrequest.omit_body and not subresponse.failed:
        return b"null", None
    headers, body = subresponse.headers, subresponse.body
    content_type, coding = headers.get("Content-Type", ""), headers.get("Content-Encoding", "identity")
    return json_body(body, content_type, encoded=coding.lower() != "identity")
