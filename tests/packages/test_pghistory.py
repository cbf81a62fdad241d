"""django-pghistory: triggers of PostgreSQL record changes, with the user and the URL of the request.

What its middleware keeps in a `threading.local` is that of the batch, so that all sub-requests would add to its
context. The site here lets the batch itself pass, as the docs say.
"""

from __future__ import annotations

import pytest

from tests.packages.outcomes import SERIAL
from tests.packages.page import recipe
from tests.packages.samples import CHANGES, FAILING_GROUP, ORDERS
from tests.packages.shop.models import Order

HistoryMiddleware = recipe("pghistory")["HistoryMiddleware"]


def events():
    """What was done to which order, and the context of each: who asked, for which URL, and what else is in it."""
    found = Order.pgh_event_model.objects.select_related("pgh_context")
    contexts = [each.pgh_context_id for each in found]
    return sorted(
        (each.customer, each.pgh_label, *sorted(each.pgh_context.metadata.items()), contexts.count(each.pgh_context_id))
        for each in found
    )


@pytest.mark.parametrize("requests", [ORDERS, CHANGES], ids=["orders", "changes"])
@pytest.mark.parametrize("atomic", [False, True])
def test_batch_leaves_the_events_of_its_requests_alone(site, road, requests, atomic):
    alone = site.alone(road, requests, events)
    batch = site.batch(road, requests, events, atomic=atomic)
    assert batch.statuses == alone.statuses
    assert batch.traces == alone.traces
    assert len(alone.traces) == 3
    assert {count for *_, count in alone.traces} == {1}


def test_group_that_is_rolled_back_leaves_no_event(site, road):
    assert site.batch(road, FAILING_GROUP, events, atomic=True).traces == []


def test_middleware_that_sees_the_batch_puts_all_its_events_in_one_context(site, settings):
    *others, _ = settings.MIDDLEWARE
    settings.MIDDLEWARE = [*others, "pghistory.middleware.HistoryMiddleware"]
    batch = site.batch(SERIAL, ORDERS, events)
    assert {count for *_, count in batch.traces} == {3}
