"""Dry runs: a batch is answered as if it were run, and nothing of it stays."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from django_batch.testing import BatchClient
from example_project.bookshop.models import ArchivedOrder, Order
from tests.bank import open_accounts, open_bank
from tests.bank.batches import add, balances, entry, fates, get, references
from tests.bank.mishaps import MISHAPS

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

LOGIN = {"method": "POST", "path": "/api/login/", "body": {"username": "ada", "password": "ada-secret"}}
ME = {"path": "/api/me/"}
LOGOUT = {"method": "POST", "path": "/api/logout/"}
VISIT = {"path": "/api/visits/"}
# What ends a connection, which SQLite in memory does not survive, or needs a server.
NEEDS_A_SERVER = {
    "close",
    "connect",
    "close_driver",
    "lose",
    "swallow_lose",
    "lose_server",
    "lose_unseen",
    "lose_after_commit",
    "copy",
    "lose_reply",
    "tell_settings",
}
ROLLS_BACK = {"insert_or_rollback", "rollback_driver"}
COMMITS = {"commit_driver", "commit_and_crash", "commit_and_begin_driver"}
NEVER_ENDS = {"left_open", "crash_left_open"}  # as alone, whatever comes after is in that transaction
NO_MISHAPS = {"interrupt", "conflict", "swallow_conflict", "swallow_timeout"}


@pytest.fixture(autouse=True)
def dry_runs(settings):
    """The site allows them."""
    settings.BATCH = {"DRY_RUN": True}


@pytest.fixture
def bank(bookshop, settings):
    settings.ROOT_URLCONF = "tests.bank.urls"
    with open_bank("default", "archive"):
        yield


def rehearse(requests, **members):
    return BatchClient().batch(requests, dry_run=True, **members)


def rows():
    """Every row of every database."""
    found = {}
    for connection in connections.all():
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                found[connection.alias, table] = cursor.fetchall()
    return found


def test_dry_run_leaves_nothing_on_any_database(bookshop):
    ada = BatchClient()
    ada.credentials(HTTP_AUTHORIZATION="Token ada-token")
    before = rows()
    answers = ada.batch(
        [
            {"method": "PUT", "path": "/api/orders/N-1/", "body": {"note": "x"}},
            {"method": "POST", "path": "/api/orders/N-1/lines/", "body": {"book": 1, "quantity": 2}},
            {"method": "POST", "path": "/api/orders/A-1/archive/"},
            {"method": "DELETE", "path": "/api/orders/A-3/"},
        ],
        dry_run=True,
    )
    assert fates(answers) == ["201", "201", "201", "204"]
    assert rows() == before


def test_later_subrequests_see_what_the_earlier_would_have_done(bookshop):
    ada = BatchClient()
    ada.credentials(HTTP_AUTHORIZATION="Token ada-token")
    note = {"id": "a", "method": "PUT", "path": "/api/orders/N-1/", "body": {"note": "As a gift."}}
    read = {"path": "/api/orders/{a#/body/number}/", "depends_on": "a"}
    archive = {"method": "POST", "path": "/api/orders/N-1/archive/"}
    _, found, _, archived = ada.batch([note, read, archive, {"path": "/api/archive/"}], dry_run=True)
    assert found["body"]["note"] == "As a gift."
    assert archived["body"]["results"][0]["number"] == "N-1"
    assert not Order.objects.filter(number="N-1").exists()
    assert not ArchivedOrder.objects.exists()


def test_dry_run_is_told_in_the_answer(bookshop):
    batch = {"requests": [ME], "dry_run": True}
    answer = BatchClient().send_batch(batch).json()
    assert answer["dry_run"] is True
    assert "dry_run" not in BatchClient().send_batch({**batch, "dry_run": False}).json()


# Failures.


@pytest.mark.parametrize(
    "then", sorted(MISHAPS.keys() - NEEDS_A_SERVER - ROLLS_BACK - COMMITS - NEVER_ENDS - NO_MISHAPS)
)
def test_whatever_happens_the_rest_is_tried_and_nothing_stays(bank, then):
    around = [entry("a"), entry("b", alias="archive")], [entry("d"), entry("e", alias="archive"), get("total/")]
    answers = rehearse([*around[0], entry("c", then), *around[1]])
    assert fates([*answers[:2], *answers[3:]]) == ["201", "201", "201", "201", "200"]
    assert references("default") == references("archive") == []


@pytest.mark.parametrize("then", sorted(ROLLS_BACK))
def test_view_that_rolls_back_ends_the_dry_run_and_nothing_stays(bank, then):
    answers = rehearse([entry("a"), entry("b", then), entry("c"), entry("d", alias="archive")])
    assert fates(answers) == ["201", "500 transaction_broken", "424 not_run", "424 not_run"]
    assert "the transaction of the dry run was lost with '1'" in answers[2]["body"]["detail"]
    assert references("default") == references("archive") == []


@pytest.mark.parametrize("then", ["commit_driver", "commit_and_crash"])
def test_view_that_commits_ends_the_dry_run_and_says_what_may_stay(bank, then):
    answers = rehearse([entry("a"), entry("b", then), entry("c")])
    assert fates(answers) == ["201", "500 transaction_broken", "424 not_run"]
    assert "Everything written in it until then may be stored" in answers[1]["body"]["detail"]
    assert references("default") == ["a", "b"]


def test_member_that_commits_in_a_dry_run_is_told_by_its_group(bank):
    group = {"atomicity_group": "g"}
    items = [entry("a", **group), entry("b", "commit_driver", **group), entry("c", **group), entry("d")]
    answers = rehearse(items)
    assert fates(answers) == ["500 transaction_broken", "500 transaction_broken", "424 not_run", "424 not_run"]
    assert references("default") == ["a", "b"]


def test_failure_does_not_stop_the_rest(bank):
    answers = rehearse([entry("a", "refuse", id="a"), entry("b", depends_on="a"), entry("c"), entry("d", "crash")])
    assert fates(answers) == ["400", "424 failed_dependency", "201", "500"]


def test_what_a_failing_view_has_written_is_there_as_it_would_be(bank):
    assert fates(rehearse([entry("a", "refuse"), entry("a")])) == ["400", "500"]


def test_error_that_a_view_swallows_takes_back_what_it_wrote_alone(bank):
    answers = rehearse([entry("a"), entry("b", "swallow"), entry("b"), entry("a")])
    assert fates(answers) == ["201", "201", "201", "500"]


def test_batch_that_stops_at_a_failure_does_so_in_a_dry_run(bank):
    assert fates(rehearse([entry("a", "refuse"), entry("b")], continue_on_error=False)) == ["400", "424 not_run"]


THEN = st.sampled_from(
    ["nothing", "refuse", "redirect", "crash", "stream", "savepoint", "savepoint_conflict", "swallow_raw"]
)
ALIAS = st.sampled_from(["default", "archive"])
REFERENCES = st.integers(0, 5).map("e{}".format)
writes = st.builds(entry, REFERENCES, THEN, alias=ALIAS)
payments = st.builds(add, st.sampled_from([-60, 60]), st.sampled_from(["ada", "ben"]), alias=ALIAS)
totals = st.builds(get, st.just("total/"), alias=ALIAS)


@given(batch=st.lists(writes | payments | totals, min_size=1, max_size=8), group=st.sets(st.integers(0, 7)))
def test_law_dry_run_is_answered_as_the_run_that_follows(bank, batch, group):
    members = [{"atomicity_group": "g"} if place in group else {} for place in range(len(batch))]
    batch = [{**item, **extra} for item, extra in zip(batch, members, strict=True)]
    for alias in ("default", "archive"):
        open_accounts(alias)
    rehearsed = rehearse(batch)
    assert BatchClient().batch(batch) == rehearsed


# Groups.


def test_group_that_succeeds_is_seen_by_what_follows_and_gone_in_the_end(bank):
    group = {"atomicity_group": "g"}
    answers = rehearse([add(5, "ada", **group), add(7, "ada", alias="archive", **group), get("accounts/ada/")])
    assert fates(answers) == ["204", "204", "200"]
    assert answers[2]["body"] == {"balance": 105}
    assert balances("default") == balances("archive") == {"ada": 100, "ben": 100}


def test_group_that_fails_is_gone_at_once(bank):
    group = {"atomicity_group": "g"}
    answers = rehearse([add(5, "ada", **group), add(-500, "ben", **group), get("accounts/ada/"), entry("a")])
    assert fates(answers) == ["424 rolled_back", "409", "200", "201"]
    assert answers[2]["body"] == {"balance": 100}


def test_member_that_breaks_the_transaction_is_blamed(bank):
    answers = rehearse([entry("a"), entry("b", "swallow"), entry("c")], atomic=True)
    assert fates(answers) == ["424 rolled_back", "500 transaction_broken", "424 not_run"]
    assert references() == []


def test_atomic_batch_is_tried(bank):
    assert fates(rehearse([entry("a"), entry("b", alias="archive")], atomic=True)) == ["201", "201"]
    assert references("default") == references("archive") == []


# What is done after the commit, and beside the database.


@pytest.mark.parametrize("then", ["hook", "nested_hook", "raising_hook", "robust_hook"])
@pytest.mark.parametrize("members", [{}, {"atomic": True}], ids=["alone", "group"])
def test_on_commit_hooks_never_run(bank, then, members):
    assert fates(rehearse([entry("a", then), entry("b", then, alias="archive")], **members)) == ["201", "201"]
    BatchClient().batch([entry("c"), entry("d", alias="archive")], atomic=True)
    assert references("default") == ["c"]
    assert references("archive") == ["d"]


def test_login_counts_for_what_follows_and_is_gone_in_the_end(bookshop, settings):
    settings.BATCH = {"DRY_RUN": True, "GROUP_ALLOWED": ["example_project.bookshop.views.accounts.Login"]}
    client = BatchClient()
    response = client.send_batch({"requests": [LOGIN, ME], "dry_run": True})
    assert [answer["status"] for answer in response.json()["responses"]] == [200, 200]
    assert response.json()["responses"][1]["body"]["username"] == "ada"
    assert not response.cookies
    assert not Session.objects.exists()
    assert client.get("/api/me/").json()["username"] == ""


@pytest.mark.parametrize("engine", ["db", "cached_db", "signed_cookies"])
@pytest.mark.parametrize("save_every_request", [False, True])
@pytest.mark.parametrize("last", [[], [LOGOUT, VISIT]], ids=["changed", "ended"])
@pytest.mark.parametrize("group", [{}, {"atomicity_group": "g"}], ids=["each", "in a group"])
def test_session_goes_on_as_it_was(bookshop, settings, engine, save_every_request, last, group):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_SAVE_EVERY_REQUEST = save_every_request
    client = BatchClient()
    client.login(username="ada", password="ada-secret")
    client.get("/api/visits/")
    items = [VISIT, VISIT, *last]
    visits = [answer["body"] for answer in client.batch([{**each, **group} for each in items], dry_run=True)]
    assert visits == [{"visits": 2}, {"visits": 3}, None, {"visits": 1}][: len(visits)]
    assert client.get("/api/visits/").json() == {"visits": 2}
    assert client.get("/api/me/").json()["username"] == "ada"


def test_cookie_is_kept_for_what_follows_only(bookshop):
    client = BatchClient()
    setting = {"method": "POST", "path": "/api/cookies/?name=a&value=1&path=/"}
    response = client.send_batch({"requests": [setting, {"path": "/api/cookies/"}], "dry_run": True})
    assert response.json()["responses"][1]["body"] == {"a": "1"}
    assert not response.cookies
