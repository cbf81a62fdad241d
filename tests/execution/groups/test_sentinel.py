"""The savepoint that tells whether a transaction is still the one that was begun. Servers: `tests/test_groups.py`."""

from types import SimpleNamespace

import pytest
from django.db import Error, connection, transaction

from django_batch.execution.groups.sentinel import Sentinel

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sentinel():
    with transaction.atomic():
        sentinel = Sentinel(connection)
        sentinel.set()
        yield sentinel


def test_sentinel_of_a_transaction_that_goes_on_is_there(sentinel):
    sentinel.renew()
    sentinel.renew()
    assert not sentinel.is_gone()


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_sentinel_of_a_transaction_that_has_ended_is_gone(sentinel, ending):
    getattr(connection.connection, ending)()
    with pytest.raises(Error, match="no such savepoint"):
        sentinel.renew()
    assert sentinel.is_gone()


def test_sentinel_inside_of_another_does_not_replace_it(sentinel):
    with transaction.atomic():
        inner = Sentinel(connection)
        inner.set()
        inner.renew()
    assert not sentinel.is_gone()


def test_sentinel_on_a_database_with_other_savepoints_says_nothing():
    oracle = Sentinel(SimpleNamespace(vendor="oracle", savepoint_ids=[]))
    oracle.set()
    oracle.renew()
    assert not oracle.is_gone()
