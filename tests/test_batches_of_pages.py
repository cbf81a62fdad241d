"""Batches as a page sends them: with a session, so that REST framework checks the CSRF token before all else."""

from __future__ import annotations

import json

import pytest
from django.conf import settings

from .equivalence.client import JSON
from .equivalence.senders import Sender, connect
from .equivalence.sites import Site, serving

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def page(bookshop, tmp_path):
    """A client with ada's session, and its token."""
    with serving(Site(), tmp_path) as application:
        yield connect(application, Site(), Sender(login="ada"))


@pytest.mark.parametrize(
    "content_type", [JSON, "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x/y"]
)
def test_batch_that_is_not_one_is_refused_as_a_problem(page, content_type):
    answer = page.exchange("POST", "/batch/", {"Content-Type": content_type}, b"{")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status == (400 if content_type == JSON else 415)


def test_batch_may_be_larger_than_django_holds_in_memory(page):
    content = json.dumps([{"path": "/api/me/"}]).encode().ljust(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    answer = page.exchange("POST", "/batch/", {"Content-Type": JSON}, content)
    assert (answer.status, json.loads(answer.body)[0]["response"]["username"]) == (207, "ada")
