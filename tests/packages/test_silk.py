"""django-silk: a row for each item with its answer and its queries, if the batch itself is left out.

What silk collects is kept in a `threading.local`, so that it can record either the batch or its items.
"""

from __future__ import annotations

import pytest
from django.urls import include, path
from silk.config import SilkyConfig
from silk.models import Request

from tests.packages.outcomes import SERIAL
from tests.packages.samples import ASYNC_ORDERS, FAILING_GROUP, ORDERS
from tests.packages.shop import urls

urlpatterns = [*urls.urlpatterns, path("silk/", include("silk.urls", namespace="silk"))]


def rows():
    """What silk has recorded of requests: method, path, status, and how many queries."""
    found = Request.objects.select_related("response")
    return sorted((each.method, each.path, _status(each), each.num_sql_queries) for each in found)


def _status(row):
    return row.response.status_code if hasattr(row, "response") else None


@pytest.mark.parametrize("requests", [ORDERS, ASYNC_ORDERS], ids=["orders", "async views"])
def test_items_leave_the_rows_of_their_requests_alone(site, road, requests):
    alone = site.alone(road, requests, rows)
    assert site.batch(road, requests, rows).traces == alone.traces
    assert [each[2] for each in alone.traces] == [201] * 3
    assert all(each[3] for each in alone.traces) or requests is ASYNC_ORDERS


def test_rows_of_a_group_that_is_rolled_back_are_rolled_back_with_it(site, road):
    assert site.batch(road, FAILING_GROUP, rows, atomic=True).traces == []
    assert len(site.batch(road, FAILING_GROUP, rows).traces) == 2


def test_batch_that_is_not_left_out_has_a_row_that_is_never_finished(site, monkeypatch):
    monkeypatch.setattr(SilkyConfig(), "SILKY_INTERCEPT_FUNC", None)
    found = site.batch(SERIAL, ORDERS, rows).traces
    assert [each[:3] for each in found] == [("POST", "/api/orders/", 201)] * 3 + [("POST", "/batch/", None)]
