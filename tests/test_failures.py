"""Nothing that happens in one item ends the batch: whatever raises, wherever, is that item's 500."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path
from hypothesis import given
from hypothesis import strategies as st

from django_batch.testing import BatchClient
from example_project.settings import MIDDLEWARE

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]


class Private(BaseException):
    """Neither Python nor a server knows it."""


KINDS: dict[str, type[BaseException]] = {
    each.__name__: each for each in (ValueError, RecursionError, MemoryError, StopIteration, GeneratorExit, Private)
}


def fail(request: Any, place: str) -> None:
    """Raise what the query of `request` says, if it says so for `place`."""
    if request.GET.get("place") == place:
        raise KINDS[request.GET["kind"]]("on purpose")


class Meddler:
    """A middleware that can raise before and after the view."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        fail(request, "before")
        response = self.get_response(request)
        fail(request, "after")
        return response


class Odd(HttpResponse):
    """A response that can raise wherever it is read."""

    def __init__(self, request):
        super().__init__(b"odd")
        self._request = request

    def __iter__(self):
        fail(self._request, "iteration")
        return super().__iter__()

    @property
    def reason_phrase(self):
        fail(self._request, "reason")
        return "OK"

    @reason_phrase.setter
    def reason_phrase(self, value):
        """Django 6.1 sets it when it makes a response."""


def view(request):
    fail(request, "view")
    if request.GET.get("place") == "stream":
        return StreamingHttpResponse(fail(request, "stream") for _ in range(1))
    return Odd(request)


def cookie(request):
    response = HttpResponse()
    response.cookies["a"] = "1"
    response.cookies["a"]["path"] = "/\u20ac/"  # which no server can send
    return response


def no_cookies(request):
    response = HttpResponse("told")
    response.cookies = None
    return response


def plain_headers(request):
    response = JsonResponse({"a": 1})
    response.headers = {"Content-Type": "application/json", "X-Own": "1"}
    return response


class ClosedBadly(HttpResponse):
    def close(self):
        raise RuntimeError("on purpose")


urlpatterns = [
    path("fail/", view),
    path("cookie/", cookie),
    path("no-cookies/", no_cookies),
    path("plain-headers/", plain_headers),
    path("closed-badly/", lambda request: ClosedBadly("told")),
    path("", include("example_project.urls")),
]
ME = {"path": "/api/me/"}
PLACES = ["before", "after", "view", "stream", "iteration", "reason"]


def broken_page(request):
    raise Private


@pytest.fixture
def site(settings):
    settings.MIDDLEWARE = [f"{__name__}.Meddler", *MIDDLEWARE, f"{__name__}.Meddler"]


failures = st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(sorted(KINDS))), min_size=1, max_size=4)


@pytest.mark.parametrize("page", [None, broken_page], ids=["error page", "broken error page"])
@given(failures=failures)
def test_whatever_raises_is_the_500_of_its_item(bookshop, site, monkeypatch, page, failures):
    monkeypatch.setitem(globals(), "handler500", page) if page else monkeypatch.delitem(globals(), "handler500", False)
    items = [item for place, kind in failures for item in (ME, {"path": f"/fail/?place={place}&kind={kind}"})]
    answers = BatchClient().batch([*items, ME])
    assert [answer["status"] for answer in answers] == [200, 500] * len(failures) + [200]


@pytest.mark.parametrize(
    ("url", "status"), [("cookie", 500), ("no-cookies", 200), ("plain-headers", 200), ("closed-badly", 200)]
)
def test_response_that_a_site_has_meddled_with_ends_no_batch(bookshop, settings, url, status):
    settings.MIDDLEWARE = []
    answers = BatchClient().batch([ME, {"path": f"/{url}/"}, {"path": "/fail/"}])
    assert [answer["status"] for answer in answers[1:]] == [status, 200]


@pytest.mark.parametrize("place", PLACES)
def test_item_that_raises_is_the_failure_of_its_group(bookshop, site, place):
    answers = BatchClient().batch([ME, {"path": f"/fail/?place={place}&kind=Private"}, ME], atomic=True)
    assert [answer["status"] for answer in answers] == [424, 500, 424]
