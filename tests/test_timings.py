"""What took how long: the header of the whole, and the durations of the items."""

from __future__ import annotations

import json
import re

import pytest
from asgiref.sync import async_to_sync
from django.test import override_settings

from django_batch.testing import BatchClient
from tests.asgi import answer

ME = {"path": "/api/me/"}
CONTENT = json.dumps([ME]).encode()

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def parts(header: str) -> list[str]:
    """The names in a `Server-Timing` header, each with some milliseconds."""
    return [re.fullmatch(r"(\w+);dur=\d+\.\d{3}", part)[1] for part in header.split(", ")]


def header(url: str, accept: str = "application/json") -> str | None:
    return async_to_sync(answer)(CONTENT, url, headers={"Accept": accept})[1].get("Server-Timing")


@pytest.mark.parametrize(("debug", "setting", "told"), [(True, None, True), (False, None, False), (True, False, False)])
@pytest.mark.parametrize("url", ["/batch/", "/async/batch/"])
def test_times_are_told_where_debug_is_on_unless_the_setting_says_otherwise(bookshop, url, debug, setting, told):
    with override_settings(DEBUG=debug, BATCH={"SERVER_TIMING": setting}):
        assert (header(url) is not None) == told


@pytest.mark.parametrize("url", ["/batch/", "/async/batch/"])
def test_parts_are_those_that_have_been_done(bookshop, url, settings):
    settings.BATCH = {"SERVER_TIMING": True}
    assert parts(header(url)) == ["read", "run", "write"]
    assert parts(header(url, "application/jsonl")) == ["read"]


def test_refused_batch_tells_no_times(settings):
    settings.BATCH = {"SERVER_TIMING": True}
    assert "Server-Timing" not in BatchClient().send_batch(b"{").headers


def test_items_tell_their_durations_where_that_is_asked_for(bookshop):
    timed, skipped = BatchClient().batch([{"path": "/nowhere/", "id": "a"}, {**ME, "depends_on": "a"}], timing=True)
    assert timed["duration"] > skipped["duration"] == 0
    assert "duration" not in BatchClient().batch([ME])[0]


def test_items_tell_when_they_were_begun_and_by_whom(bookshop):
    requests = [ME, {**ME, "id": "b"}, {"path": "/nowhere/", "id": "c"}, {**ME, "depends_on": "c"}]
    first, second, _, skipped = BatchClient().batch(requests, timing=True)
    assert 0 <= first["started"] < first["started"] + first["duration"] <= second["started"] + 0.002  # rounded
    assert first["worker"] == second["worker"] == 0
    assert not skipped.keys() & {"started", "worker"}


def test_what_was_rolled_back_tells_when_it_was_run(bookshop):
    member, _ = BatchClient().batch([ME, {"path": "/nowhere/"}], atomic=True, timing=True)
    assert (member["status"], member["worker"]) == (424, 0)
    assert member["duration"] > 0


def test_threads_are_told_apart(bookshop_in_files, settings):
    settings.BATCH = {"EXECUTOR": "django_batch.execution.executors.ThreadExecutor"}
    answers = BatchClient().batch([ME] * 8, parallel=True, timing=True)
    workers = {each["worker"] for each in answers}
    assert workers == set(range(len(workers)))
