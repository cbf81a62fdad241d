"""The transaction of a group, beyond success and failure: hooks, commits that fail, blocks around it and inside it."""

import sqlite3

import pytest
from django.db import OperationalError, connections, transaction
from django.test import TestCase

from django_batch.testing import BatchClient
from example_project.bookshop.models import Subscriber
from tests.bank import kept_in_mind, open_bank
from tests.bank.batches import entry, fates, references
from tests.bank.models import Entry

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def bank(bookshop, settings):
    settings.ROOT_URLCONF = "tests.bank.urls"
    with open_bank("default", "archive"):
        yield


@pytest.fixture
def atomic_requests(monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)


@pytest.fixture
def locked_archive(bank, monkeypatch):
    """Another connection is writing, so that none can begin who says at once that it will write too."""
    monkeypatch.setattr(connections["archive"], "transaction_mode", "IMMEDIATE")
    other = sqlite3.connect(connections["archive"].settings_dict["NAME"], uri=True)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


def group(*items):
    return BatchClient().batch(items, atomic=True)


# Hooks


def test_hooks_run_after_the_commit_in_the_order_of_the_members(bank):
    assert fates(group(entry("a", "hook"), entry("b", "nested_hook"), entry("c", "hook"))) == ["201"] * 3
    assert references() == ["a", "b", "c", "a-hook-en", "b-outer-en", "b-inner-en", "c-hook-en"]


def test_hooks_of_two_databases_run_once_both_have_committed(bank):
    answers = group(entry("a", "hook"), entry("b", "hook", alias="archive"))
    assert fates(answers) == ["201", "201"]
    assert references("default") == ["a", "a-hook-en"]
    assert references("archive") == ["b", "b-hook-en"]


def test_hook_runs_in_the_language_of_its_own_member(bank):
    answers = group(entry("a", "hook", headers={"Accept-Language": "de"}), entry("b", "hook"))
    assert fates(answers) == ["201", "201"]
    assert references() == ["a", "b", "a-hook-de", "b-hook-en"]


def test_raising_hook_fails_its_own_member_and_no_other(bank):
    answers = group(entry("a", "hook"), entry("b", "raising_hook"), entry("c", "hook"))
    assert fates(answers) == ["201", "500 on_commit_failed", "201"]
    assert references() == ["a", "b", "c", "a-hook-en", "b-before-en", "c-hook-en"]


def test_raising_hook_that_is_robust_fails_nobody(bank):
    assert fates(group(entry("a", "robust_hook"))) == ["201"]
    assert references() == ["a", "a-hook-en"]


def test_hook_of_a_savepoint_that_was_rolled_back_does_not_run(bank):
    assert fates(group(entry("a", "savepoint_hook"), entry("b"))) == ["201", "201"]
    assert references() == ["a", "b"]


def test_hooks_of_a_group_that_was_rolled_back_do_not_run(bank):
    assert fates(group(entry("a", "hook"), entry("b", "refuse"))) == ["424 rolled_back", "400"]
    assert fates(group(entry("c"))) == ["201"]
    assert references() == ["c"]


# What the driver or the database does, and Django does not know


def test_constraint_that_only_the_commit_finds_fails_every_member(bank, caplog):
    hidden = entry("hidden", "hidden_orphan", alias="archive", method="GET")
    answers = group(entry("a", "hook"), entry("b", "hook", alias="archive"), hidden)
    assert fates(answers) == ["500 commit_failed"] * 3
    assert references("default") == references("archive") == []
    assert "FOREIGN KEY constraint failed" in caplog.text


def test_group_after_one_whose_commit_failed_is_kept(bank):
    items = [entry("hidden", "hidden_orphan", method="GET", atomicity_group="a"), entry("b", atomicity_group="b")]
    assert fates(BatchClient().batch(items)) == ["500 commit_failed", "201"]
    assert references() == ["b"]


def test_rollback_by_the_driver_itself_is_found(bank):
    answers = group(entry("a"), entry("b", "rollback_driver"), entry("c"))
    assert fates(answers) == ["424 rolled_back", "500 transaction_broken", "424 not_run"]
    assert references() == []


def test_connection_that_the_driver_has_closed_fails_the_group_only(bank):
    items = [
        entry("a", atomicity_group="g"),
        entry("b", "close_driver", alias="archive", atomicity_group="g"),
        entry("single"),
    ]
    with kept_in_mind("archive"):
        assert fates(BatchClient().batch(items)) == ["424 rolled_back", "500 transaction_broken", "201"]
    assert references() == ["single"]


def test_connection_lost_after_the_commit_fails_nobody(bank, monkeypatch):
    """The server has nothing to say to a driver in the same process: the wrapper fails in its place."""

    def fail(autocommit):
        if autocommit:
            monkeypatch.undo()
            raise OperationalError("The connection is lost.")

    with kept_in_mind("archive"):
        monkeypatch.setattr(connections["archive"], "_set_autocommit", fail)
        assert fates(group(entry("a"), entry("b", alias="archive"))) == ["201", "201"]
        assert not connections["archive"].connection.in_transaction
        assert (references(), references("archive")) == (["a"], ["b"])


def test_group_whose_transaction_cannot_be_begun_fails_before_any_view_runs(locked_archive):
    items = [entry("a", atomicity_group="g"), entry("b", atomicity_group="g"), entry("single")]
    answers = BatchClient().batch(items)
    assert fates(answers) == ["500 transaction_broken", "424 not_run", "201"]
    assert "'archive'" in answers[0]["body"]["detail"]
    assert references() == ["single"]


def test_interrupt_rolls_the_group_back_and_is_not_swallowed(bank):
    with pytest.raises(KeyboardInterrupt):
        group(entry("a"), entry("b", "interrupt"))
    assert references() == []
    assert fates(group(entry("c"))) == ["201"]


# ATOMIC_REQUESTS


def lenient(reference, place="lenient"):
    return entry(reference) | {"path": f"/bank/default/entries/{reference}/{place}/"}


@pytest.mark.parametrize("place", ["outside", "lenient-outside"])
def test_view_outside_of_transactions_writes_at_once_when_alone(bank, atomic_requests, place):
    assert BatchClient().post(lenient("a", place)["path"]).status_code in (200, 201)
    assert references() == ["a"]


def test_view_outside_of_transactions_is_rolled_back_with_its_group(bank, atomic_requests):
    assert fates(group(lenient("a", "outside"), entry("b", "refuse"))) == ["424 rolled_back", "400"]
    assert references() == []


def test_view_with_a_transaction_of_its_own_is_rolled_back_with_its_group(bank, atomic_requests):
    assert fates(group(entry("a"), entry("b", "crash"))) == ["424 rolled_back", "500"]
    assert references() == []


def test_rollback_mark_of_rest_framework_stays_in_the_transaction_of_its_view(bank, atomic_requests):
    """The answer is what it is alone: a success whose own entry is gone."""
    assert BatchClient().post(lenient("a")["path"]).status_code == 200
    assert references() == []
    assert fates(group(entry("b"), lenient("c"), entry("d"))) == ["201", "200", "201"]
    assert references() == ["b", "d"]


def test_rollback_mark_of_rest_framework_on_the_group_itself_fails_it(bank, atomic_requests):
    answers = group(entry("a"), lenient("b", "lenient-outside"), entry("c"))
    assert fates(answers) == ["424 rolled_back", "500 transaction_broken", "424 not_run"]
    assert references() == []


def test_validation_error_of_rest_framework_fails_the_group(bank, atomic_requests):
    review = {"method": "POST", "path": "/api/reviews/", "body": {"book": 3, "rating": 9}}
    client = BatchClient(headers={"authorization": "Token ada-token"})
    assert fates(client.batch([entry("a"), review], atomic=True)) == ["424 rolled_back", "400"]
    assert references() == []


# Inside of a transaction, as under Django's TestCase


@pytest.fixture
def outer_block(bank):
    with transaction.atomic(), transaction.atomic(using="archive"):
        yield
        transaction.set_rollback(True)
        transaction.set_rollback(True, using="archive")


def test_failing_group_in_an_outer_block_takes_nothing_else_back(outer_block):
    Entry.objects.create(reference="mine")
    answers = group(entry("a"), entry("b", alias="archive"), entry("c", "swallow"))
    assert fates(answers) == ["424 rolled_back", "424 rolled_back", "500 transaction_broken"]
    assert references("default") == ["mine"]
    assert references("archive") == []


def test_group_in_an_outer_block_is_undone_with_it(bank):
    with transaction.atomic():
        assert fates(group(entry("a"))) == ["201"]
        assert references() == ["a"]
        transaction.set_rollback(True)
    assert references() == []


def test_hooks_in_an_outer_block_wait_for_its_end(bank):
    with transaction.atomic():
        assert fates(group(entry("a", "hook"))) == ["201"]
        assert fates(group(entry("b", "hook"), entry("c", "refuse"))) == ["424 rolled_back", "400"]
        assert references() == ["a"]
    assert references() == ["a", "a-hook-en"]


def test_hooks_in_an_outer_block_are_captured_by_a_test_case(outer_block):
    with TestCase.captureOnCommitCallbacks(execute=True) as callbacks:
        assert fates(group(entry("a", "hook"))) == ["201"]
    assert len(callbacks) == 1
    assert references() == ["a", "a-hook-en"]


@pytest.mark.django_db(databases="__all__")
def test_swallowed_error_under_a_test_case_fails_its_group_only():
    subscribe = {"method": "POST", "path": "/api/newsletter/", "body": {"email": "ada@example.com"}}
    assert fates(group(subscribe, subscribe)) == ["424 rolled_back", "500 transaction_broken"]
    assert not Subscriber.objects.exists()
    assert fates(group(subscribe)) == ["200"]
    assert Subscriber.objects.count() == 1
