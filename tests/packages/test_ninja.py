"""django-ninja: its operations, sync and async, are answered in a batch as alone."""

from __future__ import annotations

import pytest
from django.urls import path
from ninja import NinjaAPI, Schema, Status
from ninja.security import HttpBearer

from tests.packages.outcomes import sent
from tests.packages.shop import urls
from tests.packages.shop.models import Order


class Bearer(HttpBearer):
    def authenticate(self, request, token):
        return "partner" if token == "right" else None


class OrderIn(Schema):
    customer: str


class OrderOut(Schema):
    id: int
    customer: str


api = NinjaAPI()


@api.post("orders/", response={201: OrderOut})
def create(request, order: OrderIn):
    return Status(201, Order.objects.create(customer=order.customer))


@api.post("async/orders/", response={201: OrderOut})
async def acreate(request, order: OrderIn):
    return Status(201, await Order.objects.acreate(customer=order.customer))


@api.get("orders/", response=list[OrderOut])
def read(request, customer: str = ""):
    return Order.objects.filter(customer__startswith=customer).order_by("pk")


@api.get("partner/", auth=Bearer())
def partner(request):
    return {"partner": request.auth}


@api.get("boom/")
def boom(request):
    raise ValueError("boom")


urlpatterns = [*urls.urlpatterns, path("ninja/", api.urls)]


def new(customer, path="/ninja/orders/"):
    return {"method": "POST", "path": path, "body": {"customer": customer}}


REQUESTS = [
    new("Ada"),
    new("Ben", "/ninja/async/orders/"),
    {"method": "POST", "path": "/ninja/orders/", "body": {"customer": 1}},
    {"path": "/ninja/orders/?customer=B"},
    {"path": "/ninja/partner/"},
    {"method": "DELETE", "path": "/ninja/orders/"},
    {"path": "/ninja/boom/"},
]


def names():
    return sorted(Order.objects.values_list("customer", flat=True))


def test_operations_are_answered_as_alone(site, road):
    alone = site.alone(road, REQUESTS, names)
    assert site.batch(road, REQUESTS, names, parallel=False) == alone
    assert alone.statuses == [201, 201, 422, 200, 401, 405, 500]


@pytest.mark.parametrize("token", ["right", "wrong"])
def test_token_of_the_batch_is_that_of_its_items(site, road, token):
    request = {"path": "/ninja/partner/"}
    client = site.client(road)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}", HTTP_X_CSRFTOKEN=client.cookies["csrftoken"].value)
    (answer,) = client.batch([request])
    assert (answer["status"], answer["body"]) == sent(client, request)
    assert answer["status"] == (200 if token == "right" else 401)


def test_group_that_fails_is_rolled_back(site, road):
    requests = [new("Ada"), new("Ben", "/ninja/async/orders/"), {"path": "/ninja/boom/"}]
    batch = site.batch(road, requests, names, atomic=True)
    assert batch.statuses == [424, 424, 500]
    assert batch.traces == []
