"""drf-extensions and Django's `cache_page`: what a dry run or a failed group has seen, nobody is served."""

from __future__ import annotations

import pytest
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.cache import cache_page
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_extensions.cache import decorators

from tests.packages.outcomes import SERIAL
from tests.packages.page import recipe
from tests.packages.samples import order
from tests.packages.shop import urls
from tests.packages.shop.models import Order


def customers():
    return [*Order.objects.values_list("customer", flat=True)]


@cache_page(600)
def page(request):
    return JsonResponse({"customers": customers()})


cache_response = recipe("drf-extensions")["cache_response"]


class Cached(APIView):
    @cache_response(600)
    def get(self, request):
        return Response({"customers": customers()})


class Untold(APIView):
    @decorators.cache_response(600)
    def get(self, request):
        return Response({"customers": customers()})


urlpatterns = [
    *urls.urlpatterns,
    path("page/", page),
    path("cached/", Cached.as_view()),
    path("untold/", Untold.as_view()),
]

READS = [{"path": "/page/"}, {"path": "/cached/"}]


def test_cached_views_answer_in_a_batch_as_alone(site, road):
    requests = [*READS, order("Ada"), *READS]
    alone = site.alone(road, requests)
    assert site.batch(road, requests, parallel=False) == alone
    assert alone.answers[3:] == alone.answers[:2]


@pytest.mark.parametrize("members", [{"dry_run": True}, {"atomic": True}], ids=str)
@pytest.mark.parametrize("path", ["/page/", "/cached/"])
def test_what_was_rolled_back_is_not_served_from_the_cache(site, road, path, members):
    client = site.client(road)
    *_, read, _ = client.batch([order("Phantom"), {"path": path}, {"path": "/nowhere/"}], **members)
    assert read["status"] == (200 if "dry_run" in members else 424)
    assert client.get(path).json() == {"customers": []}


def test_what_a_view_itself_has_cached_stays(site):
    client = site.client(SERIAL)
    client.batch([order("Phantom"), {"path": "/untold/"}], dry_run=True)
    assert client.get("/untold/").json() == {"customers": ["Phantom"]}
