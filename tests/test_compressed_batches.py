"""Batches that are compressed with gzip: read where the site allows it, and never past `MAX_SIZE`."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import Any

import pytest

from django_batch.core.batch import Batch
from django_batch.dialects.base import Envelope
from django_batch.dialects.native import NativeDialect
from django_batch.views import BatchView

ME = {"path": "/api/me/"}
BATCH = json.dumps({"requests": [ME]}).encode()
MIB = 2**20


@pytest.fixture(autouse=True)
def _allowed(settings):
    settings.BATCH = {"DECOMPRESS": True, "MAX_SIZE": MIB}


def send(client: Any, content: bytes, coding: str, content_type: str = "application/json") -> Any:
    return client.post("/batch/", content, content_type=content_type, headers={"Content-Encoding": coding})


@pytest.mark.django_db
@pytest.mark.parametrize("coding", ["gzip", "GZip", "x-gzip"])
def test_batch_in_gzip_is_read(coding, client):
    assert send(client, gzip.compress(BATCH), coding).json()["responses"][0]["status"] == 200


@pytest.mark.django_db
def test_batch_that_is_not_compressed_is_read_as_before(client):
    assert send(client, BATCH, "identity").status_code == 207


@pytest.mark.parametrize("coding", ["deflate", "br", "zstd", "gzip, gzip"])
def test_batch_in_another_coding_is_refused(coding, client):
    response = send(client, zlib.compress(BATCH), coding)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (BATCH, "The batch is not gzip, as its Content-Encoding says"),
        (b"", "The batch is not one complete gzip member"),
        # With the time of the moment in it, each process of pytest-xdist would give the test another name.
        (gzip.compress(BATCH, mtime=0)[:-1], "The batch is not one complete gzip member"),
        (gzip.compress(BATCH, mtime=0) + b"\0", "The batch is not one complete gzip member"),
        (gzip.compress(BATCH, mtime=0) * 2, "The batch is not one complete gzip member"),
        (gzip.compress(b"", mtime=0), "The batch is empty"),
    ],
)
def test_batch_that_is_not_one_whole_gzip_member_is_refused(content, detail, client):
    response = send(client, content, "gzip")
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    assert response.json()["detail"].startswith(detail)


@pytest.mark.django_db
@pytest.mark.parametrize(("extra", "status"), [(0, 207), (1, 413)])
def test_batch_is_measured_after_it_is_decompressed(extra, status, client):
    content = gzip.compress(BATCH.ljust(MIB + extra))
    assert send(client, content, "gzip").status_code == status


def test_form_is_not_decompressed(client):
    response = client.post("/batch/", {"batch": BATCH.decode()}, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 415


@pytest.mark.django_db
def test_dialect_sees_no_content_encoding_once_it_is_undone(rf):
    seen = []

    class ListeningDialect(NativeDialect):
        def parse(self, envelope: Envelope) -> Batch:
            seen.append(envelope.headers)
            return super().parse(envelope)

    for coding, content in [("gzip", gzip.compress(BATCH)), ("identity", BATCH)]:
        request = rf.post("/batch/", content, content_type="application/json", headers={"Content-Encoding": coding})
        assert BatchView.as_view(dialect=ListeningDialect)(request).status_code == 207
    decompressed, as_sent = seen
    assert "Content-Encoding" not in decompressed
    assert {*as_sent} - {*decompressed} == {"Content-Encoding"}
    assert (len(decompressed), len(as_sent)) == (3, 4)


def test_bomb_is_never_held_as_a_whole(client):
    bomb = gzip.compress(b" " * (100 * MIB))
    tracemalloc.start()
    try:
        response = send(client, bomb, "gzip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert peak < 10 * MIB
