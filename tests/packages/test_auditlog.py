"""django-auditlog: an entry for each change, with actor, address and correlation id."""

from __future__ import annotations

import pytest
from auditlog.models import LogEntry

from tests.packages.samples import CHANGES, FAILING_GROUP, ORDERS


def entries():
    """What was done to which order, by whom and from where."""
    found = LogEntry.objects.filter(content_type__model="order").select_related("actor")
    return sorted(
        (each.object_repr, each.action, str(each.actor), each.remote_addr, str(each.changes["customer"]))
        for each in found
    )


@pytest.mark.parametrize("requests", [ORDERS, CHANGES], ids=["orders", "changes"])
@pytest.mark.parametrize("atomic", [False, True])
def test_batch_leaves_the_entries_of_its_requests_alone(site, road, requests, atomic):
    alone = site.alone(road, requests, entries)
    batch = site.batch(road, requests, entries, atomic=atomic)
    assert batch.statuses == alone.statuses
    assert batch.traces == alone.traces
    assert [actor for _, _, actor, *_ in alone.traces] == ["ada"] * 3


def test_group_that_is_rolled_back_leaves_no_entry(site, road):
    assert site.batch(road, FAILING_GROUP, entries, atomic=True).traces == []
