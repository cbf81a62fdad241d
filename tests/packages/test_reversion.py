"""django-reversion: its middleware makes one revision for each request that writes."""

from __future__ import annotations

import pytest
from reversion.models import Revision

from tests.packages.samples import ASYNC_ORDERS, CHANGES, FAILING_GROUP, ORDERS


def revisions():
    """The user and the changed rows of each revision."""
    found = Revision.objects.select_related("user").prefetch_related("version_set")
    return sorted(
        (each.user and each.user.username, [(version.object_repr) for version in each.version_set.all()])
        for each in found
    )


@pytest.mark.parametrize("requests", [ORDERS, CHANGES, ASYNC_ORDERS], ids=["orders", "changes", "async views"])
def test_batch_leaves_the_revisions_of_its_requests_alone(site, road, requests):
    alone = site.alone(road, requests, revisions)
    batch = site.batch(road, requests, revisions)
    assert batch.traces == alone.traces
    assert len(alone.traces) == (2 if requests is CHANGES else 3)
    assert batch.statuses == alone.statuses


def test_group_leaves_the_revisions_of_its_requests_alone(site, road):
    alone = site.alone(road, ORDERS, revisions)
    assert site.batch(road, ORDERS, revisions, atomic=True) == alone
    assert len(alone.traces) == 3


def test_group_that_is_rolled_back_leaves_no_revision(site, road):
    assert site.batch(road, FAILING_GROUP, revisions, atomic=True).traces == []
