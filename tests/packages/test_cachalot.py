"""django-cachalot: cached queries are those that are there alone, also around a group."""

from __future__ import annotations

import pytest
from cachalot.api import cachalot_disabled

from tests.packages.outcomes import SERIAL
from tests.packages.samples import FAILING_GROUP, ORDERS, order
from tests.packages.shop.models import Order

LIST = {"path": "/api/orders/"}
MIXED = [LIST, order("Ada"), LIST, LIST, order("Ben"), LIST]


def rows():
    """The orders, as a query that may be cached and as they are."""
    cached = [*Order.objects.values_list("customer", flat=True)]
    with cachalot_disabled():
        return cached, [*Order.objects.values_list("customer", flat=True)]


@pytest.mark.parametrize("atomic", [False, True])
def test_lists_in_a_batch_are_as_alone(site, road, atomic):
    alone = site.alone(road, MIXED, rows)
    batch = site.batch(road, MIXED, rows, parallel=False, atomic=atomic)
    assert batch == alone
    assert alone.traces == (["Ada", "Ben"], ["Ada", "Ben"])


def test_query_is_answered_from_the_cache_in_a_batch(site, road, django_assert_num_queries):
    client = site.client(road)
    client.batch([LIST])
    with django_assert_num_queries(0):
        assert [*Order.objects.order_by("pk")] == []


def test_group_that_is_rolled_back_leaves_nothing_in_the_cache(site, road):
    client = site.client(road)
    assert client.batch([LIST])[0]["body"] == []
    assert 424 in [each["status"] for each in client.batch([*FAILING_GROUP, LIST], atomic=True)]
    assert client.batch([LIST])[0]["body"] == []
    assert rows() == ([], [])


def test_writes_of_a_batch_are_seen_by_requests_alone(site):
    client = site.client(SERIAL)
    assert client.get("/api/orders/").json() == []
    client.batch(ORDERS, atomic=True)
    assert len(client.get("/api/orders/").json()) == 3
