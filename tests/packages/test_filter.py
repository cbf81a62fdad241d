"""django-filter: the query of an item's path is that of its request."""

from __future__ import annotations

from django.urls import path

from tests.packages.samples import ORDERS
from tests.packages.shop import urls
from tests.packages.shop.views import OrderViewSet


class Filtered(OrderViewSet):
    filterset_fields = {"customer": ["exact", "startswith", "in"], "id": ["gt"]}


urlpatterns = [*urls.urlpatterns, path("filtered/", Filtered.as_view({"get": "list"}))]

QUERIES = ["customer=Ada", "customer__startswith=B", "customer__in=Ada,Cleo", "id__gt=x", "id__gt=1&customer=Cl%65o"]


def test_filters_of_items_are_those_of_their_requests_alone(site, road):
    requests = [*ORDERS, *({"path": f"/filtered/?{query}", "depends_on": ["0", "1", "2"]} for query in QUERIES)]
    alone = site.alone(road, requests)
    batch = site.batch(road, requests, parallel=False)
    assert batch == alone
    found = [[each["customer"] for each in body] if status == 200 else status for status, body in alone.answers[3:]]
    assert found == [["Ada"], ["Ben"], ["Ada", "Cleo"], 400, ["Cleo"]]


def test_reference_in_a_query_is_filtered_by(site, road):
    requests = [{**ORDERS[0], "id": "a"}, {"path": "/filtered/?customer={a#/body/customer}", "depends_on": "a"}]
    assert site.batch(road, requests).answers[1] == (200, [{"id": 1, "customer": "Ada"}])
