"""msgraph-core: the JSON batches of Microsoft Graph."""

from __future__ import annotations

import asyncio
import json

from tests.clients import client

abstractions = client("kiota_abstractions.request_information")
authentication = client("kiota_abstractions.authentication")
headers = client("kiota_abstractions.headers_collection")
methods = client("kiota_abstractions.method")
registries = client("kiota_abstractions.serialization")
reading = client("kiota_serialization_json.json_parse_node_factory")
writing = client("kiota_serialization_json.json_serialization_writer_factory")
graph = client("msgraph_core")
httpx = client("httpx")
builders = client("msgraph_core.requests.batch_request_builder")
contents = client("msgraph_core.requests.batch_request_content")
items = client("msgraph_core.requests.batch_request_item")

JSON = "application/json"
registries.ParseNodeFactoryRegistry().CONTENT_TYPE_ASSOCIATED_FACTORIES[JSON] = reading.JsonParseNodeFactory()
registries.SerializationWriterFactoryRegistry().CONTENT_TYPE_ASSOCIATED_FACTORIES[JSON] = (
    writing.JsonSerializationWriterFactory()
)


async def send(batch, *, to):
    """The answers to `batch`, for which the service root is `to`."""
    async with httpx.AsyncClient() as connection:
        anybody = authentication.AnonymousAuthenticationProvider()
        adapter = graph.BaseGraphRequestAdapter(anybody, http_client=connection)
        adapter.base_url = to
        return await builders.BatchRequestBuilder(adapter).post(batch)


def item(name, method, url, body=None, depends_on=()):
    information = abstractions.RequestInformation()
    information.http_method = methods.Method[method]
    information.url = url
    if body is not None:
        information.headers = headers.HeadersCollection()
        information.headers.try_add("Content-Type", JSON)
        information.content = json.dumps(body).encode()
    return items.BatchRequestItem(information, id=name, depends_on=list(depends_on))


def test_batch_is_answered_by_id_and_failed_dependencies_are_424(address):
    batch = contents.BatchRequestContent()
    for each in (
        item("read", "GET", f"{address}/api/items/7/"),
        item("make", "POST", f"{address}/api/items/", {"name": "Grün ☃"}),
        item("missing", "GET", "/api/items/404404/"),
        item("never", "GET", f"{address}/api/items/5/", depends_on=["missing"]),
        item("then", "GET", f"{address}/api/items/6/", depends_on=["make"]),
        item("delete", "DELETE", f"{address}/api/items/8/"),
    ):
        batch.add_request(each.id, each)
    answers = asyncio.run(send(batch, to=f"{address}/v1.0"))
    assert answers.get_response_status_codes() == {
        "read": 200,
        "make": 201,
        "missing": 404,
        "never": 424,
        "then": 200,
        "delete": 204,
    }
    made = answers.get_response_by_id("make")
    assert made.headers["Location"].startswith(f"{address}/api/items/")
