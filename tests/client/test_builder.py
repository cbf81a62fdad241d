"""Batches that are built: their references, and what becomes of them when something fails."""

from __future__ import annotations

import json
from collections import Counter
from types import SimpleNamespace

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from django_batch.client import BatchFailed, BatchRefused, batch, builder
from django_batch.views import BatchView
from example_project.bookshop.models import Order
from tests.client.conftest import SITE, RecordedASGI, RecordedWSGI

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.usefixtures("bookshop"),
    pytest.mark.urls(__name__),
]

ADA = {"Authorization": "Token ada-token"}
seen = Counter()


@csrf_exempt
def refusing(request, status, times):
    """A batch view that refuses so many batches."""
    seen["refused"] += 1
    if seen["refused"] <= times:
        return HttpResponse("Not now.", status=status, headers={"Retry-After": "0"})
    return BatchView.as_view()(request)


@csrf_exempt
def busy(request, times):
    seen["busy"] += 1
    return HttpResponse(status=503 if seen["busy"] <= times else 204, headers={"Retry-After": "0"})


urlpatterns = [
    path("refusing/<int:status>/<int:times>/", refusing),
    path("busy/<int:times>/", busy),
    path("shop/", include("example_project.urls")),
    path("", include("example_project.urls")),
]


class Sync:
    """Fills and sends a batch of an `httpx.Client`."""

    def __init__(self) -> None:
        self.inner = RecordedWSGI()

    def __call__(self, fill, *arguments, base_url=SITE, cookies=None, **members):
        client = httpx.Client(transport=self.inner, base_url=base_url, cookies=cookies, headers=ADA)
        with client, batch(client, *arguments, **members) as built:
            found = fill(built)
        return found

    @property
    def items(self):
        return json.loads(self.inner.requests[-1].content)["requests"]


class Async(Sync):
    def __init__(self) -> None:
        self.inner = RecordedASGI()

    def __call__(self, fill, *arguments, base_url=SITE, cookies=None, **members):
        async def send():
            client = httpx.AsyncClient(transport=self.inner, base_url=base_url, cookies=cookies, headers=ADA)
            async with client, batch(client, *arguments, **members) as built:
                found = fill(built)
            return found

        return async_to_sync(send)()


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def send(request, monkeypatch):
    async def asleep(seconds):
        pass

    seen.clear()
    monkeypatch.setattr(builder, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(builder, "asyncio", SimpleNamespace(sleep=asleep))
    return request.param()


def order(built, *, book=1, number="A-77"):
    """An order with one line, and two ways to read it again."""
    placed = built.put(f"/api/orders/{number}/", json={"note": "As a gift."}, name="order")
    line = built.post(
        f"/api/orders/{placed.ref('/body/number')}/lines/", json={"book": book, "quantity": 1}, depends_on=[placed]
    )
    again = built.get(f"/api/orders/{placed.ref('/body/number')}/")
    return placed, line, again


def test_later_requests_use_what_earlier_ones_were_answered(send):
    placed, line, again = send(order, atomic=True)
    assert [each.response.status_code for each in (placed, line, again)] == [201, 201, 200]
    assert again.response.json()["lines"] == [line.response.json()]
    assert Order.objects.filter(number="A-77").exists()
    assert str(again.response.request.method) == "GET"


def test_reference_stands_in_json_as_its_value(send):
    def fill(built):
        book = built.get("/api/books/", params={"page_size": 1, "ordering": "-id"})
        review = {"book": book.ref("/body/results/0/id"), "rating": 5, "text": ["{0#/body}"][0]}
        return book, built.post("/api/reviews/", json=review)

    book, review = send(fill)
    assert review.response.json()["book"] == book.response.json()["results"][0]["id"]
    assert review.response.json()["text"] == "{0#/body}"
    assert send.items[1]["depends_on"] == ["0"]


def test_references_are_found_deep_in_json(send):
    def fill(built):
        me = built.get("/api/me/")
        return built.post("/api/echo/", json={"a": [{"b": me.ref("/status")}], "c": (1, me.ref("/body/username"))})

    assert json.loads(send(fill).response.json()["body"]) == {"a": [{"b": 200}], "c": [1, "ada"]}


def test_whole_address_may_be_a_reference(send):
    def fill(built):
        found = built.get("/api/books/?page_size=1")
        return built.get(str(found.ref("/body/results/0/url"))), built.get(f"{found.ref('/body/results/0/url')}price/")

    book, price = send(fill)
    assert book.response.json()["price"] == price.response.json()["price"]


def test_header_may_be_a_reference(send):
    def fill(built):
        price = built.get("/api/books/1/price/")
        return built.get("/api/books/1/price/", headers={"If-None-Match": price.ref("/headers/ETag")})

    assert send(fill).response.status_code == 304


def test_braces_of_others_are_sent_as_ever(send):
    send(lambda built: [built.get("/api/me/", name="me"), built.get("/api/{you}/?q={x}#/{me}")])
    assert send.items[1]["path"] == "/api/%7Byou%7D/?q={x}"


def test_paths_are_relative_to_the_address_of_the_client(send):
    def fill(built):
        me = built.get("api/me/")
        return me, built.get(f"api/echo/?name={me.ref('/body/username')}")

    me, echo = send(fill, f"{SITE}/batch/", base_url=f"{SITE}/shop/")
    assert me.response.json()["username"] == "ada"
    assert (echo.response.json()["path"], echo.response.json()["query"]) == ("/shop/api/echo/", "name=ada")


def test_every_kind_of_body_and_method_is_sent(send):
    def fill(built):
        return [
            built.post("/api/echo/", content=b"\x00\xff", headers={"Content-Type": "image/png"}),
            built.put("/api/echo/", data={"a": "1"}),
            built.patch("/api/echo/", json={"price": 1.5}),
            built.delete("/api/echo/"),
            built.request("OPTIONS", "/api/echo/", group="g"),
        ]

    answers = [each.response.json() for each in send(fill)]
    assert [answer["method"] for answer in answers] == ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    assert [answer["body_base64"] for answer in answers] == ["AP8=", "YT0x", "eyJwcmljZSI6MS41fQ==", "", ""]
    assert send.items[-1]["atomicity_group"] == "g"


def test_what_only_looks_like_a_reference_is_refused(send):
    with pytest.raises(ValueError, match="would be taken for a reference"):
        send(lambda built: built.post("/api/echo/", json={"text": {"$ref": "0#/body/secret"}}))
    assert send.inner.requests == []


def test_failure_of_what_is_all_or_nothing_is_raised(send):
    with pytest.raises(BatchFailed, match=r"POST .*lines/ failed: 400 .*Not so many in stock"):
        send(lambda built: order(built, book=2), atomic=True)
    assert not Order.objects.filter(number="A-77").exists()


def test_rollback_without_a_culprit_is_raised_too(send):
    def fill(built):
        me = built.get("/api/me/")
        built.get(f"/api/books/{me.ref('/body/nothing')}/")

    with pytest.raises(BatchFailed, match="failed: 424"):
        send(fill, atomic=True)


def test_failure_of_one_of_several_is_its_answer(send):
    placed, line, again = send(lambda built: order(built, book=2))
    assert [each.response.status_code for each in (placed, line, again)] == [201, 400, 200]


def test_refusal_of_the_whole_batch_is_raised(send):
    with pytest.raises(BatchRefused, match=r"refused with 404") as raised:
        send(order, "/nowhere/")
    assert raised.value.response.status_code == 404


def test_batch_that_raises_is_not_sent(send):
    def fill(built):
        order(built)
        raise KeyError("price")

    with pytest.raises(KeyError):
        send(fill)
    assert send.inner.requests == []


def test_empty_batch_is_not_sent(send):
    send(lambda built: None)
    assert send.inner.requests == []


def test_answer_before_the_end_of_the_block_is_an_error(send):
    with pytest.raises(RuntimeError, match="has not been answered"):
        send(lambda built: built.get("/api/me/").response)


@pytest.mark.parametrize("status", [429, 503])
def test_batch_that_is_put_off_is_sent_again(send, status):
    placed, *_ = send(order, f"/refusing/{status}/2/", atomic=True)
    assert placed.response.status_code == 201


def test_batch_that_is_put_off_too_often_is_refused(send):
    with pytest.raises(BatchRefused, match="refused with 429"):
        send(order, "/refusing/429/3/")


def test_group_that_is_put_off_is_sent_again_whole(send):
    def fill(built):
        return [*order(built), built.post("/busy/1/")]

    assert [each.response.status_code for each in send(fill, atomic=True)] == [201, 201, 200, 204]
    assert len(send.inner.requests) == 2


def test_item_that_is_put_off_is_not_sent_again_beside_what_was_done(send):
    assert send(lambda built: built.post("/busy/1/")).response.status_code == 503


def test_csrf_token_of_the_client_is_sent(send):
    send(order, cookies={"csrftoken": "abc"})
    assert send.inner.requests[0].headers["x-csrftoken"] == "abc"
