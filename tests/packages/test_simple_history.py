"""django-simple-history: a record of each change, with the user who made it."""

from __future__ import annotations

import pytest

from tests.packages.samples import CHANGES, FAILING_GROUP, ORDERS
from tests.packages.shop.models import Order


def records():
    """What was done to which order, and by whom."""
    found = Order.history.select_related("history_user")
    return sorted((each.customer, each.history_type, each.history_user.username) for each in found)


@pytest.mark.parametrize("requests", [ORDERS, CHANGES], ids=["orders", "changes"])
@pytest.mark.parametrize("atomic", [False, True])
def test_batch_leaves_the_records_of_its_requests_alone(site, road, requests, atomic):
    alone = site.alone(road, requests, records)
    batch = site.batch(road, requests, records, atomic=atomic)
    assert batch.statuses == alone.statuses
    assert batch.traces == alone.traces
    assert len(alone.traces) == 3


def test_group_that_is_rolled_back_leaves_no_record(site, road):
    assert site.batch(road, FAILING_GROUP, records, atomic=True).traces == []
