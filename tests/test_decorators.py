"""`@batch_exempt`: outside of batches nothing changes, inside of them nothing runs."""

from __future__ import annotations

import json

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.decorators import method_decorator
from django.views import View

from django_batch.core.batch import Subrequest
from django_batch.decorators import batch_exempt


@batch_exempt
def plain(request, number=0):
    """What it does."""
    return HttpResponse(f"reached {number}")


@batch_exempt
async def asynchronous(request, number=0):
    """What it does."""
    return HttpResponse(f"reached {number}")


class Marked(View):
    @batch_exempt
    def get(self, request, number=0):
        """What it does."""
        return HttpResponse(f"reached {number}")

    @method_decorator(batch_exempt)
    def post(self, request, number=0):
        return HttpResponse(f"reached {number}")


VIEWS = [plain, async_to_sync(asynchronous), Marked().get, Marked().post]
IDS = ["function", "async function", "method", "method_decorator"]


@pytest.mark.parametrize("view", VIEWS, ids=IDS)
def test_marked_view_outside_of_a_batch_answers_as_ever(view):
    request = RequestFactory().get("/x/")
    assert view(request).content == b"reached 0"
    assert view(request, number=1).content == b"reached 1"


@pytest.mark.parametrize("view", VIEWS, ids=IDS)
def test_marked_view_in_a_batch_refuses(view):
    request = RequestFactory().get("/x/")
    request._batch_subrequest = Subrequest("0", "GET", "/x/")
    response = view(request, number=1)
    assert (response.status_code, response["Content-Type"]) == (403, "application/problem+json")
    assert json.loads(response.content)["code"] == "batch_exempt"


@pytest.mark.parametrize("view", [plain, asynchronous, Marked.get])
def test_marked_view_keeps_its_name_and_kind(view):
    assert view.__doc__ == "What it does."
    assert view.batch_exempt is True
    assert iscoroutinefunction(view) == (view is asynchronous)
