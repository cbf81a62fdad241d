"""The three laws over jobs: a job is answered as its batch is, and its groups are done or not.

What is drawn is run as a batch, then as a job in chunks of any size on an engine that loses and doubles, and compared.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from django_batch.core.batch import Batch, Subrequest
from django_batch.core.plan import plan
from django_batch.errors import DependencyCycle
from django_batch.jobs.cutting import cut, cut_unrelated, in_order
from django_batch.jobs.models import Chunk
from django_batch.jobs.resuming import resume_all
from tests.jobs.conftest import Sender, sender
from tests.jobs.engines import Lossy
from tests.jobs.test_exactly_once import names

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

# REST framework names another authenticator in a job, and has not looked at cookies.
PATHS = ["/only-tokens/", "/only-sessions/", "/api/missing/", "/page/", "/batch/", "/api/books/1/"]


@st.composite
def batches(draw: Any) -> list[dict[str, Any]]:
    """Items that read and write, fail, depend on each other, refer to each other, and are in groups."""
    items: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 9))):
        then = draw(st.sampled_from(["", "", "", "?then=400", "?then=500"]))
        writes = draw(st.booleans())
        item = {"id": f"i{number}", "path": f"/write/n{number}/{then}" if writes else draw(st.sampled_from(PATHS))}
        item["method"] = "POST" if writes else "GET"
        if draw(st.integers(0, 3)) == 0:
            item["atomicity_group"] = draw(st.sampled_from(["g", "h"]))
        elif items and draw(st.booleans()):
            other = draw(st.sampled_from(items))
            item["depends_on"] = [other["id"]]
            if writes and draw(st.booleans()):
                item["path"] = f"/write/n{number}-{{{other['id']}#/status}}/"
        items.append(item)
    return items


def told(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers without what differs from one run to the next."""
    left_out = {"vary"}
    return [
        {**each, "headers": {name: value for name, value in each["headers"].items() if name.lower() not in left_out}}
        for each in sorted(answers, key=lambda each: each["id"])
    ]


def run_as_job(client: Sender, items: list[dict[str, Any]], *, lines: bool) -> list[dict[str, Any]]:
    response = client.lines(items) if lines else client.later({"requests": items})
    assert response.status_code == 202, response.content
    while (job := client.get(response.headers["Location"])).json()["state"] != "done":
        Chunk.objects.update(submitted=timezone.now() - timedelta(hours=1))
        resume_all()
    shown = job.json()
    answers = client.answers(job)
    assert [each["id"] for each in answers] == [each["id"] for each in items]
    assert shown["total"] == len(items) == sum(shown[each] for each in ("succeeded", "failed", "not_run", "unknown"))
    return answers


@given(items=batches(), size=st.integers(1, 4), lines=st.booleans(), seed=st.integers(0, 9))
def test_job_is_answered_as_its_batch_is(shop, settings, items, size, lines, seed) -> None:
    client = sender("ada")
    shop()
    response = client.batch({"requests": items})
    assert response.status_code in (207, 400)
    if response.status_code == 400:  # a cycle through groups
        refused = client.lines(items) if lines else client.later({"requests": items})
        assert refused.json()["code"] == response.json()["code"]
        return
    expected, written = told(response.json()["responses"]), names()
    shop()
    settings.JOBS = {"ENGINE": Lossy(seed), "CHUNK": size}
    assert told(run_as_job(client, items, lines=lines)) == expected
    assert names() == written


@given(items=batches(), size=st.integers(1, 4), parallel=st.booleans())
def test_chunks_hold_every_step_once_in_an_order_that_can_be_run(items, size, parallel) -> None:
    subrequests = [
        Subrequest(
            each["id"],
            each["method"],
            each["path"],
            depends_on=tuple(each.get("depends_on", ())),
            atomicity_group=each.get("atomicity_group"),
        )
        for each in items
    ]
    try:
        planned = plan(Batch(tuple(subrequests)))
    except DependencyCycle:  # through a group
        return
    cuts = cut(planned, size, parallel=parallel)
    steps = [step for each in cuts for step in each.steps]
    assert [tuple(step) for step in steps] == [
        tuple(int(each.id[1:]) for each in step.subrequests) for step in in_order(planned)
    ]
    for each in cuts:
        inside = [place for step in each.steps for place in step]
        assert len(inside) <= size or len(each.steps) == 1
        assert set(each.after) <= set(range(each.number))
        assert parallel or each.after == ([each.number - 1] if each.number else [])
        done = {place for number in each.after for step in cuts[number].steps for place in step}
        earlier = {place for before in cuts[: each.number] for step in before.steps for place in step}
        for places in each.needs.values():
            assert set(places) <= (done if parallel else earlier) | set(inside)
        assert all(each.number in cuts[number].before for number in each.after)


@pytest.mark.parametrize("parallel", [False, True])
def test_unrelated_items_are_cut_as_any_others(parallel) -> None:
    for total in range(1, 10):
        planned = plan(Batch(tuple(Subrequest(str(number), "GET", "/") for number in range(total))))
        assert [*cut_unrelated(total, 3, parallel=parallel)] == cut(planned, 3, parallel=parallel)
