"""Dry runs on PostgreSQL and MariaDB: nothing stays, or it is told that something may."""

from __future__ import annotations

import pytest
from django.db import connections

from django_batch.testing import BatchClient
from tests.bank import create_tables, mishaps, open_accounts
from tests.bank.batches import entry, fates, references
from tests.services import SERVICES, connected, database_or_skip

MISHAPS = [
    *("raising_hook", "swallow", "swallow_raw", "commit", "define"),
    *("rollback_driver", "close", "lose", "swallow_lose"),
]


@pytest.fixture(autouse=True)
def dry_runs(settings):
    """The site allows them."""
    settings.BATCH = {"DRY_RUN": True}


@pytest.fixture(scope="module", params=SERVICES)
def database(request, django_db_setup, django_db_blocker):
    with database_or_skip(request.param) as settings, django_db_blocker.unblock(), connected(request.param, settings):
        create_tables(request.param)
        yield request.param


@pytest.fixture
def server(database, settings):
    """The alias of a bank on a real server."""
    settings.ROOT_URLCONF = "tests.bank.urls"
    open_accounts(database)
    yield database
    connections[database].close()


@pytest.mark.parametrize("then", MISHAPS)
def test_whatever_happens_nothing_stays(server, then):
    batch = [entry("a", alias=server), entry("b", then, alias=server), entry("c", alias=server)]
    answers = BatchClient().batch(batch, dry_run=True)
    connections[server].close()
    assert fates(answers)[0] == "201"
    assert references(server) == []


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_commit_that_is_on_no_list_ends_the_dry_run_and_is_told(server, monkeypatch):
    monkeypatch.setattr(mishaps, "said", ("EXECUTE IMMEDIATE 'COMMIT'", None))
    batch = [entry("a", alias=server), entry("b", "say", alias=server), entry("c", alias=server)]
    answers = BatchClient().batch(batch, dry_run=True)
    assert fates(answers) == ["201", "500 transaction_broken", "424 not_run"]
    assert "may be stored" in answers[1]["body"]["detail"]
    assert references(server) == ["a", "b"]
