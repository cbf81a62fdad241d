"""What all writers have in common: an answer that cannot be written costs the sender no other answer."""

from __future__ import annotations

import json
import logging

import pytest

from django_batch.carrier.streaming import Pieces
from django_batch.core.batch import Batch, Subrequest, Subresponse
from django_batch.dialects.base import Dialect
from django_batch.dialects.facebook import FacebookBatch
from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.native import NativeDialect
from django_batch.dialects.native.dialect import NativeLayout
from django_batch.dialects.odata import ODataJSON, ODataMultipart
from django_batch.dialects.shared.parts import PartsLayout

SUBREQUESTS = tuple(
    Subrequest(name, "GET", "/", atomicity_group=group) for name, group in [("a", None), ("b", "g"), ("c", "g")]
)
JSON, LINES = "application/json", "application/jsonl"
DIALECTS = [
    (NativeDialect(), NativeLayout()),
    (NativeDialect(), NativeLayout(bare=True)),
    (NativeDialect(), NativeLayout(media_type=LINES)),
    (ODataJSON(), "4.01"),
    (FacebookBatch(), True),
    (ODataMultipart(), PartsLayout({})),
    (GoogleMultipart(), PartsLayout({})),
]


def subresponses(unwritable: str) -> list[Subresponse]:
    """Three answers, of which `unwritable` has a header and a body that no dialect can write."""
    return [
        Subresponse(each, 200, {"X": object()}, object(), duration=0.5)  # type: ignore[dict-item, arg-type]
        if each.id == unwritable
        else Subresponse(each, 200, {"Content-Type": JSON}, b"[7]")
        for each in SUBREQUESTS
    ]


def statuses(answer: bytes, content_type: str) -> list[int]:
    """The status of each answer, as a client reads it."""
    if content_type.startswith("multipart/"):
        return [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    if content_type == LINES:
        *items, last = map(json.loads, answer.splitlines())
        assert last == {"done": True, "responses": 3, "failed": 1}
    else:
        found = json.loads(answer)
        items = found["responses"] if isinstance(found, dict) else found
    return [item.get("status", item.get("code")) for item in items]


@pytest.mark.parametrize(("dialect", "layout"), DIALECTS)
@pytest.mark.parametrize("unwritable", "abc")
def test_answer_that_cannot_be_written_is_a_500_among_the_others(dialect: Dialect, layout, unwritable, caplog):
    batch = Batch(SUBREQUESTS, layout=layout)
    expected = [500 if each.id == unwritable else 200 for each in SUBREQUESTS]
    answers = subresponses(unwritable)
    with caplog.at_level(logging.ERROR, "django_batch"):
        writer = dialect.writer(batch)
        assert statuses(writer.whole(answers), writer.content_type) == expected
        pieces = Pieces(dialect.writer(batch), batch)
        streamed = pieces.begin() + b"".join(pieces.take([each]) for each in answers) + pieces.end()
    assert statuses(streamed, writer.content_type) == expected
    assert [record.getMessage() for record in caplog.records] == [
        f"The answer to sub-request {unwritable!r} could not be written"
    ] * 2


def test_writer_that_cannot_write_a_failure_either_raises():
    class Broken(NativeDialect):
        def writer(self, batch):
            writer = super().writer(batch)
            writer.item = lambda subresponse: b"" + subresponse.status
            return writer

    with pytest.raises(TypeError):
        Broken().writer(Batch(SUBREQUESTS)).whole(subresponses("a"))
