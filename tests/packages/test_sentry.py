"""Sentry: the batch keeps its name, and each item tells its own URL, method, route and user, in the batch's trace."""

from __future__ import annotations

import pytest
import sentry_sdk
from django.http import JsonResponse
from django.urls import path
from sentry_sdk.transport import Transport

from django_batch.integrations.sentry import subrequest_scope
from tests.packages.outcomes import SERIAL
from tests.packages.samples import ASYNC_ORDERS, ORDERS
from tests.packages.shop import urls

EVENTS = []
FAILURES = [
    {"path": "/boom/here/?secret=1"},
    {"method": "POST", "path": "/boom/posted/", "body": {"a": 1}},
    {"method": "POST", "path": "/async/boom/there/", "body": {"b": 1}},
]
# What is another each time, or says which server and library sent it.
_NOT_COMPARED = {"event_id", "timestamp", "start_timestamp", "breadcrumbs", "modules", "sdk", "server_name", "contexts"}
_NOT_COMPARED |= {"_meta", "spans", "measurements", "request", "exception", "logger"}


class Memory(Transport):
    """Keeps events and transactions in place of sending them."""

    def capture_envelope(self, envelope):
        EVENTS.extend(item.payload.json for item in envelope.items if item.type in ("event", "transaction"))


def start(**options):
    sentry_sdk.init(dsn="http://key@localhost/1", transport=Memory, traces_sample_rate=1.0, **options)


start(data_collection={"user_info": True})


def tagged(request):
    """A view that tags what is sent from now on, and one message."""
    sentry_sdk.set_tag("shelf", request.GET["shelf"])
    sentry_sdk.capture_message(f"seen {request.GET['shelf']}")
    return JsonResponse({})


urlpatterns = [*urls.urlpatterns, path("tagged/", tagged)]


def sent():
    """What was sent since the last call: transactions, and other events."""
    events, EVENTS[:] = [*EVENTS], []
    transactions = [each for each in events if each.get("type") == "transaction"]
    return transactions, [each for each in events if each not in transactions]


def told(event):
    """What `event` says of its request and its user, without what is another each time."""
    request = {name: event["request"].get(name) for name in ("url", "method", "data", "cookies")}
    errors = [(each["type"], each["value"]) for each in event.get("exception", {}).get("values", [])]
    rest = {name: value for name, value in event.items() if name not in _NOT_COMPARED}
    user = {name: value for name, value in rest.pop("user", {}).items() if name != "ip_address"}
    return sorted(request.items(), key=str), errors, user, sorted(rest.items(), key=str)


def trace(event):
    return event["contexts"]["trace"]["trace_id"]


def in_order(events):
    return sorted(map(told, events), key=str)


@pytest.fixture(autouse=True)
def _empty():
    EVENTS.clear()


def test_errors_of_items_tell_what_those_of_their_requests_alone_tell(site, road):
    _, alone = site.alone(road, FAILURES, sent).traces
    transactions, batch = site.batch(road, FAILURES, sent).traces
    assert in_order(batch) == in_order(alone)
    assert sorted(each["transaction"] for each in batch) == ["/async/boom/{name}/", "/boom/{name}/", "/boom/{name}/"]
    assert {each["request"]["method"] for each in batch} == {"GET", "POST"}
    assert {each["user"]["username"] for each in batch if "async" not in each["transaction"]} == {"ada"}
    assert {trace(each) for each in [*batch, *transactions]} == {trace(transactions[0])}


@pytest.mark.parametrize("requests", [ORDERS, ASYNC_ORDERS, FAILURES], ids=["orders", "async views", "failures"])
@pytest.mark.parametrize("atomic", [False, True])
def test_each_item_has_a_transaction_as_alone_in_the_trace_of_the_batch(site, road, requests, atomic):
    alone, _ = site.alone(road, requests, sent).traces
    *items, batch = site.batch(road, requests, sent, **({"atomic": True} if atomic else {})).traces[0]
    assert (batch["transaction"], batch["request"]["url"]) == ("/batch/", "http://testserver/batch/")
    if atomic and requests is FAILURES:  # the first failure ends the group
        alone = [each for each in alone if each["request"]["url"].endswith("/boom/here/")]
    assert names(items) == names(alone)
    for each in items:
        context = each["contexts"]["trace"]
        assert context["trace_id"] == trace(batch)
        assert context["parent_span_id"] == batch["contexts"]["trace"]["span_id"]
        assert context["op"] == "http.server"
        assert context.get("status") == ("internal_error" if requests is FAILURES else None)


def names(transactions):
    """What transactions are called, and the URL of each."""
    return sorted((each["transaction"], each["request"]["url"]) for each in transactions)


@pytest.mark.parametrize("options", [{}, {"data_collection": {"user_info": False}}], ids=str)
def test_users_are_told_only_where_the_site_says_so(site, road, options):
    start(**options)
    try:
        _, alone = site.alone(road, FAILURES, sent).traces
        _, batch = site.batch(road, FAILURES, sent).traces
    finally:
        start(data_collection={"user_info": True})
    assert in_order(batch) == in_order(alone)
    assert all("username" not in each.get("user", {}) for each in batch)


def test_nobody_is_told_of_who_is_not_logged_in(site, road):
    client = site.client(road, logged_in=False)
    client.batch(FAILURES, parallel=True)
    _, errors = sent()
    assert all("username" not in each.get("user", {}) for each in errors)
    assert len(errors) == 3


def test_host_that_is_not_allowed_is_not_told(rf):
    with subrequest_scope(rf.get("/whoami/", headers={"Host": "elsewhere.example"})):
        sentry_sdk.capture_message("seen")
    _, (event,) = sent()
    assert event["request"] == {"url": "/whoami/", "method": "GET"}


def test_tags_of_an_item_are_not_on_others_nor_on_the_batch(site, road):
    requests = [{"path": "/tagged/?shelf=a"}, {"path": "/tagged/?shelf=b"}, {"path": "/boom/here/"}]
    transactions, events = site.batch(road, requests, sent).traces
    tags = {each.get("message") or each["exception"]["values"][0]["type"]: each.get("tags", {}) for each in events}
    assert tags["seen a"]["shelf"] == "a"
    assert tags["seen b"]["shelf"] == "b"
    assert "shelf" not in tags["ValueError"]
    assert "shelf" not in transactions[-1].get("tags", {})


def test_batch_keeps_its_name_without_the_setting_and_items_have_their_route(site, settings):
    settings.BATCH = {}
    transactions, errors = type(site)(settings).batch(SERIAL, [*ORDERS, FAILURES[0]], sent).traces
    assert [each["transaction"] for each in transactions] == ["/batch/"]
    assert [each["transaction"] for each in errors] == ["/boom/{name}/"]
    assert "url" not in errors[0]["request"]


def test_batch_without_tracing_has_its_errors_in_one_trace(site, road, monkeypatch):
    monkeypatch.setitem(sentry_sdk.get_client().options, "traces_sample_rate", None)
    transactions, errors = site.batch(road, FAILURES, sent).traces
    assert transactions == []
    assert len({trace(each) for each in errors}) == 1
    assert len(errors) == 3
