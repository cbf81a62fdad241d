"""All or nothing on PostgreSQL and MariaDB: what only a real server does, and only between real transactions."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache

import pytest
from django.db import OperationalError, connections, transaction
from django.db.backends.postgresql.psycopg_any import IsolationLevel, sql
from hypothesis import given
from hypothesis import strategies as st

from django_batch.signals import group_retried
from django_batch.testing import BatchClient
from tests.bank import create_tables, mishaps, open_accounts
from tests.bank.batches import add, balances, entry, fates, get
from tests.services import SERVICES, connected, database_or_skip

# What happens -> what the member of a group that it happens in is answered.
FAILURES = {
    "refuse": "400",
    "stream": "500",
    "durable": "500",
    "commit": "500",
    "commented_commit": "500",
    "rollback": "500",
    "mark": "500 transaction_broken",
    "swallow": "500 transaction_broken",
    "close": "500 transaction_broken",
    "connect": "500 transaction_broken",
    "left_open": "500 transaction_broken",
    "crash_left_open": "500",
    "lose": "500",
}
FAILURES_OF = {
    "postgresql": {
        "swallow_raw": "500 transaction_broken",
        "swallow_lose": "500 transaction_broken",
        "lose_unseen": "500 transaction_broken",
        "close_driver": "500 transaction_broken",
        "orphan": "500 constraint_violated",
    },
    "mariadb": {"begin": "500", "define": "500", "orphan": "500"},
}
CASES = [(server, then) for server, also in FAILURES_OF.items() for then in FAILURES | also]
SERIALIZABLE = {
    "postgresql": {"isolation_level": IsolationLevel.SERIALIZABLE},
    "mariadb": {"isolation_level": "serializable"},
}
# Writing to a row that was changed since the transaction has first seen it is an error.
SNAPSHOT = {
    "postgresql": {"isolation_level": IsolationLevel.REPEATABLE_READ},
    "mariadb": {"isolation_level": "repeatable read", "init_command": "SET innodb_snapshot_isolation = 1"},
}


@pytest.fixture(scope="session")
def banks(django_db_setup, django_db_blocker):
    """The name of a server -> the settings of a database there that has a bank. Each is made once, when asked for."""
    with ExitStack() as stack:

        @cache
        def open_bank(name):
            database = stack.enter_context(database_or_skip(name))
            with django_db_blocker.unblock(), connected(name, database):
                create_tables(name)
            return database

        yield open_bank


@pytest.fixture(params=SERVICES)
def server(request, banks, django_db_blocker, settings):
    """The alias of a bank on a real server, which is the name of that server."""
    name = request.param
    database = banks(name)
    settings.ROOT_URLCONF = "tests.bank.urls"
    with django_db_blocker.unblock(), connected(name, {**database, "OPTIONS": dict(database["OPTIONS"])}):
        open_accounts(name)
        yield name


def isolated(server, options):
    """Have all further connections to `server` made with `options`."""
    connections[server].settings_dict["OPTIONS"] |= options[server]
    connections[server].close()
    return server


@pytest.fixture
def serializable(server):
    return isolated(server, SERIALIZABLE)


@pytest.fixture
def snapshot(server):
    return isolated(server, SNAPSHOT)


@pytest.fixture
def retries():
    """The errors for which groups were run again."""
    errors = []

    def receive(error, **arguments):
        errors.append(error)

    group_retried.connect(receive)
    yield errors
    group_retried.disconnect(receive)


@pytest.fixture
def at_once(server, monkeypatch, settings):
    """Sends groups at once, each from a thread of its own, and hands back their fates. They can meet once."""

    def send(group):
        try:
            return fates(BatchClient().batch(group, atomic=True))
        finally:
            connections.close_all()

    def send_all(*groups, retries):
        settings.BATCH = {"ATOMIC_DATABASES": [server], "ATOMIC_RETRIES": retries}
        monkeypatch.setattr(mishaps, "meeting", mishaps.Meeting())
        with ThreadPoolExecutor(len(groups)) as pool:
            return sorted(pool.map(send, groups))

    return send_all


def committed(server):
    """The references in the ledger, as another connection sees them."""
    connection = connections.create_connection(server)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT reference FROM bank_entry ORDER BY id")
            return [reference for (reference,) in cursor.fetchall()]
    finally:
        connection.close()


def trio(server, then, place):
    items = [entry(f"{then}{place}{position}", alias=server, atomicity_group=f"g{place}") for position in range(3)]
    items[place] = entry(f"{then}{place}{place}", then, alias=server, atomicity_group=f"g{place}")
    return items


@pytest.mark.parametrize(("server", "then"), CASES, indirect=["server"])
def test_failing_member_leaves_nothing_of_its_group_and_no_harm(server, then):
    fate = (FAILURES | FAILURES_OF[server])[then]
    groups = [[*trio(server, then, place), entry(f"single{place}", alias=server)] for place in range(3)]
    answers = BatchClient().batch([item for group in groups for item in group])
    assert fates(answers[0:4]) == [fate, "424 not_run", "424 not_run", "201"]
    assert fates(answers[4:8]) == ["424 rolled_back", fate, "424 not_run", "201"]
    assert fates(answers[8:]) == ["424 rolled_back", "424 rolled_back", fate, "201"]
    assert fates(BatchClient().batch([entry("next", alias=server)], atomic=True)) == ["201"]
    assert committed(server) == ["single0", "single1", "single2", "next"]


@pytest.mark.parametrize("then", ["refuse", "swallow", "commit", "lose"])
def test_group_of_another_dialect_is_all_or_nothing_too(server, then):
    thens = ["nothing", then, "nothing"]
    urls = [f"{server}/entries/e{place}/?then={each}" for place, each in enumerate(thens)]
    members = [{"id": url, "method": "post", "url": url, "atomicityGroup": "g"} for url in urls]
    single = {"id": "single", "method": "post", "url": f"{server}/entries/single/"}
    content = {"requests": [*members, single]}
    response = BatchClient().post("/bank/$batch", content, format="json")
    assert [each["status"] for each in response.json()["responses"]] == [424, int(FAILURES[then][:3]), 424, 201]
    assert committed(server) == ["single"]


@given(st.data())
def test_entries_of_a_group_are_there_if_and_only_if_all_its_members_succeeded(server, data):
    thens = [*FAILURES, *FAILURES_OF[server], *["nothing", "hook", "savepoint_conflict", "redirect"] * 8]
    members = data.draw(st.lists(st.tuples(st.sampled_from(thens), st.sampled_from("gh")), min_size=1, max_size=10))
    open_accounts(server)
    items = [
        entry(f"e{place}", then, alias=server, atomicity_group=group) for place, (then, group) in enumerate(members)
    ]
    answers = BatchClient().batch(items)
    ledger = committed(server)
    for name in {group for _, group in members}:
        places = [place for place, (_, group) in enumerate(members) if group == name]
        succeeded = all(answers[place]["status"] < 400 for place in places)
        assert {f"e{place}" in ledger for place in places} == {succeeded}


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
@pytest.mark.parametrize("then", ["swallow_lose", "lose_unseen"])
def test_connection_lost_behind_the_back_of_a_member_fails_it(server, then):
    answers = BatchClient().batch([*trio(server, then, 1), entry("single", alias=server)])
    assert fates(answers) == ["424 rolled_back", "500 transaction_broken", "424 not_run", "201"]
    assert committed(server) == ["single"]


def test_connection_lost_before_the_commit_fails_every_member(server):
    items = [entry("a", "hook", alias=server), entry("b", "lose_unseen", alias=server, method="GET")]
    answers = BatchClient().batch([{**item, "atomicity_group": "g"} for item in items] + [entry("c", alias=server)])
    assert fates(answers) == ["500 commit_failed", "500 commit_failed", "201"]
    assert committed(server) == ["c"]


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)  # PostgreSQL is told nothing between a commit and a hook
def test_connection_lost_after_the_commit_fails_nobody(server):
    items = [entry("a", "hook", alias=server), entry("b", "lose_after_commit", alias=server)]
    answers = BatchClient().batch([{**item, "atomicity_group": "g"} for item in items] + [entry("c", alias=server)])
    assert fates(answers) == ["201", "201", "201"]
    assert committed(server) == ["a", "b", "a-hook-en", "c"]


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_connection_lost_after_a_rollback_is_made_anew_before_the_retry(server, monkeypatch, retries, settings):
    settings.BATCH = {"ATOMIC_RETRIES": 1}
    monkeypatch.setattr(mishaps, "conflicts", [OperationalError(1213, "Deadlock found")])
    answers = BatchClient().batch([entry("a", alias=server), entry("b", "conflict_lost", alias=server)], atomic=True)
    assert fates(answers) == ["201", "201"]
    assert len(retries) == 1
    assert fates(BatchClient().batch([entry("c", alias=server)], atomic=True)) == ["201"]
    assert committed(server) == ["a", "b", "c"]


def test_server_that_goes_away_fails_all_until_it_is_back(server):
    port = connections[server].settings_dict["PORT"]
    group = trio(server, "lose_server", 1)
    answers = BatchClient().batch(
        [*group, entry("single", alias=server), entry("g", alias=server, atomicity_group="h")]
    )
    assert fates(answers) == ["424 rolled_back", "500", "424 not_run", "500", "500"]
    connections[server].settings_dict["PORT"] = port
    assert fates(BatchClient().batch([entry("next", alias=server)], atomic=True)) == ["201"]
    assert committed(server) == ["next"]


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_constraint_that_only_the_commit_finds_fails_every_member(server):
    hidden = entry("b", "hidden_orphan", alias=server, method="GET")
    answers = BatchClient().batch([entry("a", "hook", alias=server), hidden], atomic=True)
    assert fates(answers) == ["500 commit_failed", "500 commit_failed"]
    assert committed(server) == []


@pytest.fixture
def deferrable(server):
    """That references are unique may be deferred there, and is not."""
    name = "bank_entry_reference_key"

    def constrain(how):
        unique = f"ADD CONSTRAINT {name} UNIQUE (reference) {how}"
        mishaps.execute_elsewhere(server, f"ALTER TABLE bank_entry DROP CONSTRAINT {name}, {unique}")

    constrain("DEFERRABLE INITIALLY IMMEDIATE")
    yield
    connections[server].close()
    constrain("NOT DEFERRABLE")


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_constraint_that_is_not_deferred_stays_so_for_the_next_member(server, deferrable):
    answers = BatchClient().batch(
        [entry("a", alias=server), entry("b", "savepoint_conflict", alias=server)], atomic=True
    )
    assert fates(answers) == ["201", "201"]
    assert committed(server) == ["a", "b"]


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_failed_copy_that_was_swallowed_fails_its_group(server):
    copy = entry("b", "copy", alias=server, method="GET")
    answers = BatchClient().batch([entry("a", alias=server), copy], atomic=True)
    assert fates(answers) == ["424 rolled_back", "500 transaction_broken"]
    assert committed(server) == []


HIDDEN = ["EXECUTE IMMEDIATE 'COMMIT'", "/*!50000 COMMIT */", "# why\nCOMMIT", "BEGIN NOT ATOMIC COMMIT; END"]


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
@pytest.mark.parametrize("statement", HIDDEN)
def test_commit_that_is_on_no_list_is_answered_with_neither_success_nor_rolled_back(server, monkeypatch, statement):
    monkeypatch.setattr(mishaps, "said", (statement, None))
    items = [entry("a", alias=server), entry("b", "say", alias=server), entry("c", alias=server)]
    answers = BatchClient().batch(items, atomic=True)
    assert fates(answers) == ["500 transaction_broken", "500 transaction_broken", "424 not_run"]
    assert all("may be stored" in answer["body"]["detail"] for answer in answers[:2])
    assert committed(server) == ["a", "b"]


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
@pytest.mark.parametrize("statement", ["ANALYZE TABLE bank_entry", "FLUSH STATUS", "CHECK TABLE bank_entry"])
def test_statement_that_commits_and_is_on_the_list_is_refused(server, monkeypatch, statement):
    monkeypatch.setattr(mishaps, "said", (statement, None))
    answers = BatchClient().batch([entry("a", alias=server), entry("b", "say", alias=server)], atomic=True)
    assert fates(answers) == ["424 rolled_back", "500"]
    assert committed(server) == []


def test_commit_by_the_driver_is_found_and_told(server):
    answers = BatchClient().batch([entry("a", alias=server), entry("b", "commit_driver", alias=server)], atomic=True)
    assert fates(answers) == ["500 transaction_broken", "500 transaction_broken"]
    assert committed(server) == ["a", "b"]


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_rollback_by_the_driver_is_found_and_told(server):
    answers = BatchClient().batch([entry("a", alias=server), entry("b", "rollback_driver", alias=server)], atomic=True)
    assert fates(answers) == ["500 transaction_broken", "500 transaction_broken"]
    assert committed(server) == []


def test_commit_whose_reply_is_lost_has_an_unknown_outcome(server):
    answers = BatchClient().batch([entry("a", alias=server), entry("b", "lose_reply", alias=server)], atomic=True)
    assert fates(answers) == ["500 outcome_unknown", "500 outcome_unknown"]
    assert f"The connection to '{server}' was lost during the commit" in answers[0]["body"]["detail"]
    assert committed(server) == ["a", "b"]
    assert fates(BatchClient().batch([entry("c", alias=server)], atomic=True)) == ["201"]


def test_connection_that_was_lost_before_a_group_harms_only_those_who_use_it(server):
    connections[server].ensure_connection()
    mishaps.lose_unseen(server, "")
    assert fates(BatchClient().batch([{"path": "/nowhere/"}], atomic=True)) == ["404"]
    assert fates(BatchClient().batch([entry("a", alias=server)], atomic=True)) == ["201"]


# What is set for a transaction only

LOCAL = [
    ("SET LOCAL ROLE bank_clerk", None),
    ("set local role to bank_clerk", None),
    ("SET LOCAL SESSION AUTHORIZATION bank_clerk", None),
    ("SELECT set_config('bank.tenant', 'ada', true)", None),
    ("SELECT set_config(%s, %s, %s)", ["bank.tenant", "ada", True]),
    ("SELECT %s, set_config(%s, 'ada', true)", ["x", "bank.tenant"]),
    ("SELECT set_config(%(name)s, %(value)s, true)", {"name": "bank.tenant", "value": "ada"}),
    ("SET LOCAL bank.tenant = 'ada'; SET LOCAL bank.tenant = 'ben'", None),
    ("SET LOCAL \"bank.tenant\" = 'ada'", None),
    ("DO $$ BEGIN PERFORM set_config('statement_timeout', '5000', true); END $$", None),
    (sql.SQL("SELECT set_config({}, {}, true)").format(sql.Literal("bank.tenant"), sql.Literal("ada")), None),
]


@pytest.fixture
def clerk(server):
    """A role that a view can take. Roles belong to the whole server, on which other tests may be running."""
    name = f"bank_clerk_{os.getpid()}"
    with connections[server].cursor() as cursor:
        cursor.execute(f"DROP ROLE IF EXISTS {name}")
        cursor.execute(f"CREATE ROLE {name}")
    yield name
    with connections[server].cursor() as cursor:
        cursor.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
@pytest.mark.parametrize("said", LOCAL, ids=str)
@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=["atomic", "dry_run"])
def test_setting_of_a_member_is_not_that_of_the_next(server, clerk, monkeypatch, said, members, settings):
    settings.BATCH = {"DRY_RUN": True}
    statement, params = said
    if isinstance(statement, str):
        statement = statement.replace("bank_clerk", clerk)
    monkeypatch.setattr(mishaps, "said", (statement, params))
    look = entry("look", "tell_settings", alias=server, method="GET")
    items = [look, entry("a", "say", alias=server), look]
    before, done, after = BatchClient().batch(items, **members)
    assert fates([done]) == ["201"]
    assert after["body"] == before["body"] == {"settings": [True, "", "0"]}


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_setting_that_nobody_knows_fails_as_alone(server, monkeypatch):
    monkeypatch.setattr(mishaps, "said", ("SET LOCAL nonsense = 1", None))
    assert fates(BatchClient().batch([entry("a", "say", alias=server)], atomic=True)) == ["500"]


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_setting_that_cannot_be_told_lets_no_further_member_run(server, monkeypatch, settings):
    settings.BATCH = {"DRY_RUN": True}
    monkeypatch.setattr(mishaps, "said", ("SELECT set_config('bank.' || 'tenant', 'ada', true)", None))
    setting = entry("a", "say", alias=server)
    assert fates(BatchClient().batch([setting], atomic=True)) == ["201"]
    answers = BatchClient().batch([entry("b", "say", alias=server), entry("c", alias=server)], atomic=True)
    assert fates(answers) == ["424 rolled_back", "500 transaction_broken"]
    assert "Name the setting in the statement." in answers[1]["body"]["detail"]
    answers = BatchClient().batch([entry("d", "say", alias=server), entry("e", alias=server)], dry_run=True)
    assert fates(answers) == ["201", "500 transaction_broken"]
    assert committed(server) == ["a"]


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_failed_statement_that_was_swallowed_is_no_failure_where_it_breaks_nothing(server):
    answers = BatchClient().batch([entry("a", "swallow_raw", alias=server), entry("b", alias=server)], atomic=True)
    assert fates(answers) == ["201", "201"]
    assert committed(server) == ["a", "b"]


def test_hooks_run_after_the_commit_and_one_that_raises_fails_its_own_member(server):
    thens = {"a": "hook", "b": "raising_hook", "c": "nested_hook", "d": "robust_hook"}
    answers = BatchClient().batch([entry(name, then, alias=server) for name, then in thens.items()], atomic=True)
    assert fates(answers) == ["201", "500 on_commit_failed", "201", "201"]
    hooks = ["a-hook-en", "b-before-en", "c-outer-en", "c-inner-en", "d-hook-en"]
    assert committed(server) == ["a", "b", "c", "d", *hooks]


def test_view_that_leaves_autocommit_off_loses_only_what_it_never_committed(server):
    answers = BatchClient().batch([entry("a", "autocommit_off", alias=server), entry("b", alias=server)])
    assert fates(answers) == ["201", "201"]
    assert committed(server) == ["a", "b"]


def test_connection_lost_by_a_single_subrequest_is_made_anew_for_the_next(server):
    answers = BatchClient().batch([entry("a", "lose", alias=server), entry("b", alias=server)])
    assert fates(answers) == ["500", "201"]
    assert committed(server) == ["a", "b"]


@pytest.mark.parametrize("atomic", [False, True])
def test_connection_of_an_outer_block_is_left_alone(server, atomic):
    with transaction.atomic(using=server):
        answers = BatchClient().batch([entry("a", "hook", alias=server), entry("b", alias=server)], atomic=atomic)
        assert fates(answers) == ["201", "201"]
        assert committed(server) == []
    assert committed(server) == ["a", "b", "a-hook-en"]


def test_row_locked_by_a_member_is_locked_until_the_end_of_its_group(server):
    lock, look = get("accounts/ada/?lock=", alias=server), get("accounts/ada/locked/", alias=server)
    answers = BatchClient().batch([{**lock, "atomicity_group": "g"}, {**look, "atomicity_group": "g"}, look])
    assert fates(answers) == ["200", "200", "200"]
    assert [answer["body"] for answer in answers[1:]] == [{"locked": True}, {"locked": False}]


def test_row_can_be_locked_in_a_group_only(server):
    lock = get("accounts/ada/?lock=", alias=server)
    assert fates(BatchClient().batch([lock])) == ["500"]
    assert fates(BatchClient().batch([lock], atomic=True)) == ["200"]


# Two transactions


def crossing(server, query=""):
    """Two groups that lock the same two rows, in opposite order."""
    names, meeting = ["ada", "ben"], get("meeting/", alias=server)
    return [
        [add(1, first, alias=server), meeting, add(1, second, alias=server, query=query)]
        for first, second in (names, reversed(names))
    ]


def skewed(server):
    """Two groups that each take all that they may, as far as they can see."""
    seen = [get("total/", alias=server), get("meeting/", alias=server)]
    return [[*seen, add(-100, name, alias=server, query="keep=100")] for name in ("ada", "ben")]


def test_deadlock_is_retried_to_success(server, at_once, retries):
    assert at_once(*crossing(server), retries=3) == [["204"] * 3, ["204"] * 3]
    assert balances(server) == {"ada": 102, "ben": 102}
    assert retries


def test_deadlock_that_is_not_retried_fails_one_of_two_groups(server, at_once, retries):
    assert at_once(*crossing(server), retries=0) == [["204"] * 3, ["424 rolled_back", "424 rolled_back", "500"]]
    assert balances(server) == {"ada": 101, "ben": 101}
    assert retries == []


def test_swallowed_deadlock_fails_the_group_all_the_same(server, at_once):
    broken = ["424 rolled_back", "424 rolled_back", "500 transaction_broken"]
    assert at_once(*crossing(server, query="swallow="), retries=0) == [["204"] * 3, broken]
    assert balances(server) == {"ada": 101, "ben": 101}


def test_swallowed_deadlock_is_retried_to_success(server, at_once, retries):
    assert at_once(*crossing(server, query="swallow="), retries=3) == [["204"] * 3, ["204"] * 3]
    assert balances(server) == {"ada": 102, "ben": 102}
    assert retries


def test_groups_of_one_batch_in_each_others_way_side_by_side_are_retried(server, retries, monkeypatch, settings):
    settings.BATCH = {"ATOMIC_DATABASES": [server], "ATOMIC_RETRIES": 3}
    monkeypatch.setattr(mishaps, "meeting", mishaps.Meeting())
    one, other = crossing(server)
    items = [{**item, "atomicity_group": "one"} for item in one] + [
        {**item, "atomicity_group": "other"} for item in other
    ]
    answers = BatchClient().batch([*items, entry("single", alias=server)], path="/bank/batch/", parallel=True)
    assert fates(answers) == [*["204"] * 6, "201"]
    assert balances(server) == {"ada": 102, "ben": 102}
    assert retries


def test_write_skew_is_retried_and_then_sees_what_the_other_has_written(serializable, at_once, retries):
    refused = ["424 rolled_back", "424 rolled_back", "409"]
    assert at_once(*skewed(serializable), retries=3) == [["200", "204", "204"], refused]
    assert sorted(balances(serializable).values()) == [0, 100]
    assert retries


def test_write_skew_that_is_not_retried_fails_one_of_two_groups(serializable, at_once):
    succeeded, failed = at_once(*skewed(serializable), retries=0)
    assert succeeded == ["200", "204", "204"]
    assert failed in (["424 rolled_back", "424 rolled_back", "500"], ["500 commit_failed"] * 3)
    assert sorted(balances(serializable).values()) == [0, 100]


def outpaced(server, query=""):
    """A group that sees a row, which another transaction then changes before it writes to it."""
    row = get("accounts/ada/", alias=server)
    outpace = get("accounts/ada/outpaced/", alias=server)
    return [entry("a", alias=server), row, outpace, add(10, "ada", alias=server, query=query)]


def test_group_outpaced_each_time_fails_when_its_retries_are_used_up(snapshot, retries, settings):
    settings.BATCH = {"ATOMIC_RETRIES": 2}
    answers = BatchClient().batch(outpaced(snapshot), atomic=True)
    assert fates(answers) == [*["424 rolled_back"] * 3, "500"]
    assert len(retries) == 2
    assert committed(snapshot) == []
    assert balances(snapshot)["ada"] == 103  # others have been faster three times


def test_group_outpaced_is_not_saved_by_a_view_that_swallows_the_error(snapshot):
    answers = BatchClient().batch(outpaced(snapshot, query="swallow="), atomic=True)
    assert fates(answers) == [*["424 rolled_back"] * 3, "500 transaction_broken"]
    assert committed(snapshot) == []


@pytest.fixture
def row_lock(server):
    """Holds the row of ada. Calling it lets go."""
    connection = connections.create_connection(server)
    connection.set_autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM bank_account WHERE name = 'ada' FOR UPDATE")
    yield connection.rollback
    connection.close()


# MariaDB says the same as of a wait that took too long; PostgreSQL has a word of its own for who would not wait.
@pytest.mark.parametrize(
    ("server", "expected"),
    [("mariadb", ["201", "200"]), ("postgresql", ["424 rolled_back", "500"])],
    indirect=["server"],
)
def test_lock_that_is_not_waited_for_is_a_conflict_on_mariadb(server, row_lock, retries, settings, expected):
    settings.BATCH = {"ATOMIC_RETRIES": 1}

    def let_go(**arguments):
        row_lock()

    group_retried.connect(let_go)
    lock = get("accounts/ada/?lock=nowait", alias=server)
    answers = BatchClient().batch([entry("a", alias=server), lock], atomic=True)
    assert fates(answers) == expected
    assert group_retried.disconnect(let_go)
