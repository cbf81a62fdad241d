"""The command that prints a batch URL as a tool, and calls that follow what it prints."""

from __future__ import annotations

import json
import sys
from io import StringIO
from types import ModuleType

import pytest
from django.core.management import CommandError, call_command
from django.urls import include, path
from drf_spectacular.openapi import AutoSchema
from rest_framework.decorators import api_view
from rest_framework.response import Response

from django_batch.agent_tool import Route, routes_of_schema
from django_batch.decorators import batch_exempt
from django_batch.dialects.google import GoogleMultipart
from django_batch.testing import BatchClient
from django_batch.views import BatchView
from example_project.bookshop.views.catalogue import ReviewViewSet

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]


@batch_exempt
@api_view()
def alone(request):
    return Response()


urlpatterns = [
    path("alone/", alone),
    path("small/", BatchView.as_view(max_requests=7, methods=["GET", "PUT"], dry_run=False)),
    path("google/", BatchView.as_view(dialect=GoogleMultipart())),
    path("", include("example_project.urls")),
]


def printed(*arguments):
    output = StringIO()
    call_command("batch_tool", *arguments, stdout=output)
    return json.loads(output.getvalue())


def members(tool):
    return set(tool["parameters"]["properties"])


def item(tool):
    return tool["parameters"]["properties"]["requests"]["items"]["properties"]


def test_tool_has_a_name_a_description_and_parameters():
    tool = printed()
    assert set(tool) == {"name", "description", "parameters"}
    assert tool["name"] == "batch"
    assert members(tool) == {"requests", "continue_on_error", "atomic", "dry_run"}
    assert tool["parameters"]["properties"]["requests"]["maxItems"] == 100


def test_routes_are_those_of_the_urls(settings):
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != "drf_spectacular"]
    description = printed()["description"]
    assert "\nGET /api/books/{pk}/\n" in description
    assert "\nGET /api/recommendations/: The five books with the best reviews, a few times a minute.\n" in description
    assert "/batch/" not in description
    assert "/alone/" not in description


class Reviews(ReviewViewSet):
    schema = AutoSchema()


def test_routes_are_those_of_the_openapi_schema_where_there_is_one(settings, monkeypatch):
    urls = ModuleType("tests.reviews_only")
    urls.urlpatterns = [path("api/reviews/", Reviews.as_view({"post": "create"})), path("many/", BatchView.as_view())]
    monkeypatch.setitem(sys.modules, urls.__name__, urls)
    settings.ROOT_URLCONF = urls.__name__
    lines = printed("--url", "/many/")["description"].splitlines()
    assert lines[-1] == "POST /api/reviews/: body: book*, rating*, text"


SCHEMA = {
    "paths": {
        "/a/{id}/": {
            "parameters": [],
            "get": {
                "summary": "One a",
                "parameters": [{"name": "id", "in": "path"}, {"name": "fields", "in": "query"}],
            },
            "put": {
                "description": "Replaces it.\nAll of it.",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}},
            },
            "delete": {},
        }
    },
    "components": {
        "schemas": {
            "A": {
                "required": ["name", "id"],
                "properties": {"id": {"readOnly": True}, "name": {}, "b": {"$ref": "#/components/schemas/B"}},
            },
            "B": {"type": "object"},
        }
    },
}


def test_route_tells_its_parameters_and_the_members_of_its_body():
    assert [*map(str, routes_of_schema(SCHEMA))] == [
        "GET /a/{id}/: One a; query: fields",
        "PUT /a/{id}/: Replaces it.; body: name*, b",
        "DELETE /a/{id}/",
    ]
    assert next(routes_of_schema(SCHEMA)) == Route("GET", "/a/{id}/", "One a; query: fields")


def test_tool_that_reads_only_offers_nothing_else():
    tool = printed("--read-only")
    assert tool["name"] == "batch_read"
    assert members(tool) == {"requests", "continue_on_error", "read_only"}
    assert tool["parameters"]["required"] == ["requests", "read_only"]
    assert item(tool)["method"]["enum"] == ["GET", "HEAD", "OPTIONS"]
    assert not {"body", "atomicity_group"} & set(item(tool))
    assert "\nPOST " not in tool["description"]


def test_tool_follows_the_settings_of_its_url():
    tool = printed("--url", "/small/")
    assert tool["parameters"]["properties"]["requests"]["maxItems"] == 7
    assert "up to 7 requests" in tool["description"]
    assert item(tool)["method"]["enum"] == ["GET", "PUT"]
    assert "dry_run" not in members(tool)


def test_tool_lists_no_routes_where_there_are_none():
    assert "Routes:" not in printed("--under", "/nowhere/")["description"]


def test_tool_is_written_as_each_provider_wants_it():
    tool = printed("--read-only")
    assert printed("--read-only", "--format", "openai") == {"type": "function", "function": tool}
    renamed = {"name": tool["name"], "description": tool["description"]}
    assert printed("--read-only", "--format", "anthropic") == {**renamed, "input_schema": tool["parameters"]}
    listed = printed("--read-only", "--format", "mcp")
    assert listed.pop("annotations") == {"readOnlyHint": True, "destructiveHint": False}
    assert listed == {**renamed, "inputSchema": tool["parameters"]}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("/nowhere/", "has the path /nowhere/"),
        ("/api/me/", "is no batch view"),
        ("/google/", "does not speak the native dialect"),
    ],
)
def test_url_that_is_no_tool_is_an_error(url, message):
    with pytest.raises(CommandError, match=message):
        printed("--url", url)


def test_site_without_the_usual_url_has_to_name_one(settings):
    settings.ROOT_URLCONF = (path("many/", BatchView.as_view()),)
    with pytest.raises(CommandError, match="--url"):
        printed()
    assert printed("--url", "/many/")["name"] == "batch"


@pytest.mark.parametrize("arguments", [[], ["--read-only"]], ids=["all", "reads"])
def test_call_with_every_member_of_the_schema_is_answered(arguments, bookshop):
    """A call is built of the schema alone, with a value for each of its members."""
    tool = printed(*arguments)
    client = BatchClient(headers={"authorization": "Token ada-token"})
    values = {"id": "a", "method": "GET", "path": "/api/me/", "headers": {}, "depends_on": [], "body": None}
    request = {name: values.get(name) for name in item(tool) if name != "atomicity_group"}
    members = {name: True for name in tool["parameters"]["properties"] if name not in ("requests", "dry_run")}
    response = client.send_batch({"requests": [request], **members})
    assert response.json()["responses"][0]["status"] == 200
