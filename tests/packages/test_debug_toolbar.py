"""django-debug-toolbar: the requests that its history lists."""

from __future__ import annotations

import pytest
from debug_toolbar.store import get_store
from django.http import HttpResponse
from django.urls import include, path

from tests.packages.outcomes import SERIAL
from tests.packages.samples import ORDERS
from tests.packages.shop import urls


def page(request):
    return HttpResponse("<html><body>A page.</body></html>")


def show(request):
    return True


urlpatterns = [*urls.urlpatterns, path("page/", page), path("__debug__/", include("debug_toolbar.urls"))]


def history():
    """The requests that the toolbar has kept: method, path, status and how many queries."""
    store = get_store()
    found = [(store.panel(each, "HistoryPanel"), store.panel(each, "SQLPanel")) for each in store.request_ids()]
    store.clear()
    return sorted((seen["request_method"], seen["request_url"], len(sql["queries"])) for seen, sql in found)


@pytest.fixture(autouse=True)
def _empty():
    get_store().clear()


def test_items_are_in_the_history_as_alone_and_the_batch_besides(site, road):
    alone = site.alone(road, ORDERS, history)
    *items, batch = site.batch(road, ORDERS, history).traces
    assert items == alone.traces
    assert batch[:2] == ("POST", "/batch/")
    assert len(items) == 3


def test_toolbar_is_put_into_pages_alone_and_in_a_batch(site):
    alone = site.alone(SERIAL, [{"path": "/page/"}])
    batch = site.batch(SERIAL, [{"path": "/page/"}])
    assert "djDebug" in alone.answers[0][1]
    assert "djDebug" in batch.answers[0][1]
