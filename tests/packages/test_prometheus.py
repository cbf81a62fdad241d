"""django-prometheus: counts sub-requests as it counts requests, and the batch besides."""

from __future__ import annotations

from collections import Counter

import pytest
from django.urls import include, path
from prometheus_client import REGISTRY

from tests.packages.outcomes import SERIAL
from tests.packages.samples import ASYNC_ORDERS, ORDERS
from tests.packages.shop import urls

urlpatterns = [*urls.urlpatterns, path("", include("django_prometheus.urls"))]

FAILURES = [{"path": "/boom/here/"}, {"path": "/async/boom/there/"}, {"path": "/nowhere/"}]
BATCH = [{"path": "/whoami/"}]


def counts():
    """Every counter of requests, by its name and labels. What tells seconds or bytes is another each time."""
    samples = (sample for metric in REGISTRY.collect() for sample in metric.samples)
    return Counter(
        {
            (each.name, *sorted(each.labels.items())): int(each.value)
            for each in samples
            if each.name.startswith("django_http_") and each.name.endswith(("_total", "_count"))
        }
    )


def counted(site, send, *arguments, **members):
    """What is counted while `send` is called."""
    before = counts()
    send(*arguments, **members)
    return counts() - before


@pytest.mark.parametrize("requests", [ORDERS, ASYNC_ORDERS, FAILURES], ids=["orders", "async views", "failures"])
def test_items_are_counted_as_alone_and_the_batch_besides(site, road, requests):
    alone = counted(site, site.alone, road, requests)
    # A batch of one is the batch and that one.
    one = counted(site, site.alone, road, BATCH)
    batch_itself = counted(site, site.batch, road, BATCH) - one
    assert counted(site, site.batch, road, requests) == alone + batch_itself
    assert batch_itself["django_http_requests_before_middlewares_total",] == 1
    view = ("method", "POST"), ("status", "207"), ("view", "django_batch:batch")
    assert batch_itself["django_http_responses_total_by_status_view_method_total", *view] == 1
    assert alone["django_http_requests_before_middlewares_total",] == 3


def test_metrics_are_read_through_a_batch(site):
    ((status, body),) = site.batch(SERIAL, [{"path": "/metrics"}]).answers
    assert status == 200
    assert "django_http_requests_total_by_method_total" in body
