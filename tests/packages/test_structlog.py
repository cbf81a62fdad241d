"""django-structlog: the lines of each request, with an id of its own, its user and what the site binds."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import structlog
from structlog.testing import capture_logs

from tests.packages.samples import ASYNC_ORDERS, FAILING_GROUP, ORDERS

FAILURES = [{"path": "/boom/here/"}, {"path": "/async/boom/there/"}, {"path": "/nowhere/"}]


@contextmanager
def lines():
    """The lines that are written in this block, with what is bound."""
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as found:
        yield found


def told(found):
    """What the lines say, without ids."""
    return sorted(
        (each["event"], each["request"], each["log_level"], each["user_id"], each["ip"], each.get("code", 0))
        for each in found
    )


@pytest.mark.parametrize("requests", [ORDERS, ASYNC_ORDERS, FAILURES], ids=["orders", "async views", "failures"])
def test_items_have_the_lines_of_their_requests_alone(site, road, requests):
    with lines() as alone:
        site.alone(road, requests)
    with lines() as batch:
        site.batch(road, requests)
    of_batch = [each for each in batch if each["request"] == "POST /batch/"]
    of_items = [each for each in batch if each not in of_batch]
    assert told(of_items) == told(alone)
    assert len(alone) == 6
    assert [each["event"] for each in of_batch] == ["request_started", "request_finished"]


def test_each_item_has_an_id_of_its_own_and_the_batch_keeps_its_own(site, road):
    with lines() as batch:
        site.batch(road, ORDERS)
    by_request = {}
    for each in batch:
        by_request.setdefault(each["request_id"], []).append(each["event"])
    assert [*by_request.values()].count(["request_started", "request_finished"]) == 4


def test_id_that_a_proxy_gave_the_batch_is_that_of_its_items(site, road):
    client = site.client(road)
    client.credentials(HTTP_X_REQUEST_ID="of-the-proxy", HTTP_X_CSRFTOKEN=client.cookies["csrftoken"].value)
    with lines() as batch:
        client.batch(FAILING_GROUP, atomic=True)
    assert {each["request_id"] for each in batch} == {"of-the-proxy"}
    assert len(batch) == 6
