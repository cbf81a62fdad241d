"""google-api-python-client: the batches of a service that a discovery document describes, and plain ones."""

from __future__ import annotations

import json

import pytest

from tests.clients import client

discovery = client("googleapiclient.discovery")
http = client("googleapiclient.http")
httplib2 = client("httplib2")

ITEM = {"$ref": "Item"}
ID = {"parameters": {"id": {"type": "string", "location": "path", "required": True}}, "parameterOrder": ["id"]}
METHODS = {
    "list": {"httpMethod": "GET", "path": "items/", "response": ITEM},
    "get": {"httpMethod": "GET", "path": "items/{id}/", "response": ITEM, **ID},
    "insert": {"httpMethod": "POST", "path": "items/", "request": ITEM, "response": ITEM},
    "delete": {"httpMethod": "DELETE", "path": "items/{id}/", **ID},
}


class Answers(dict):
    """Request id -> body or error, in the order of the calls back."""

    def __call__(self, request_id, body, error):
        self[request_id] = error or body


@pytest.fixture
def connection():
    connection = httplib2.Http()
    yield connection
    connection.close()


@pytest.fixture
def service(address, connection):
    """The items as a generated service, whose batches go to `/batch`."""
    document = {
        "name": "bookshop",
        "version": "v1",
        "rootUrl": f"{address}/",
        "servicePath": "api/",
        "baseUrl": f"{address}/api/",
        "batchPath": "batch",
        "schemas": {"Item": {"id": "Item", "type": "object"}},
        "resources": {"items": {"methods": {name: {"id": name, **method} for name, method in METHODS.items()}}},
    }
    return discovery.build_from_document(json.dumps(document), http=connection)


def test_batch_of_a_service_calls_back_once_for_each_call_in_order(service, names):
    answers = Answers()
    batch = service.new_batch_http_request(callback=answers)
    items = service.items()
    batch.add(items.list(), request_id="list")
    batch.add(items.get(id="7"), request_id="get")
    batch.add(items.insert(body={"name": "Grün ☃"}), request_id="an id+more")
    batch.add(items.get(id="404404"), request_id="missing")
    batch.add(items.insert(body={"name": ""}), request_id="unnamed")
    batch.add(items.delete(id="8"), request_id="delete")
    batch.execute()
    assert list(answers) == ["list", "get", "an id+more", "missing", "unnamed", "delete"]
    assert answers["list"]["results"][0] == {"id": 1, "name": "fixture-1"}
    assert answers["get"] == {"id": 7, "name": "fixture-7"}
    assert answers["an id+more"]["name"] == "Grün ☃"
    assert [answers[name].resp.status for name in ("missing", "unnamed")] == [404, 400]
    assert answers["delete"] == ""
    assert "fixture-8" not in names()


def test_batch_of_plain_requests_is_answered(address, connection):
    answers = Answers()
    batch = http.BatchHttpRequest(batch_uri=f"{address}/batch", callback=answers)
    for request in (
        {"uri": f"{address}/api/items/3/"},
        {"uri": f"{address}/api/items/", "method": "POST", "body": '{"name": "plain"}'},
    ):
        headers = {"content-type": "application/json"}
        batch.add(http.HttpRequest(connection, lambda _, content: json.loads(content), headers=headers, **request))
    batch.execute()
    assert answers["1"] == {"id": 3, "name": "fixture-3"}
    assert answers["2"]["name"] == "plain"
