"""All executors give the same answers and leave the same rows: under WSGI and ASGI, whole and in lines.

No two items write the same row, so that nothing depends on which of two comes first where a batch does not say so.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from tests.bank import open_bank
from tests.bank.batches import references
from tests.bank.expected import ALONE, COMMITTED, FAILURES
from tests.bank.models import Entry
from tests.execution.executors.test_threads import batches as graphs
from tests.roads import PLAIN, ROADS, Road

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
ALIASES = ("default", "archive")


@pytest.fixture
def bank(bookshop_in_files):
    with open_bank(*ALIASES):
        yield


@st.composite
def batches(draw: st.DrawFn) -> dict[str, Any]:
    """Sub-requests in a graph: some in groups, some async, some that go wrong, some that refer to others."""
    parallel = draw(st.booleans())
    items = [_item(draw, subrequest) for subrequest in draw(graphs())]
    return {"requests": items, "parallel": parallel, "continue_on_error": parallel or draw(st.booleans())}


def _item(draw: st.DrawFn, subrequest: Any) -> dict[str, Any]:
    waits_for, group = subrequest.depends_on, subrequest.atomicity_group
    told = draw(st.sampled_from(["", *(f"{{{id_}#/status}}" for id_ in waits_for)]))
    url = f"/bank/{draw(st.sampled_from(ALIASES))}/entries/e{told}-{subrequest.id}/"
    mishaps = sorted(FAILURES | COMMITTED if group else ALONE)
    then = draw(st.sampled_from(["async/", *["?then=nothing"] * len(mishaps), *(f"?then={each}" for each in mishaps)]))
    item = {"id": subrequest.id, "method": subrequest.method, "path": url + then, "depends_on": [*waits_for]}
    return item | ({"atomicity_group": group} if group else {})


def outcome(road: Road, batch: dict[str, Any]) -> tuple[list[dict[str, Any]], list[set[str]]]:
    """The answers to `batch`, in its order, and the rows it leaves."""
    for alias in ALIASES:
        Entry.objects.using(alias).all().delete()
    with override_settings(**road.settings("tests.bank.urls")):
        requests, members = batch["requests"], {name: value for name, value in batch.items() if name != "requests"}
        return road.client().batch(requests, **members), [{*references(alias)} for alias in ALIASES]


@given(road=st.sampled_from(ROADS), batch=batches())
def test_answers_and_rows_are_the_same_on_every_road(bank, road, batch):
    assert outcome(road, batch) == outcome(PLAIN, {**batch, "parallel": False})
