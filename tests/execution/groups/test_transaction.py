"""The transaction of a group, beyond success and failure: hooks, commits that fail, blocks around it and inside it."""

import sqlite3

import pytest
from django.db import InterfaceError, OperationalError, connections, transaction
from django.test import TestCase

from django_batch.testing import BatchClient
from example_project.bookshop.models import Subscriber
from tests.bank import kept_in_mind, mishaps, open_bank
from tests.bank.batches import entry, fates, get, references
from tests.bank.models import Entry
from tests.services import connected, free_port

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


def test_hooks_of_two_databases_run_after_the_last_commit_and_inside_of_its_block(bank, monkeypatch):
    leave, left = transaction.Atomic.__exit__, []

    def exit_(self, *exc_info):
        try:
            return leave(self, *exc_info)
        finally:
            left.append((self.using, len(references("default")) + len(references("archive"))))

    with monkeypatch.context() as patch:
        patch.setattr(transaction.Atomic, "__exit__", exit_)
        answers = group(entry("a", "looking_hook", alias="archive"), entry("b", "looking_hook"))
    assert fates(answers) == ["201", "201"]
    assert references("archive") == ["a", "a-False-en"]
    assert references("default") == ["b", "b-False-en"]
    assert [count for alias, count in left if alias == "default"][-1] == 4


def test_hook_that_raises_on_one_database_leaves_those_of_other_members_on_another(bank):
    answers = group(entry("a", "raising_hook", alias="archive"), entry("b", "hook"))
    assert fates(answers) == ["500 on_commit_failed", "201"]
    assert references("archive") == ["a", "a-before-en"]
    assert references("default") == ["b", "b-hook-en"]


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


def test_commit_that_fails_after_another_has_committed_says_what_stays(bank):
    answers = group(entry("a", alias="archive"), entry("hidden", "hidden_orphan", method="GET"))
    assert fates(answers) == ["500 commit_failed"] * 2
    assert "It had been committed on 'archive' before, and stays there." in answers[0]["body"]["detail"]
    assert (references(), references("archive")) == ([], ["a"])


def test_conflict_at_a_commit_is_no_reason_to_commit_another_database_twice(bank, settings, monkeypatch):
    settings.BATCH = {"ATOMIC_RETRIES": 1}

    def fail():
        raise OperationalError(1213, "Deadlock found")

    monkeypatch.setattr(connections["default"], "_commit", fail)
    answers = group(entry("a"), entry("b", alias="archive"))
    monkeypatch.undo()
    assert fates(answers) == ["500 commit_failed"] * 2
    assert (references(), references("archive")) == ([], ["b"])


def test_conflict_at_the_commit_is_a_reason_to_run_the_group_again(bank, settings, monkeypatch):
    settings.BATCH = {"ATOMIC_RETRIES": 1}

    def fail():
        monkeypatch.undo()
        raise OperationalError(1213, "Deadlock found")

    monkeypatch.setattr(connections["default"], "_commit", fail)
    assert fates(group(entry("a"))) == ["201"]
    assert references() == ["a"]


def test_reply_to_a_commit_that_is_lost_leaves_the_outcome_unknown(bank, monkeypatch, settings):
    settings.BATCH = {"ATOMIC_RETRIES": 1}
    commit = connections["default"]._commit

    def lose():
        commit()
        raise InterfaceError("The connection is lost.")

    monkeypatch.setattr(connections["default"], "_commit", lose)
    answers = group(entry("a", "hook"), entry("b", alias="archive"))
    monkeypatch.undo()
    assert fates(answers) == ["500 outcome_unknown"] * 2
    assert "It had been committed on 'archive' before" in answers[0]["body"]["detail"]
    assert references() == ["a"]


def test_rollback_with_a_lock_wait_timeout_is_known(bank, monkeypatch):
    monkeypatch.setattr(mishaps, "conflicts", [OperationalError(1205, "Lock wait timeout exceeded")])
    assert fates(group(entry("a"), entry("b", "swallow_timeout"))) == ["424 rolled_back", "500 transaction_broken"]
    assert references() == []


@pytest.mark.parametrize("place", [0, 1])
def test_redirect_of_an_unsafe_method_to_another_place_fails_its_group(bank, place):
    items = [entry("a"), entry("b")]
    items[place] = entry("moved", "moved")
    assert fates(group(*items)) == [["301", "424 not_run"], ["424 rolled_back", "301"]][place]
    assert references() == []


def test_redirect_of_a_safe_method_fails_nobody(bank):
    assert fates(group(entry("a"), entry("b", "moved", method="GET"))) == ["201", "301"]
    assert references() == ["a"]


def test_rollback_by_the_driver_itself_is_found(bank):
    answers = group(entry("a"), entry("b", "rollback_driver"), entry("c"))
    assert fates(answers) == ["500 transaction_broken", "500 transaction_broken", "424 not_run"]
    assert "what this wrote there may be stored" in answers[0]["body"]["detail"]
    assert references() == []


def test_commit_by_the_driver_itself_is_answered_with_neither_success_nor_rolled_back(bank):
    items = [entry("a"), entry("b", alias="archive"), entry("c", "commit_driver"), entry("d")]
    answers = group(*items)
    assert fates(answers) == ["500 transaction_broken"] * 3 + ["424 not_run"]
    assert "ended on 'default' before" in answers[0]["body"]["detail"]
    assert answers[2]["body"]["detail"].startswith("'2' ended the transaction.")
    assert (references(), references("archive")) == (["a", "c"], [])


def test_member_that_commits_and_then_fails_keeps_its_answer(bank):
    answers = group(entry("a"), entry("b", "commit_and_crash"))
    assert fates(answers) == ["500 transaction_broken", "500"]
    assert references() == ["a", "b"]


def test_commit_that_no_wrapper_hears_is_found_before_the_commit(bank):
    """Nothing was said to the database in the last member but one, as far as anybody has heard."""
    unheard = entry("b", "commit_and_begin_driver", method="GET")
    answers = group(entry("a"), unheard)
    assert fates(answers) == ["500 transaction_broken", "500 transaction_broken"]
    assert references() == ["a"]


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


def test_dry_run_whose_transaction_cannot_be_begun_runs_nothing(locked_archive, settings):
    settings.BATCH = {"DRY_RUN": True}
    answers = BatchClient().batch([entry("a"), entry("b")], dry_run=True)
    assert fates(answers) == ["500 transaction_broken"] * 2
    assert references() == []


def test_interrupt_rolls_the_group_back_and_is_not_swallowed(bank):
    with pytest.raises(KeyboardInterrupt):
        group(entry("a"), entry("b", "interrupt"))
    assert references() == []
    assert fates(group(entry("c"))) == ["201"]


# Databases that are not there


@pytest.fixture
def gone():
    """A database on a server that nobody has started."""
    address = {"HOST": "127.0.0.1", "PORT": free_port(), "USER": "nobody", "NAME": "nothing"}
    with connected("gone", {"ENGINE": "django.db.backends.postgresql", **address}):
        yield


@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=["atomic", "dry_run"])
def test_database_that_cannot_be_reached_fails_only_those_who_use_it(bank, gone, members, settings):
    settings.BATCH = {"DRY_RUN": True}
    assert fates(BatchClient().batch([entry("a"), entry("b")], **members)) == ["201", "201"]
    answers = BatchClient().batch([entry("c"), entry("d", alias="gone")], **members)
    assert fates(answers)[1] == "500"


@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=["atomic", "dry_run"])
def test_database_that_is_reached_too_late_has_no_part(bank, monkeypatch, members, settings):
    settings.BATCH = {"DRY_RUN": True}
    connection = connections["archive"]
    ensure = connection.ensure_connection

    def fail():
        monkeypatch.setattr(connection, "ensure_connection", ensure)
        raise OperationalError("Nobody is there.")

    monkeypatch.setattr(connection, "ensure_connection", fail)
    assert "500" in fates(BatchClient().batch([entry("a", alias="archive")], **members))
    assert references("archive") == []


@pytest.mark.django_db(databases=["default"])
@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=["atomic", "dry_run"])
def test_database_that_a_test_case_may_not_use_has_no_part(members, settings):
    settings.BATCH = {"DRY_RUN": True}
    subscribe = {"method": "POST", "path": "/api/newsletter/", "body": {"email": "ada@example.com"}}
    assert fates(BatchClient().batch([subscribe], **members)) == ["200"]


# What is given back


@pytest.mark.parametrize("last", [entry("refused", "refuse"), entry("hidden", "hidden_orphan", method="GET")])
def test_room_of_bodies_that_were_rolled_back_is_given_back(bank, settings, last):
    settings.BATCH = {"MAX_RESPONSE_SIZE": 100}
    balance = get("accounts/ada/")
    items = [{**balance, "atomicity_group": f"g{place}"} for place in range(12) for _ in range(2)]
    members = [each for place in range(12) for each in (items[2 * place], {**last, "atomicity_group": f"g{place}"})]
    answers = BatchClient().batch([*members, balance])
    assert answers[-1]["body"] == {"balance": 100}


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
