"""`@batch_exempt` and `@group_exempt`: elsewhere nothing changes, and where they apply nothing runs."""

from __future__ import annotations

import json

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import include
from django.utils.decorators import method_decorator
from django.views import View
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from django_batch.core.batch import Subrequest
from django_batch.decorators import batch_exempt, group_exempt
from django_batch.requests import RequestBatch, batch_of, is_subrequest


def views_marked_by(mark):
    """One of each kind that can be marked, as a server calls it."""

    @mark
    def plain(request, number=0):
        """What it does."""
        return HttpResponse(f"reached {number}")

    @mark
    async def asynchronous(request, number=0):
        """What it does."""
        return HttpResponse(f"reached {number}")

    class Marked(View):
        @mark
        def get(self, request, number=0):
            """What it does."""
            return HttpResponse(f"reached {number}")

        @method_decorator(mark)
        def post(self, request, number=0):
            return HttpResponse(f"reached {number}")

    class MarkedSet(ViewSet):
        @action(detail=False)
        @mark
        def look(self, request, number=0):
            return HttpResponse(f"reached {number}")

    def look(request, number=0):
        return MarkedSet().look(Request(request), number)

    def by_name(request, number=0):
        return plain(request=request, number=number)

    return {
        "function": plain,
        "async function": async_to_sync(asynchronous),
        "method": Marked().get,
        "method_decorator": Marked().post,
        "action": look,
        "request by name": by_name,
    }


MARKS = {"batch_exempt": batch_exempt, "group_exempt": group_exempt}
VIEWS = [(code, kind, view) for code, mark in MARKS.items() for kind, view in views_marked_by(mark).items()]
each_view = pytest.mark.parametrize(
    ("code", "view"), [(code, view) for code, _, view in VIEWS], ids=[f"{code}, {kind}" for code, kind, _ in VIEWS]
)


def in_a_batch(*, can_roll_back):
    request = RequestFactory().get("/x/")
    request.batch = RequestBatch(RequestFactory().post("/batch/"), Subrequest("0", "GET", "/x/"), can_roll_back)
    return request


@each_view
def test_marked_view_outside_of_a_batch_answers_as_ever(view, code):
    request = RequestFactory().get("/x/")
    assert view(request).content == b"reached 0"
    assert view(request, number=1).content == b"reached 1"


@each_view
@pytest.mark.parametrize("can_roll_back", [False, True])
def test_marked_view_refuses_in_a_batch_or_in_a_group(view, code, can_roll_back):
    response = view(in_a_batch(can_roll_back=can_roll_back), number=1)
    if code == "group_exempt" and not can_roll_back:
        assert response.content == b"reached 1"
        return
    assert (response.status_code, response["Content-Type"]) == (403, "application/problem+json")
    assert json.loads(response.content)["code"] == code
    assert response.refusal.code == code


@pytest.mark.parametrize("mark", [batch_exempt, group_exempt])
def test_urls_that_come_by_include_are_no_view_to_mark(mark):
    with pytest.raises(TypeError, match=r"BATCH\['EXEMPT'\]"):
        mark(include("django_batch.urls"))


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
def test_marked_view_keeps_its_name_and_kind(mark):
    def view(request):
        """What it does."""

    async def async_view(request):
        """What it does."""

    for each in (view, async_view):
        marked = mark(each)
        assert (marked.__name__, marked.__doc__) == (each.__name__, "What it does.")
        assert iscoroutinefunction(marked) == iscoroutinefunction(each)
        assert vars(marked)[mark.__name__] is True
        assert marked.__wrapped__ is each


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("wrap", [lambda request: request, Request], ids=["Django", "REST framework"])
def test_request_tells_whether_it_is_a_subrequest(wrap, marked):
    request = in_a_batch(can_roll_back=True) if marked else RequestFactory().get("/x/")
    assert is_subrequest(wrap(request)) is marked
    assert (batch_of(wrap(request)) is None) is not marked


def test_attribute_of_the_same_name_that_a_site_has_set_is_none_of_ours():
    request = RequestFactory().get("/x/")
    request.batch = "the site's own"
    assert batch_of(request) is None
