"""`BatchRateThrottle`, which counts sub-requests in place of batches."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncClient
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle
from rest_framework.views import APIView

from django_batch.testing import BatchClient
from django_batch.throttling import BatchRateThrottle
from django_batch.views import AsyncBatchView, BatchView
from example_project.bookshop.models import Author
from tests.attacks.dialects import PROTOCOLS
from tests.attacks.senders import Sender

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ME, AUTHOR = {"path": "/api/me/"}, {"method": "POST", "path": "/api/authors/", "body": {"name": "Eve"}}
now = [1_000_000.0]


class Hourly(BatchRateThrottle):
    """Ten in an hour."""

    rate = "10/hour"
    timer = staticmethod(lambda: now[0])


class Minutely(Hourly):
    """Five in a minute, by another count."""

    rate = "5/min"
    scope = "batch-minute"


class Unlimited(Hourly):
    rate = None
    scope = "unlimited"
    THROTTLE_RATES = {"unlimited": None}


class Anonymous(AnonRateThrottle):
    """Counts batches."""

    rate = "1000/hour"


class Nobody(Hourly):
    """Counts nobody in particular."""

    def get_cache_key(self, request: Request, view: APIView) -> None:
        return None


class Hello(APIView):
    throttle_classes = (Hourly,)

    def get(self, request: Request) -> Response:
        return Response("hello")


@pytest.fixture(autouse=True)
def site(bookshop, settings):
    settings.BATCH = {"DRY_RUN": True}
    now[0] = 1_000_000.0
    cache.clear()


@pytest.fixture
def serve(settings):
    """Puts a view with these throttles where `/shop/` leads to."""

    def serve(*throttles: type, view: type[BatchView] = BatchView, **options: Any) -> None:
        options = {"throttle_classes": throttles, **options}
        settings.ROOT_URLCONF = (
            path("shop/", view.as_view(**options)),
            path("hello/", Hello.as_view()),
            *import_module("tests.attacks.site").urlpatterns,
        )

    return serve


@pytest.fixture
def client() -> BatchClient:
    return BatchClient()


def send(client: BatchClient, number: int, **members: Any) -> int:
    return client.send_batch({"requests": [ME] * number, **members}, path="/shop/").status_code


def test_sub_requests_are_counted_and_not_batches(client, serve):
    serve(Hourly)
    assert [send(client, number) for number in (4, 4, 4, 2, 1)] == [207, 207, 429, 207, 429]


def test_refusal_says_when_to_come_again_and_it_is_true(client, serve):
    serve(Hourly)
    assert send(client, 6) == 207
    now[0] += 600
    assert send(client, 4) == 207
    response = client.send_batch([ME] * 5, path="/shop/")
    assert (response.status_code, response.headers["Retry-After"]) == (429, "3000")  # when the six are forgotten
    assert response.json()["detail"].startswith("Request was throttled.")
    assert client.send_batch([ME] * 7, path="/shop/").headers["Retry-After"] == "3600"  # when the four are, too
    now[0] += 2999
    assert send(client, 5) == 429
    now[0] += 1
    assert send(client, 6) == 207


def test_refused_batch_runs_nothing_and_uses_up_nothing(client, serve):
    serve(Hourly)
    client.credentials(HTTP_AUTHORIZATION="Token staff-token")
    assert send(client, 8) == 207
    for _ in range(5):
        assert client.send_batch([AUTHOR] * 3, path="/shop/").status_code == 429
    assert not Author.objects.filter(name="Eve").exists()
    assert send(client, 2) == 207


def test_batch_that_is_larger_than_the_rate_is_told_so(client, serve):
    serve(Hourly)
    response = client.send_batch([ME] * 11, path="/shop/")
    assert (response.status_code, response.json()["code"]) == (413, "too_many_requests")
    assert response.json()["detail"] == (
        "The batch has 11 sub-requests, but at most 10 are allowed in 3600 seconds. Split it into several batches."
    )
    assert send(client, 10) == 207  # as nothing was counted


@pytest.mark.parametrize("content", [b"{", [], {"requests": [{"path": "x"}] * 9}, [{**ME, "depends_on": "none"}] * 9])
def test_batch_that_cannot_be_run_uses_up_nothing(content, client, serve):
    serve(Hourly)
    assert [client.send_batch(content, path="/shop/").status_code for _ in range(3)] == [400] * 3
    assert send(client, 10) == 207


def test_dry_runs_groups_and_lines_count(client, serve):
    serve(Hourly)
    assert [send(client, 3, dry_run=True), send(client, 3, atomic=True)] == [207, 207]
    response = client.post("/shop/", [ME] * 3, "json", headers={"accept": "application/jsonl"})
    assert (response.status_code, len([*response])) == (207, 4)
    response = client.post("/shop/", [ME] * 3, "json", headers={"accept": "application/jsonl"})
    assert response.status_code == 429
    assert client.generic("QUERY", "/shop/", json.dumps([ME, ME]), "application/json").status_code == 429


def test_asking_what_the_url_can_do_costs_nothing(client, serve):
    serve(Hourly)
    assert {client.generic(method, "/shop/").status_code for method in ("GET", "HEAD", "OPTIONS") * 5} == {200}
    assert send(client, 10) == 207


def test_each_user_and_each_address_has_a_count_of_its_own(client, serve):
    serve(Hourly)
    ada, ben = (BatchClient(headers={"Authorization": f"Token {name}-token"}) for name in ("ada", "ben"))
    far = BatchClient(REMOTE_ADDR="203.0.113.9")
    assert [send(each, 10) for each in (client, ada, ben, far)] == [207] * 4
    assert [send(each, 1) for each in (client, ada, ben, far)] == [429] * 4


def test_loop_is_throttled(serve):
    serve(Hourly, view=AsyncBatchView)
    client = AsyncClient()
    responses = [async_to_sync(client.post)("/shop/", [ME] * 6, "application/json") for _ in range(2)]
    assert [response.status_code for response in responses] == [207, 429]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_dialect_is_throttled(name, serve, settings):
    serve()
    settings.ROOT_URLCONF = (
        path(f"{name}-batch/", BatchView.as_view(dialect=PROTOCOLS[name].dialect, throttle_classes=[Hourly])),
        *settings.ROOT_URLCONF,
    )
    responses = [PROTOCOLS[name].send([{"path": "/seen/"}] * 6, Sender(), name) for _ in range(2)]
    assert [response.status_code for response in responses] == [200, 429]


def test_several_throttles_all_have_to_agree_and_none_counts_alone(client, serve):
    serve(Hourly, Minutely, Anonymous)
    assert [send(client, 4), send(client, 2)] == [207, 429]  # which the second refuses
    now[0] += 60
    assert [send(client, 5), send(client, 1)] == [207, 429]
    now[0] += 60
    response = client.send_batch([ME, ME], path="/shop/")  # which the first refuses: nine are counted
    assert (response.status_code, response.headers["Retry-After"]) == (429, "3480")
    assert [send(client, 1), send(client, 6)] == [207, 413]


@pytest.mark.parametrize("throttle", [Unlimited, Nobody])
def test_throttle_without_a_rate_or_a_key_lets_all_in(throttle, client, serve):
    serve(throttle)
    assert [send(client, 50) for _ in range(3)] == [207] * 3


def test_rate_is_that_of_the_scope_where_the_throttle_has_none(client, serve, monkeypatch):
    serve(BatchRateThrottle)
    with pytest.raises(ImproperlyConfigured, match="'batch'"):
        BatchClient(raise_request_exception=True).send_batch([ME], path="/shop/")
    monkeypatch.setattr(BatchRateThrottle, "THROTTLE_RATES", {"batch": "3/day"})
    assert [send(client, 2), send(client, 2), send(client, 1)] == [207, 429, 207]


def test_other_view_counts_requests(client, serve):
    serve(Hourly)
    assert [client.get("/hello/").status_code for _ in range(10)] == [200] * 10
    response = client.get("/hello/")
    assert (response.status_code, response.headers["Retry-After"]) == (429, "3600")
    assert [answer["status"] for answer in client.batch([{"path": "/hello/"}, ME])] == [429, 200]


def test_count_of_another_throttle_with_this_scope_is_not_read(client, serve):
    class Before(UserRateThrottle):
        scope = "batch"
        rate = "5/hour"

    serve(Before)
    assert send(client, 3) == 207
    serve(Hourly)
    assert send(client, 10) == 207
