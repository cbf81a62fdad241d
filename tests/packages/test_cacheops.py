"""django-cacheops: cached querysets are those that are there alone, also around a group."""

from __future__ import annotations

import pytest
from cacheops import invalidate_all
from django.db import transaction
from django.http import JsonResponse
from django.urls import path

from tests.packages.outcomes import SERIAL
from tests.packages.samples import FAILING_GROUP, ORDERS, order
from tests.packages.shop import urls
from tests.packages.shop.models import Line, Order


@transaction.atomic
def in_a_transaction(request):
    return JsonResponse({"customer": Order.objects.create(customer="Zoe").customer})


urlpatterns = [*urls.urlpatterns, path("in-a-transaction/", in_a_transaction)]

LIST = {"path": "/api/orders/"}
MIXED = [LIST, order("Ada"), LIST, {"path": "/in-a-transaction/"}, LIST, LIST]


@pytest.fixture(autouse=True)
def _empty():
    yield
    invalidate_all()


def rows():
    """The orders, as a cached queryset and as they are."""
    return [*Order.objects.cache().values_list("customer", flat=True)], [
        *Order.objects.nocache().values_list("customer", flat=True)
    ]


@pytest.mark.parametrize("atomic", [False, True])
def test_lists_in_a_batch_are_as_alone(site, road, atomic):
    alone = site.alone(road, MIXED, rows)
    invalidate_all()
    batch = site.batch(road, MIXED, rows, parallel=False, atomic=atomic)
    assert batch == alone
    assert alone.traces == (["Ada", "Zoe"], ["Ada", "Zoe"])


def test_group_of_one_read_is_answered(site, road):
    assert site.batch(road, [LIST], atomic=True).answers == [(200, [])]


def test_group_commits_with_its_references(site, road):
    line = {"order": {"$ref": "order#/body/id"}, "product": "Tea", "quantity": 1}
    requests = [
        order("Ada", id="order"),
        {"method": "POST", "path": "/api/lines/", "depends_on": "order", "body": line},
    ]
    assert site.batch(road, requests, Line.objects.count, atomic=True).statuses == [201, 201]


def test_group_that_is_rolled_back_leaves_nothing_in_the_cache(site, road):
    before, after = [LIST], [LIST]
    requests = [*FAILING_GROUP, LIST]
    client = site.client(road)
    assert client.batch(before)[0]["body"] == []
    assert 424 in [each["status"] for each in client.batch(requests, atomic=True)]
    assert client.batch(after)[0]["body"] == []
    assert rows() == ([], [])


def test_writes_of_a_batch_are_seen_by_requests_alone(site):
    client = site.client(SERIAL)
    assert client.get("/api/orders/").json() == []
    client.batch(ORDERS, atomic=True)
    assert len(client.get("/api/orders/").json()) == 3
