"""django-guardian: permissions on single objects, which each item is checked against as alone."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.urls import path
from guardian.shortcuts import assign_perm
from rest_framework.permissions import DjangoObjectPermissions

from tests.packages.outcomes import sent
from tests.packages.samples import order
from tests.packages.shop import urls
from tests.packages.shop.models import Order
from tests.packages.shop.views import OrderViewSet


class Guarded(OrderViewSet):
    permission_classes = [DjangoObjectPermissions]

    def perform_create(self, serializer):
        assign_perm("shop.change_order", self.request.user, serializer.save())


urlpatterns = [
    *urls.urlpatterns,
    path("guarded/", Guarded.as_view({"post": "create"})),
    path("guarded/<pk>/", Guarded.as_view({"patch": "partial_update"})),
]


def change(pk):
    return {"method": "PATCH", "path": f"/guarded/{pk}/", "body": {"customer": "changed"}}


REQUESTS = [{**order("Ada"), "path": "/guarded/"}, change(2), change(1), change(3)]


def prepared(site, road):
    """A client of a user who may add orders, and change those that it has added; another's is there."""
    client = site.client(road, logged_in=False)
    user = get_user_model().objects.create_user("ben")
    assign_perm("shop.add_order", user)
    assign_perm("shop.change_order", user)
    Order.objects.create(customer="of another")
    client.force_login(user)
    return client


def names():
    return sorted(Order.objects.values_list("customer", flat=True))


@pytest.mark.parametrize("atomic", [False, True])
def test_items_may_what_their_requests_may_alone(site, road, atomic):
    client = prepared(site, road)
    alone = [sent(client, each) for each in REQUESTS], names()
    client = prepared(site, road)
    answers = client.batch(REQUESTS, atomic=atomic)
    statuses = [status for status, _ in alone[0]]
    assert statuses == [201, 200, 403, 404]
    if atomic:
        assert names() == ["of another"]
        assert [each["status"] for each in answers] == [424, 424, 403, 424]
    else:
        assert ([(each["status"], each["body"]) for each in answers], names()) == alone
