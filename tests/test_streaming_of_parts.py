"""Answers in parts, each sent when it is there: in request order, and those of a change set after its commit."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client
from django.urls import include, path

from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.odata import ODataMultipart
from django_batch.views import AsyncBatchView, BatchView
from tests import asgi
from tests.bank import open_bank
from tests.bank.batches import references
from tests.bank.models import Entry
from tests.parts import answers, change_set, message, multipart, part, statuses

DIALECTS = {"google": GoogleMultipart, "odata": ODataMultipart}
CONTENT_TYPE = "multipart/mixed; boundary=batch"
urlpatterns = [
    *(path(f"{name}/", BatchView.as_view(dialect=dialect())) for name, dialect in DIALECTS.items()),
    *(path(f"{name}/streamed/", BatchView.as_view(dialect=each(streamed=True))) for name, each in DIALECTS.items()),
    *(path(f"{name}/loop/", AsyncBatchView.as_view(dialect=each(streamed=True))) for name, each in DIALECTS.items()),
    path("", include("tests.bank.urls")),
]
pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]


@pytest.fixture(autouse=True)
def _bank(bookshop_in_files):
    with open_bank("default", "archive"):
        yield


def entry(reference, then="nothing", content_id=None):
    return part(message("POST", f"/bank/default/entries/{reference}/?then={then}"), content_id)


def empty(reference):
    return part(message("DELETE", f"/bank/default/entries/{reference}/"))


def post(url, *parts):
    return Client(raise_request_exception=False).post(url, multipart(parts), content_type=CONTENT_TYPE)


@pytest.mark.parametrize("name", DIALECTS)
def test_part_is_sent_before_the_next_request_is_run(name):
    response = post(f"/{name}/streamed/", entry("a"), entry("b"), entry("c"))
    assert (response.streaming, references()) == (True, [])
    sent, found = b"", []
    for piece in response.streaming_content:
        sent += piece
        found.append(references())
    assert found == [["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c"]]
    assert statuses(answers(sent, response.headers["Content-Type"])) == [201, 201, 201]


def test_change_set_is_told_after_its_commit():
    response = post("/odata/streamed/", entry("a"), change_set([entry("b"), entry("c")]), entry("d"))
    pieces = iter(response.streaming_content)
    assert b"201" in next(pieces)
    assert references() == ["a"]
    assert next(pieces).count(b"HTTP/1.1 201") == 2
    assert (references(), connection.in_atomic_block) == (["a", "b", "c"], False)
    assert b"".join(pieces).count(b"HTTP/1.1 201") == 1


BATCHES = {
    "all is well": [entry("a", content_id="1"), change_set([entry("b", content_id="2"), entry("c")]), empty("a")],
    "a failure": [entry("a"), entry("b", "refuse"), entry("c")],
    "a change set that fails": [change_set([entry("a"), entry("b", "crash", "2"), entry("c")]), entry("d")],
    "a hook that fails": [entry("a"), change_set([entry("b", "raising_hook"), entry("c")]), entry("d")],
    "nothing but a change set": [change_set([entry("a")])],
    "a batch that is refused": [part(message("GET", "http://elsewhere.example/"))],
}
CASES = [(name, "odata", parts) for name, parts in BATCHES.items()]
CASES += [(name, "google", parts) for name, parts in BATCHES.items() if b"changeset" not in b"".join(parts)]


def left_by(response: tuple[int, str, bytes]) -> tuple[object, ...]:
    """The status and the answers, as far as they are parts, and what stands in the ledger. Then that is emptied."""
    status, content_type, content = response
    left = status, answers(content, content_type) if "multipart" in content_type else content, references()
    Entry.objects.all().delete()
    return left


@pytest.mark.parametrize(("dialect", "parts"), [case[1:] for case in CASES], ids=[f"{b} {a}" for a, b, _ in CASES])
def test_answer_is_the_same_whole_and_streamed_under_wsgi_and_asgi(dialect, parts):
    found = []
    for url in (f"/{dialect}/", f"/{dialect}/streamed/"):
        response = post(url, *parts)
        found.append(left_by((response.status_code, response.headers["Content-Type"], response.getvalue())))
    for url in (f"/{dialect}/streamed/", f"/{dialect}/loop/"):
        status, headers, content = async_to_sync(asgi.answer)(
            multipart(parts), url, headers={"Content-Type": CONTENT_TYPE}
        )
        found.append(left_by((status, headers["Content-Type"], content)))
    assert found == found[:1] * 4
