"""All or nothing, told truly: what stands in two databases afterwards, and what was answered, agree.

Each mishap of the bank is tried at each place of a group. Then random batches, in every dialect, are compared with a
model that knows nothing of transactions: it copies a dict before each group.
"""

from __future__ import annotations

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from django_batch.testing import BatchClient
from tests.bank import open_bank
from tests.bank.batches import entry, fates, references
from tests.bank.dialects import PROTOCOLS
from tests.bank.expected import ALONE, COMMITTED, FAILURES, SUCCESSES, Bank, Call, lies
from tests.bank.models import Entry
from tests.roads import ROADS, SOME
from tests.services import connected

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def bank(bookshop, settings):
    settings.ROOT_URLCONF = "tests.bank.urls"
    with open_bank("default", "archive"):
        yield


@pytest.fixture(params=SOME, ids=str)
def client(request, bank):
    """Sends batches to the bank in one way."""
    with override_settings(**request.param.settings("tests.bank.urls")):
        yield request.param.client()


def trio(then: str, place: int, **members: object) -> list[dict[str, object]]:
    """Three items on two databases; `then` happens in the one at `place`."""
    return [
        entry(f"e{place}{position}", then if position == place else "nothing", alias=alias, **members)
        for position, alias in enumerate(("default", "archive", "default"))
    ]


def fates_of_trio(fate: str, place: int) -> list[str]:
    """What three members are answered of which the one at `place` fails."""
    return [*["424 rolled_back"] * place, fate, *["424 not_run"] * (2 - place)]


@pytest.mark.parametrize("then", FAILURES)
def test_failing_member_of_an_atomic_batch_leaves_nothing(client, then):
    for place in range(3):
        answers = client.batch(trio(then, place), atomic=True)
        assert fates(answers) == fates_of_trio(FAILURES[then], place)
        assert references("default") == references("archive") == []


@pytest.mark.parametrize("then", FAILURES)
def test_failing_member_of_a_group_leaves_what_is_outside(client, then):
    groups = [trio(then, place, atomicity_group=f"g{place}") for place in range(3)]
    singles = [entry("before"), entry("after", alias="archive")]
    answers = client.batch([singles[0], *groups[0], *groups[1], *groups[2], singles[1]])
    around = [fate for place in range(3) for fate in fates_of_trio(FAILURES[then], place)]
    assert fates(answers) == ["201", *around, "201"]
    assert (references("default"), references("archive")) == (["before"], ["after"])


@pytest.mark.parametrize("then", SUCCESSES)
def test_group_whose_members_succeed_is_kept(client, then):
    for place in range(3):
        answers = client.batch(trio(then, place), atomic=True)
        assert fates(answers) == ["201"] * place + [SUCCESSES[then]] + ["201"] * (2 - place)
        assert {f"e{place}0", f"e{place}2"} <= set(references("default"))
        assert f"e{place}1" in references("archive")


def test_failing_group_leaves_the_other_group(client):
    answers = client.batch(
        [
            entry("a1", atomicity_group="a"),
            entry("b1", atomicity_group="b"),
            entry("a2", "refuse", atomicity_group="a"),
            entry("b2", alias="archive", atomicity_group="b"),
        ]
    )
    assert fates(answers) == ["424 rolled_back", "201", "400", "201"]
    assert [answer["atomicity_group"] for answer in answers] == ["a", "b", "a", "b"]
    assert references("default") == ["b1"]
    assert references("archive") == ["b2"]


def test_item_that_depends_on_a_rolled_back_member_is_not_run(client):
    answers = client.batch(
        [
            entry("member", id="member", atomicity_group="g"),
            entry("culprit", "crash", atomicity_group="g"),
            entry("of-member", depends_on="member"),
            entry("of-group", depends_on="g"),
        ]
    )
    assert fates(answers) == ["424 rolled_back", "500", "424 failed_dependency", "424 failed_dependency"]
    assert references() == []


def test_group_with_a_failed_dependency_is_not_begun(client):
    answers = client.batch(
        [
            entry("failed", "refuse", id="failed"),
            entry("member", atomicity_group="g"),
            entry("dependent", depends_on="failed", atomicity_group="g"),
        ]
    )
    assert fates(answers) == ["400", "424 not_run", "424 failed_dependency"]
    assert references() == ["failed"]


def test_member_that_is_refused_by_the_batch_fails_its_group(client):
    items = [entry("written"), entry("refused", headers={"Host": "elsewhere.example"})]
    answers = client.batch(items, atomic=True)
    assert fates(answers) == ["424 rolled_back", "400 header_not_allowed"]
    assert references() == []


def test_batch_that_stops_at_a_failing_group_runs_nothing_after_it(client):
    items = [*trio("refuse", 1, atomicity_group="g"), entry("after")]
    answers = client.batch(items, continue_on_error=False)
    assert fates(answers) == ["424 rolled_back", "400", "424 not_run", "424 not_run"]
    assert references() == []


def test_write_of_a_coroutine_is_rolled_back_too(client):
    asynchronous = {"method": "POST", "path": "/bank/default/entries/async/async/"}
    assert fates(client.batch([asynchronous, entry("x", "refuse")], atomic=True)) == ["424 rolled_back", "400"]
    assert references() == []
    assert fates(client.batch([asynchronous, entry("x")], atomic=True)) == ["201", "201"]
    assert references() == ["async", "x"]


def test_database_that_no_group_spans_keeps_what_was_written(client, settings):
    settings.BATCH = {**settings.BATCH, "ATOMIC_DATABASES": ["archive"]}
    answers = client.batch(trio("refuse", 2), atomic=True)
    assert fates(answers) == ["424 rolled_back", "424 rolled_back", "400"]
    assert (references("default"), references("archive")) == (["e20", "e22"], [])


@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=["atomic", "dry_run"])
def test_database_that_is_left_blank_is_no_part_of_a_group(bank, members, settings):
    settings.BATCH = {"DRY_RUN": True}
    with connected("blank", {}):
        assert fates(BatchClient().batch([entry("a"), entry("b")], **members)) == ["201", "201"]


def test_order_is_archived_in_both_databases_or_in_none(bookshop):
    client = BatchClient(headers={"authorization": "Token ada-token"})
    archive = {"method": "POST", "path": "/api/orders/A-1/archive/"}
    gone = {"path": "/api/orders/A-1/"}
    assert fates(client.batch([archive, gone], atomic=True)) == ["424 rolled_back", "404"]
    assert [client.get(path).status_code for path in ("/api/orders/A-1/", "/api/archive/")] == [200, 200]
    assert client.get("/api/archive/").json()["results"] == []
    assert fates(client.batch([archive], atomic=True)) == ["201"]
    assert client.get("/api/orders/A-1/").status_code == 404
    assert [order["number"] for order in client.get("/api/archive/").json()["results"]] == ["A-1"]


def calls(group: str | None) -> st.SearchStrategy[Call]:
    """Few references, so that calls meet what others have written."""
    then = sorted(FAILURES | COMMITTED) if group else sorted(ALONE)
    return st.builds(
        Call,
        reference=st.sampled_from("abcd"),
        then=st.sampled_from([*then, *["nothing"] * len(then), *["delete"] * 4]),
        alias=st.sampled_from(["default", "archive"]),
        group=st.just(group),
    )


BATCHES = st.lists(st.sampled_from([None, "g", "h"]).flatmap(calls), min_size=1, max_size=12)


def empty() -> None:
    for alias in ("default", "archive"):
        Entry.objects.using(alias).all().delete()


def rows() -> dict[str, set[str]]:
    return {alias: set(references(alias)) for alias in ("default", "archive")}


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
@given(batches=st.lists(BATCHES, min_size=1, max_size=3), continue_on_error=st.booleans())
def test_random_batches_leave_and_answer_what_the_model_says(bank, protocol, batches, continue_on_error):
    empty()
    model = Bank()
    goes_on = continue_on_error or not protocol.stops
    for batch in filter(None, map(protocol.fit, batches)):
        expected = model.run(batch, continue_on_error=goes_on)
        assert protocol.send(batch, goes_on) == protocol.tell(batch, expected, goes_on)
        assert rows() == model.rows
        assert lies(batch, expected, rows()) == []


@given(road=st.sampled_from(ROADS), batch=BATCHES, continue_on_error=st.booleans())
def test_random_batch_leaves_and_answers_what_the_model_says_on_every_road(bank, road, batch, continue_on_error):
    empty()
    model = Bank()
    expected = model.run(batch, continue_on_error=continue_on_error)
    with override_settings(**road.settings("tests.bank.urls")):
        answers = road.client().batch([call.item() for call in batch], continue_on_error=continue_on_error)
    assert (fates(answers), rows()) == (expected, model.rows)


@given(
    road=st.sampled_from(ROADS),
    members=st.lists(
        st.tuples(
            st.sampled_from([*sorted(FAILURES), *sorted(SUCCESSES) * 4]),
            st.sampled_from("gh"),
            st.sampled_from(["default", "archive"]),
        ),
        min_size=1,
        max_size=10,
    ),
)
def test_entries_of_a_group_are_there_if_and_only_if_all_its_members_succeeded(bank, road, members):
    empty()
    items = [
        entry(f"e{place}", then, alias=alias, atomicity_group=group)
        for place, (then, group, alias) in enumerate(members)
    ]
    with override_settings(**road.settings("tests.bank.urls")):
        answers = road.client().batch(items)
    for group in {group for _, group, _ in members}:
        places = [place for place, member in enumerate(members) if member[1] == group]
        succeeded = all(answers[place]["status"] < 400 for place in places)
        assert {f"e{place}" in references(members[place][2]) for place in places} == {succeeded}
