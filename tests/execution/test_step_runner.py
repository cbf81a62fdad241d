"""When a group is run again, how often, after how long, and who is told; and what a step leaves to the one after it.

What the server says is told to the views here. Real servers say it in `tests/test_groups.py`.
"""

import logging

import pytest
from django.db import OperationalError

from django_batch.execution.executors.deadline import Deadline
from django_batch.signals import group_retried
from django_batch.testing import BatchClient
from django_batch.views import BatchView
from tests.bank import kept_in_mind, mishaps, open_bank
from tests.bank.batches import entry, fates, references

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def dry_runs(settings):
    """The site allows them."""
    settings.BATCH = {"DRY_RUN": True}


@pytest.fixture
def bank(bookshop, settings):
    settings.ROOT_URLCONF = "tests.bank.urls"
    with open_bank("default", "archive"):
        yield


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """The longest that each pause can be, in seconds. Nobody waits."""
    taken = []
    monkeypatch.setattr("django_batch.execution.step_runner.uniform", lambda least, most: most)
    monkeypatch.setattr("django_batch.execution.step_runner.sleep", taken.append)
    return taken


@pytest.fixture
def conflicts(monkeypatch):
    """Three deadlocks that the next views will run into."""
    errors = [OperationalError(1213, f"Deadlock {number}") for number in (1, 2, 3)]
    monkeypatch.setattr(mishaps, "conflicts", list(errors))
    return errors


@pytest.fixture
def retries():
    """What the receivers of `group_retried` are told."""
    told = []

    def receive(sender, **arguments):
        told.append((sender, arguments))

    group_retried.connect(receive)
    yield told
    group_retried.disconnect(receive)


def test_group_in_conflict_is_not_run_again_by_default(bank, conflicts, retries, pauses):
    answers = BatchClient().batch([entry("a"), entry("b", "conflict"), entry("c")], atomic=True)
    assert fates(answers) == ["424 rolled_back", "500", "424 not_run"]
    assert references() == []
    assert retries == pauses == []


@pytest.mark.parametrize("then", ["conflict", "swallow_conflict"])
def test_group_in_conflict_is_run_again_from_the_start(bank, conflicts, settings, retries, then):
    settings.BATCH = {"ATOMIC_RETRIES": 3}
    answers = BatchClient().batch([entry("a", "hook"), entry("b", then), entry("c", alias="archive")], atomic=True)
    assert fates(answers) == ["201", "201", "201"]
    assert references() == ["a", "b", "a-hook-en"]
    assert references("archive") == ["c"]
    assert len(retries) == 3


def test_group_in_conflict_for_too_long_is_rolled_back(bank, conflicts, settings, retries):
    settings.BATCH = {"ATOMIC_RETRIES": 2}
    items = [entry("a", atomicity_group="g"), entry("b", "conflict", atomicity_group="g"), entry("single")]
    assert fates(BatchClient().batch(items)) == ["424 rolled_back", "500", "201"]
    assert references() == ["single"]
    assert len(retries) == 2


def test_each_pause_before_a_retry_is_twice_as_long_at_most(bank, conflicts, settings, pauses):
    settings.BATCH = {"ATOMIC_RETRIES": 3}
    BatchClient().batch([entry("a", "conflict")], atomic=True)
    assert pauses == [0.05, 0.1, 0.2]


def test_group_whose_time_is_over_is_not_run_again(bank, conflicts, settings, monkeypatch, retries):
    settings.BATCH = {"ATOMIC_RETRIES": 3, "TIMEOUT": 60}
    over = []
    monkeypatch.setattr("django_batch.execution.step_runner.sleep", over.append)
    monkeypatch.setattr(Deadline, "over", lambda self: bool(over))
    assert fates(BatchClient().batch([entry("a", "conflict")], atomic=True)) == ["500"]
    assert len(retries) == 1


def test_receiver_is_told_who_is_run_again_how_often_and_why(bank, conflicts, settings, retries):
    settings.BATCH = {"ATOMIC_RETRIES": 2}
    BatchClient().batch([entry("a", id="first"), entry("b", "conflict", id="second")], atomic=True)
    assert [sender for sender, _ in retries] == [BatchView, BatchView]
    assert [arguments["request"].path for _, arguments in retries] == ["/batch/", "/batch/"]
    assert [[each.id for each in arguments["subrequests"]] for _, arguments in retries] == [["first", "second"]] * 2
    assert [arguments["attempt"] for _, arguments in retries] == [1, 2]
    assert [arguments["error"] for _, arguments in retries] == conflicts[:2]


def test_receiver_that_raises_changes_no_answer(bank, conflicts, settings):
    settings.BATCH = {"ATOMIC_RETRIES": 3}

    def receive(**arguments):
        raise RuntimeError("A receiver is broken.")

    group_retried.connect(receive)
    try:
        assert fates(BatchClient().batch([entry("a", "conflict")], atomic=True)) == ["201"]
    finally:
        group_retried.disconnect(receive)


def test_retry_is_logged(bank, conflicts, settings, caplog):
    settings.BATCH = {"ATOMIC_RETRIES": 3}
    with caplog.at_level(logging.INFO, "django_batch"):
        BatchClient().batch([entry("a"), entry("b", "conflict")], atomic=True)
    assert "Group of 2 sub-requests is run again, retry 3: (1213, 'Deadlock 3')" in caplog.messages


def test_group_that_fails_without_a_conflict_is_not_run_again(bank, settings, retries):
    settings.BATCH = {"ATOMIC_RETRIES": 3}
    assert fates(BatchClient().batch([entry("a", "swallow")], atomic=True)) == ["500 transaction_broken"]
    assert retries == []


def test_conflict_that_a_member_lived_with_is_no_reason_to_run_its_group_again(bank, monkeypatch, settings, retries):
    settings.BATCH = {"ATOMIC_RETRIES": 3}
    monkeypatch.setattr(mishaps, "conflicts", [OperationalError(1205, "Lock wait timeout exceeded")])
    answers = BatchClient().batch([entry("a", "swallow_conflict"), entry("b", "refuse")], atomic=True)
    assert fates(answers) == ["424 rolled_back", "400"]
    assert retries == []


def test_single_subrequest_in_conflict_is_answered_as_alone(bank, conflicts, settings, retries):
    settings.BATCH = {"ATOMIC_RETRIES": 3}
    assert fates(BatchClient().batch([entry("a", "conflict")])) == ["500"]
    assert retries == []


def test_cookie_of_an_attempt_that_failed_is_set_once(bank, conflicts, settings):
    settings.BATCH = {"ATOMIC_RETRIES": 3}
    client = BatchClient()
    cookie = {"method": "POST", "path": "/api/cookies/?name=colour&value=green"}
    refused = [{**cookie, "atomicity_group": "g"}, entry("b", "refuse", atomicity_group="g"), {"path": "/api/cookies/"}]
    assert client.batch(refused)[2]["body"] == {}
    retried = [
        {**cookie, "atomicity_group": "g"},
        entry("b", "conflict", atomicity_group="g"),
        {"path": "/api/cookies/"},
    ]
    assert client.batch(retried)[2]["body"] == {"colour": "green"}
    assert client.cookies["colour"].value == "green"


def test_session_that_a_committed_group_of_a_dry_run_has_changed_is_as_it_was(bookshop, settings):
    """The cache is not rolled back: what it keeps of such a session is forgotten."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
    client = BatchClient()
    client.login(username="ada", password="ada-secret")
    client.get("/api/visits/")
    visit = {"path": "/api/visits/", "atomicity_group": "g"}
    assert fates(client.batch([visit, visit], dry_run=True)) == ["200", "200"]
    assert client.get("/api/visits/").json() == {"visits": 2}


def test_session_is_as_it_was_after_a_commit_that_failed(bank, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
    settings.ROOT_URLCONF = "tests.bank.urls"
    client = BatchClient()
    client.login(username="ada", password="ada-secret")
    client.get("/api/visits/")
    hidden = entry("hidden", "hidden_orphan", method="GET")
    assert fates(client.batch([{"path": "/api/visits/"}, hidden], atomic=True)) == ["500 commit_failed"] * 2
    assert client.get("/api/visits/").json() == {"visits": 2}


@pytest.mark.parametrize(("then", "fate"), [("commit", "500"), ("swallow_commit", "201"), ("rollback", "500")])
def test_dry_run_leaves_nothing_of_a_view_that_commits(bank, then, fate):
    answers = BatchClient().batch([entry("a"), entry("b", then), entry("c")], dry_run=True)
    assert fates(answers) == ["201", fate, "201"]
    assert references() == []


def test_dry_run_that_loses_a_connection_is_answered_to_its_end(bank):
    items = [entry("a"), entry("b", "close_driver", alias="archive"), entry("c")]
    with kept_in_mind("archive"):
        assert fates(BatchClient().batch(items, dry_run=True)) == ["201", "500 transaction_broken", "424 not_run"]
    assert references() == []
