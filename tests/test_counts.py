"""What a log or a proxy learns of a batch that failed in parts: headers with counts, and a line for each failure."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from django.urls import include, path

from django_batch.log import log_failures
from django_batch.testing import BatchClient
from django_batch.views import AsyncBatchView, BatchView
from example_project.urls import urlpatterns
from tests.attacks.dialects import PROTOCOLS
from tests.attacks.senders import Sender

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ME, NOWHERE = {"path": "/api/me/"}, {"path": "/nowhere/"}
AUTHOR = {"method": "POST", "path": "/api/authors/", "body": {"name": "Eve"}}


@pytest.fixture(autouse=True)
def site(bookshop, settings):
    settings.BATCH = {"DRY_RUN": True}


@pytest.fixture
def client() -> BatchClient:
    return BatchClient(headers={"Authorization": "Token staff-token"})


def counts(response: Any) -> tuple[str | None, str | None]:
    return response.headers.get("X-Batch-Items"), response.headers.get("X-Batch-Failed")


# Headers

BATCHES: dict[str, tuple[Any, tuple[str, str]]] = {
    "nothing failed": ([ME, ME], ("2", "0")),
    "some failed": ([ME, NOWHERE, {**ME, "method": "DELETE"}], ("3", "2")),
    "what depends on a failure": ([{"id": "a", **NOWHERE}, {**ME, "depends_on": "a"}], ("2", "2")),
    "a group that was rolled back": ({"atomic": True, "requests": [AUTHOR, ME, NOWHERE]}, ("3", "3")),
    "a group beside others": (
        [{**AUTHOR, "atomicity_group": "g"}, {**NOWHERE, "atomicity_group": "g"}, ME],
        ("3", "2"),
    ),
    "a dry run": ({"dry_run": True, "requests": [AUTHOR, NOWHERE]}, ("2", "1")),
    "a batch that stopped": ({"continue_on_error": False, "requests": [NOWHERE, ME, ME]}, ("3", "3")),
}


@pytest.mark.parametrize("name", BATCHES)
def test_headers_count_items_and_failures(name, client):
    content, expected = BATCHES[name]
    assert counts(client.send_batch(content)) == expected


@pytest.mark.parametrize("name", BATCHES)
def test_headers_count_on_the_loop(name, settings):
    settings.ROOT_URLCONF = (path("loop/", AsyncBatchView.as_view()), *urlpatterns)
    content, expected = BATCHES[name]
    headers = {"Authorization": "Token staff-token"}
    response = async_to_sync(AsyncClient().post)("/loop/", content, "application/json", headers=headers)
    assert counts(response) == expected


@pytest.mark.parametrize("name", PROTOCOLS)
def test_headers_count_in_every_dialect(name, settings):
    settings.ROOT_URLCONF = "tests.attacks.site"
    response = PROTOCOLS[name].send([{"path": "/seen/"}, NOWHERE], Sender(), name)
    assert counts(response) == ("2", "1")


def test_answer_in_lines_has_no_counts_in_its_headers(client):
    response = client.post("/batch/", [ME, NOWHERE], "json", headers={"accept": "application/jsonl"})
    assert counts(response) == (None, None)
    assert json.loads([*response][-1]) == {"done": True, "responses": 2, "failed": 1}


@pytest.mark.parametrize("content", [b"{", [], {"dry_run": 7, "requests": [ME]}])
def test_batch_that_is_refused_has_no_counts(content, client):
    assert counts(client.send_batch(content)) == (None, None)


def test_site_may_leave_the_headers_out(client, settings):
    settings.BATCH = {"COUNT_HEADERS": False}
    assert counts(client.send_batch([ME, NOWHERE])) == (None, None)


# Lines


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings, with the id of the batch replaced."""
    records = [record for record in caplog.records if record.name == "django_batch.subrequest"]
    assert {record.levelname for record in records} <= {"WARNING"}
    return [re.sub(r"\b[0-9a-f]{16}\b", "ID", record.getMessage()) for record in records]


def test_each_failure_is_one_line_with_its_route(client, caplog):
    client.batch([ME, {"path": "/api/books/7777/?secret=1"}, NOWHERE, {"method": "delete", "path": "/api/me/"}])
    assert lines(caplog) == [
        "GET /api/books/(?P<pk>[^/.]+)/$: 404 in batch ID",
        "GET -: 404 in batch ID",
        "DELETE /api/me/: 405 in batch ID",
    ]


def test_lines_of_a_batch_have_its_id_and_those_of_another_have_another(client, caplog):
    client.batch([NOWHERE, NOWHERE])
    client.batch([NOWHERE])
    first, second, third = (record.batch_id for record in caplog.records if record.name == "django_batch.subrequest")
    assert first == second != third


def test_line_can_be_read_by_programs(client, caplog):
    caplog.set_level("DEBUG", "django_batch")
    client.batch([{"method": "DELETE", "path": "/api/me/"}])
    warning, debug, info = (record for record in caplog.records if record.name.startswith("django_batch"))
    assert (warning.method, warning.route, warning.status_code) == ("DELETE", "/api/me/", 405)
    assert warning.batch_id == debug.batch_id == info.batch_id


def test_what_was_not_run_or_was_rolled_back_is_a_failure(client, caplog):
    client.batch([AUTHOR, {**ME, "body": None}, NOWHERE, ME], atomic=True)
    assert [line.partition(": ")[2] for line in lines(caplog)] == [
        f"{code} in batch ID" for code in (424, 424, 404, 424)
    ]


def test_path_that_was_never_known_has_no_route(client, caplog):
    client.batch([{"id": "a", **NOWHERE}, {"path": "/api/{a#/body/x}/", "depends_on": "a"}])
    assert lines(caplog)[1] == "GET -: 424 in batch ID"


def test_stream_has_its_lines_when_it_has_ended(client, caplog):
    response = client.post("/batch/", [NOWHERE], "json", headers={"accept": "application/jsonl"})
    assert lines(caplog) == []
    assert len([*response]) == 2
    assert lines(caplog) == ["GET -: 404 in batch ID"]


def test_line_has_nothing_of_a_body_and_no_line_break_of_a_sender(client, caplog):
    method = "GET\nWARNING forged\x1b[2J" + "x" * 10_000
    client.batch([{"method": method, "path": "/\x85secret", "body": "secret"}, {**AUTHOR, "body": {"secret": 1}}])
    found = lines(caplog)
    assert found == [
        "GET\\nWARNING FORGED\\x1b[ -: 405 in batch ID",
        "POST /api/authors/$: 400 in batch ID",
    ]
    assert all(len(line.splitlines()) == 1 and "secret" not in line for line in found)


def test_route_is_that_below_a_script_prefix(caplog):
    client = BatchClient(SCRIPT_NAME="/shop")
    client.batch([{"method": "DELETE", "path": "/shop/api/me/"}], path="/batch/")
    assert lines(caplog) == ["DELETE /api/me/: 405 in batch ID"]


class Urls:
    """A middleware of a site with other URLs for some hosts."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        request.urlconf = (path("batch/", include("django_batch.urls")), path("of/<slug:tenant>/", BatchView.as_view()))
        return self.get_response(request)


def test_route_is_that_of_the_urls_of_the_request(client, settings, caplog):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.Urls"]
    client.batch([{"path": "/of/ada/"}])
    assert lines(caplog) == ["GET /of/<slug:tenant>/: 403 in batch ID"]


@pytest.mark.parametrize("level", [logging.ERROR, logging.CRITICAL])
def test_lines_can_be_silent(level, client, caplog):
    caplog.set_level(level, "django_batch.subrequest")
    client.batch([NOWHERE])
    assert lines(caplog) == []


def test_nothing_is_looked_up_where_nothing_is_logged(caplog):
    caplog.set_level(logging.ERROR, "django_batch.subrequest")
    log_failures(request=None, subresponses=[None], batch_id="x")  # it looks at neither
