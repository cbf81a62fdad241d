"""The request for pictures: it runs nothing, refuses what a batch would be refused for, and bounds what it draws."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import path

from django_batch.console import DRAWING
from django_batch.console.items import MOST
from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.native import NativeDialect
from django_batch.signals import batch_started
from django_batch.testing import BatchClient
from django_batch.views import AsyncBatchView, BatchView
from example_project.bookshop.models import Review

REVIEW = {"id": "review", "method": "POST", "path": "/api/reviews/", "body": {"book": 3, "rating": 5}}
ANSWER = {"status": 200, "duration": 1.5, "started": 0.1, "worker": 0}

urlpatterns = [
    path("on/", BatchView.as_view(console=True)),
    path("async/", AsyncBatchView.as_view(console=True)),
    path("off/", BatchView.as_view(console=False)),
    path("google/", BatchView.as_view(console=True, dialect=GoogleMultipart)),
    path("both/", BatchView.as_view(console=True, dialect=[GoogleMultipart, NativeDialect])),
    path("few/", BatchView.as_view(console=True, max_requests=1)),
    path("small/", BatchView.as_view(console=True, max_requests=1, max_size=100)),
    path("many/", BatchView.as_view(console=True, max_requests=1000)),
]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(databases="__all__")]


def draw(batch: object, url: str = "/on/", **members: Any):
    text = batch if isinstance(batch, str) else json.dumps(batch)
    return Client().post(url, json.dumps({"batch": text, **members}), content_type=DRAWING)


@pytest.mark.parametrize("url", ["/on/", "/async/", "/both/"])
def test_pictures_come_as_svg(url):
    response = draw([{"path": "/nowhere/"}], url, answers=[ANSWER])
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert {name: svg[:4] for name, svg in response.json().items()} == {"graph": "<svg", "waterfall": "<svg"}


def test_batch_that_has_not_run_has_no_waterfall():
    assert [*draw([{"path": "/nowhere/"}]).json()] == ["graph"]


def test_nothing_is_run(bookshop_rows):
    started = []
    batch_started.connect(lambda **kwargs: started.append(kwargs), weak=False, dispatch_uid="drawing")
    try:
        assert draw({"requests": [REVIEW]}, answers=[ANSWER]).status_code == 200
    finally:
        batch_started.disconnect(dispatch_uid="drawing")
    assert started == []
    assert Review.objects.count() == bookshop_rows


@pytest.fixture
def bookshop_rows():
    """The number of reviews before anything is drawn."""
    return Review.objects.count()


@pytest.mark.parametrize(
    "batch",
    [
        "{",
        "",
        {"requests": []},
        {"requests": [{"pth": "/"}, {"path": "nowhere", "depends_on": "x"}]},
        {"requests": [{"id": "a", "path": "/", "depends_on": "b"}, {"id": "b", "path": "/", "depends_on": "a"}]},
        [{"path": "/"}] * 101,
    ],
)
def test_batch_is_refused_as_if_it_were_sent(batch):
    text = batch if isinstance(batch, str) else json.dumps(batch)
    drawn, sent = draw(text), BatchClient().send_batch(text.encode(), path="/on/")
    assert drawn.status_code == sent.status_code
    assert drawn.headers["Content-Type"] == sent.headers["Content-Type"] == "application/problem+json"
    assert drawn.json() == sent.json()


def test_limits_of_the_url_hold():
    assert draw([{"path": "/"}] * 2, "/few/").json()["code"] == "too_many_requests"
    assert draw([{"path": f"/{'x' * 1000}"}], "/small/").json()["code"] == "too_large"


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"batch": 1}',
        b'{"batch": "\xff"}',
        rb'{"batch": "\ud83d"}',
        b'{"batch": "[]", "width": -1}',
        b'{"batch": "[]", "width": 1e999}',
        b'{"batch": "[]", "answers": [{"status": 99}]}',
        b'{"batch": "[]", "answers": [{"status": 200, "started": 1e300}]}',
        b'{"batch": "[]", "answers": [{"status": 200, "duration": -1}]}',
        b'{"batch": "[]", "answers": [{"status": 200, "worker": 10000000000000000000000}]}',
    ],
)
def test_what_is_no_request_for_pictures_is_refused(content):
    response = Client().post("/on/", content, content_type=DRAWING)
    assert (response.status_code, response.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize("width", [0, 10_000])
def test_width_is_bounded(width):
    svg = draw([{"path": "/"}], width=width, answers=[ANSWER]).json()["waterfall"]
    assert f'width="{260 if not width else 2000}"' in svg


@pytest.mark.parametrize("answers", [[], [ANSWER], [ANSWER] * 5])
def test_any_number_of_answers_is_drawn(answers):
    assert draw([{"path": "/"}] * 3, answers=answers).status_code == 200


def test_pictures_of_very_many_items_are_small():
    batch = [{"id": f"i{place}", "path": f"/{place}/", "depends_on": "i0"} for place in range(1, 1000)]
    pictures = draw([{"id": "i0", "path": "/"}, *batch], "/many/", answers=[ANSWER] * 1000).json()
    assert len(batch) > MOST
    assert sum(map(len, pictures.values())) < 20_000


@pytest.mark.parametrize("url", ["/off/", "/google/"])
def test_url_without_a_console_draws_nothing(url):
    assert draw([{"path": "/"}], url).status_code == 415


def test_drawing_needs_the_csrf_token_that_a_batch_needs(django_user_model):
    client = Client(enforce_csrf_checks=True)
    client.force_login(django_user_model.objects.create_user("eve"))
    content = json.dumps({"batch": '[{"path": "/"}]'})
    assert client.post("/on/", content, content_type=DRAWING).status_code == 403
