"""OpenTelemetry: each item has a span, which is a child of the span of the batch."""

from __future__ import annotations

import pytest
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.packages.samples import ASYNC_ORDERS, FAILING_GROUP, ORDERS

OF_THE_CONNECTION = {"net.host.port", "net.peer.port", "net.peer.ip", "http.server_name", "http.host"}
FAILURES = [{"path": "/boom/here/"}, {"path": "/async/boom/there/"}, {"path": "/nowhere/"}]

EXPORTER = InMemorySpanExporter()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(EXPORTER))
DjangoInstrumentor().instrument(tracer_provider=PROVIDER)


def spans():
    """The spans of the servers since the last call: by their names, with the name of their parent and their trace."""
    finished = EXPORTER.get_finished_spans()
    EXPORTER.clear()
    names = {each.context.span_id: each.name for each in finished}
    return [
        (each.name, each.parent and names[each.parent.span_id], each.kind.name, each.context.trace_id, _told(each))
        for each in finished
    ]


def _told(span):
    """What `span` says of its request and its end."""
    attributes = sorted(each for each in span.attributes.items() if each[0] not in OF_THE_CONNECTION)
    return attributes, span.status.status_code.name, [event.name for event in span.events]


@pytest.mark.parametrize("requests", [ORDERS, ASYNC_ORDERS, FAILURES], ids=["orders", "async views", "failures"])
def test_items_have_the_spans_of_their_requests_alone_inside_of_the_batch(site, road, requests):
    EXPORTER.clear()
    alone = site.alone(road, requests, spans).traces
    *items, batch = site.batch(road, requests, spans).traces
    name, parent, kind, trace, _ = batch
    assert (name, parent, kind) == ("POST batch/", None, "SERVER")
    assert {each[1:4] for each in items} == {(name, "INTERNAL", trace)}  # as every span of a server inside of another
    assert {each[1:3] for each in alone} == {(None, "SERVER")}
    assert sorted((each[0], each[4]) for each in items) == sorted((each[0], each[4]) for each in alone)
    assert len(items) == 3


@pytest.mark.parametrize("atomic", [False, True])
def test_spans_of_a_group_stay_when_it_is_rolled_back(site, road, atomic):
    EXPORTER.clear()
    *items, batch = site.batch(road, FAILING_GROUP, spans, atomic=atomic).traces
    assert [name for name, *_ in items] == ["POST api/orders/$", "POST api/lines/$"]
    assert {parent for _, parent, *_ in items} == {batch[0]}
