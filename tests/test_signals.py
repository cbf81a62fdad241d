"""The signals of a batch, and the log lines that are written by their receivers."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

from django_batch import signals
from django_batch.core.batch import Batch, Subrequest
from django_batch.testing import BatchClient
from django_batch.views import BatchView, run_batch
from example_project.urls import urlpatterns
from tests.markdown import ROOT

NAMES = ["batch_started", "subrequest_finished", "group_retried", "batch_finished"]
DOCUMENTED = ["batch_started", "subrequest_started", *NAMES[1:]]
REFERENCE = (ROOT / "docs/reference/signals.md").read_text()
ME, NOWHERE = {"path": "/api/me/"}, {"path": "/nowhere/"}

Heard = list[tuple[str, dict[str, Any]]]

with_transactions = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def client() -> BatchClient:
    return BatchClient()


@pytest.fixture
def heard() -> Iterator[Heard]:
    """The name and the arguments of each signal, in the order they were sent."""
    heard: Heard = []
    receivers = {name: lambda name=name, **arguments: heard.append((name, arguments)) for name in NAMES}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    yield heard
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver)


@pytest.fixture
def crowded(settings) -> None:
    """A view at `/crowded/` that meets a conflicting transaction the first time it is called."""
    attempts = iter([True])

    def crowd(execute: Any, *args: object) -> object:
        if next(attempts, False):
            raise OperationalError(1205, "Lock wait timeout exceeded")  # as MySQL says it
        return execute(*args)

    def view(request: HttpRequest) -> HttpResponse:
        with connection.execute_wrapper(crowd), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return HttpResponse()

    settings.ROOT_URLCONF = (path("crowded/", view), *urlpatterns)
    settings.BATCH = {"ATOMIC_RETRIES": 1}


def finished(heard: Heard) -> list[tuple[str, int]]:
    """The id and status of each `subrequest_finished` signal."""
    return [
        (arguments["subrequest"].id, arguments["subresponse"].status)
        for name, arguments in heard
        if name == "subrequest_finished"
    ]


def test_batch_is_announced_told_and_concluded(client, heard):
    client.batch([ME, NOWHERE])
    assert [name for name, _ in heard] == [
        "batch_started",
        "subrequest_finished",
        "subrequest_finished",
        "batch_finished",
    ]
    assert finished(heard) == [("0", 200), ("1", 404)]


@with_transactions
@pytest.mark.parametrize("name", NAMES)
def test_signal_has_the_arguments_of_its_entry(name, client, heard, crowded):
    client.batch([{"path": "/crowded/"}], atomic=True)
    arguments = next(arguments for heard_name, arguments in heard if heard_name == name)
    entry = re.search(rf"^## `{name}`\n(.*?)(?=^## )", REFERENCE, re.MULTILINE | re.DOTALL)[1]
    assert {"signal", "sender", *re.findall(r"^\| `(\w+)` \|", entry, re.MULTILINE)} == arguments.keys()
    assert arguments["signal"] is getattr(signals, name)
    assert arguments["sender"] is BatchView


def test_reference_tells_of_every_signal():
    assert re.findall(r"^## `(\w+)`$", REFERENCE, re.MULTILINE) == DOCUMENTED
    assert {name for name, value in vars(signals).items() if isinstance(value, signals.Signal)} == set(DOCUMENTED)


def test_signals_carry_the_request_the_batch_and_the_answers(client, heard):
    client.batch([ME, NOWHERE], continue_on_error=False)
    (_, started), (_, first), _, (_, concluded) = heard
    assert started["request"].path == "/batch/"
    assert all(arguments["request"] is started["request"] for _, arguments in heard)
    assert started["batch"].continue_on_error is False
    assert concluded["batch"] is started["batch"]
    assert first["subrequest"] is started["batch"].subrequests[0]
    assert [each.status for each in concluded["subresponses"]] == [200, 404]
    assert concluded["subresponses"][0] is first["subresponse"]


def test_durations_are_those_of_the_views(client, heard):
    client.batch([NOWHERE, {"path": "/api/me/", "depends_on": "0"}])
    (_, ran), (_, skipped), (_, concluded) = heard[1:]
    assert 0 < ran["duration"] < concluded["duration"]
    assert ran["duration"] == ran["subresponse"].duration
    assert skipped["duration"] == 0.0


@with_transactions
def test_members_of_a_group_are_told_with_their_final_answers(client, heard):
    client.batch([ME, NOWHERE, ME], atomic=True)
    assert finished(heard) == [("0", 424), ("1", 404), ("2", 424)]


def test_what_a_stopped_batch_never_began_is_told_at_the_end_only(client, heard):
    client.batch([NOWHERE, ME], continue_on_error=False)
    assert finished(heard) == [("0", 404)]
    assert [each.status for each in heard[-1][1]["subresponses"]] == [404, 424]


@with_transactions
def test_group_that_is_run_again_is_told_with_its_attempt(client, heard, crowded):
    assert client.batch([ME, {"path": "/crowded/"}], atomic=True)[1]["status"] == 200
    (retried,) = [arguments for name, arguments in heard if name == "group_retried"]
    assert [each.path for each in retried["subrequests"]] == ["/api/me/", "/crowded/"]
    assert (retried["attempt"], retried["error"].args[0]) == (1, 1205)


@pytest.mark.parametrize("content", [b"{", {"requests": []}, {"requests": [{"path": "/", "depends_on": "0"}]}])
def test_refused_batch_sends_none(content, client, heard):
    assert client.send_batch(content).status_code == 400
    assert heard == []


@pytest.mark.parametrize("name", ["batch_started", "subrequest_finished", "batch_finished"])
def test_receiver_that_raises_changes_no_answer_and_is_logged(name, client, caplog):
    def receiver(**arguments: object) -> None:
        raise ImproperlyConfigured("This receiver is broken on purpose.")

    expected = client.batch([ME, NOWHERE])
    getattr(signals, name).connect(receiver)
    try:
        assert client.batch([ME, NOWHERE]) == expected
    finally:
        getattr(signals, name).disconnect(receiver)
    assert "broken on purpose" in caplog.text


def test_sender_is_the_view_that_answers(client, heard, settings):
    class ShopBatchView(BatchView):
        pass

    settings.ROOT_URLCONF = (path("shop/", ShopBatchView.as_view()), *urlpatterns)
    client.batch([ME], path="/shop/")
    assert {arguments["sender"] for _, arguments in heard} == {ShopBatchView}


def test_batch_of_a_view_of_the_site_is_told_too(client, heard, settings):
    def view(request: HttpRequest) -> HttpResponse:
        run_batch(request, Batch((Subrequest("me", "GET", "/api/me/"),)))
        return HttpResponse()

    settings.ROOT_URLCONF = (path("own/", view), *urlpatterns)
    client.get("/own/")
    assert [name for name, _ in heard] == ["batch_started", "subrequest_finished", "batch_finished"]
    assert {arguments["request"].path for _, arguments in heard} == {"/own/"}


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """The level and text of each line that the package has logged, with durations replaced."""
    return [
        (record.levelname, re.sub(r"\d+\.\d{3} s", "0.005 s", record.getMessage()))
        for record in caplog.records
        if record.name == "django_batch"
    ]


def test_batch_is_one_line_at_info(client, caplog):
    caplog.set_level(logging.INFO, "django_batch")
    client.batch([ME, NOWHERE, NOWHERE])
    assert lines(caplog) == [("INFO", "Batch of 3 sub-requests, 2 failed, in 0.005 s")]


def test_subrequest_is_one_line_at_debug(client, caplog):
    caplog.set_level(logging.DEBUG, "django_batch")
    client.batch([{"method": "post", "path": "/api/me/?page=2"}, ME], continue_on_error=False)
    assert lines(caplog) == [
        ("DEBUG", "POST /api/me/?page=2: 405 in 0.005 s"),
        ("DEBUG", "GET /api/me/: 424 in 0.005 s"),
        ("INFO", "Batch of 2 sub-requests, 2 failed, in 0.005 s"),
    ]


@with_transactions
def test_retry_is_one_line_at_info(client, caplog, crowded):
    caplog.set_level(logging.INFO, "django_batch")
    client.batch([{"path": "/crowded/"}], atomic=True)
    assert lines(caplog) == [
        ("INFO", "Group of 1 sub-requests is run again, retry 1: (1205, 'Lock wait timeout exceeded')"),
        ("INFO", "Batch of 1 sub-requests, 0 failed, in 0.005 s"),
    ]


def test_log_can_be_silent(client, caplog):
    caplog.set_level(logging.WARNING, "django_batch")
    client.batch([ME, NOWHERE])
    assert lines(caplog) == []


def test_line_break_of_a_sender_makes_no_line_of_the_log(client, caplog):
    caplog.set_level(logging.DEBUG, "django_batch")
    client.batch([{"method": "GET\nINFO forged", "path": "/\u2028"}])
    assert lines(caplog)[0] == ("DEBUG", "GET\\nINFO FORGED /\\u2028: 405 in 0.005 s")
