"""Batches as a page sends them: with a session, so that REST framework checks the CSRF token before all else."""

from __future__ import annotations

import json

import pytest
from django.conf import settings

from .equivalence.client import JSON
from .equivalence.senders import Sender, connect
from .equivalence.sites import Site, serving
from .forms import CONTENT_TYPE as FORM
from .forms import form, part

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def page(bookshop, tmp_path):
    """A client with ada's session, and its token."""
    with serving(Site(), tmp_path) as application:
        yield connect(application, Site(), Sender(login="ada"))


@pytest.mark.parametrize(
    ("content_type", "status"),
    [(JSON, 400), ("multipart/form-data; boundary=x", 400), ("application/x-www-form-urlencoded", 415), ("x/y", 415)],
)
def test_batch_that_is_not_one_is_refused_as_a_problem(page, content_type, status):
    answer = page.exchange("POST", "/batch/", {"Content-Type": content_type}, b"{")
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("upload", [(), (part("a", b"1", "a.png"),)])
def test_batch_that_is_a_form_is_taken(page, upload):
    named = {"files": {"cover": "a"}, "method": "PUT"} if upload else {}
    content = form(part("batch", json.dumps([{"path": "/api/me/", **named}]).encode()), *upload)
    answer = page.exchange("POST", "/batch/", {"Content-Type": FORM}, content)
    assert (answer.status, json.loads(answer.body)[0]["status"]) == (207, 405 if upload else 200)


def test_batch_may_be_larger_than_django_holds_in_memory(page):
    content = json.dumps([{"path": "/api/me/"}]).encode().ljust(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    answer = page.exchange("POST", "/batch/", {"Content-Type": JSON}, content)
    assert (answer.status, json.loads(answer.body)[0]["response"]["username"]) == (207, "ada")
