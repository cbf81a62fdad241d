"""A batch URL as a tool for a language model: its name, what it is for, and the JSON Schema of its arguments.

A model that gets one tool in place of one for each route has less to read, and needs fewer turns: it sends what depends
on each other in one call. So the description names the routes of the site, and how an answer is used further on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from django.apps import apps
from django.urls import get_resolver
from rest_framework.schemas.generators import EndpointEnumerator

from django_batch.checks import is_batch_view

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
NAME = "batch"
_PURPOSE = """\
Call the API of this site. One call carries up to {most} requests, which run in order, each on its own. The result is \
{{"responses": [{{"id", "status", "headers", "body"}}, ...]}}, in the order of the requests. A status of 400 or above \
is a failure, and its body says why.
To use what an earlier request was answered, give that one an "id" and name it in "depends_on". Then write \
{{"$ref": "ID#/body/POINTER"}} in place of a value in "body", or {{ID#/body/POINTER}} inside "path"; POINTER is a JSON \
Pointer."""
_WRITES = 'With "atomic": true all requests succeed, or nothing is changed.'
_REHEARSAL = 'With "dry_run": true everything is answered, and then undone: rehearse a change before you make it.'
_READS = "This tool reads only. It changes nothing."


class Tool(TypedDict):
    """What each model has to know of a tool, whatever its provider calls the members."""

    name: str
    description: str
    parameters: dict[str, Any]


class Route(NamedTuple):
    """A method of a path, such as `/api/books/{id}/`, and what is to be known about it."""

    method: str
    path: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f": {self.about}" if self.about else "")


def batch_tool(view: Any, routes: Iterable[Route], *, read_only: bool) -> Tool:
    """The tool that calls the URL of `view`, a `BatchView`."""
    methods = [method for method in view.methods if not read_only or method in SAFE_METHODS]
    paragraphs = [_PURPOSE.format(most=view.max_requests), *_manners(view, read_only=read_only)]
    listed = [str(route) for route in routes if route.method in methods]
    if listed:
        paragraphs.append("\n".join(["Routes:", *listed]))
    parameters = _parameters(view, methods, read_only=read_only)
    return {
        "name": f"{NAME}_read" if read_only else NAME,
        "description": "\n".join(paragraphs),
        "parameters": parameters,
    }


def _manners(view: Any, *, read_only: bool) -> list[str]:
    if read_only:
        return [_READS]
    return [_WRITES, _REHEARSAL] if view.dry_run else [_WRITES]


def _parameters(view: Any, methods: Sequence[str], *, read_only: bool) -> dict[str, Any]:
    items = {
        "type": "array",
        "minItems": 1,
        "maxItems": view.max_requests,
        "items": _item(methods, read_only=read_only),
    }
    stop = _boolean("Whether to go on after a request that failed. Default: true.")
    properties: dict[str, Any] = {"requests": items, "continue_on_error": stop}
    if read_only:
        properties["read_only"] = {"const": True, "description": "Has to be true."}
    else:
        properties["atomic"] = _boolean("Whether all requests have to succeed, or none. Default: false.")
        if view.dry_run:
            properties["dry_run"] = _boolean("Whether to undo everything at the end. Default: false.")
    return _object(properties, required=["requests", "read_only"] if read_only else ["requests"])


def _item(methods: Sequence[str], *, read_only: bool) -> dict[str, Any]:
    names = {"type": "array", "items": {"type": "string"}}
    properties: dict[str, Any] = {
        "id": _string("A name for this request, unique in the call. Default: its position."),
        "method": {"type": "string", "enum": [*methods], "description": "Default: GET."},
        "path": _string("The path, with its query, percent-encoded."),
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "depends_on": {**names, "description": "Ids of requests that have to succeed first."},
    }
    if not read_only:
        properties["body"] = {"description": "The JSON value to send."}
        properties["atomicity_group"] = _string("Requests with the same group all succeed, or none has an effect.")
    return _object(properties, required=["path"])


def _object(properties: Mapping[str, Any], *, required: Sequence[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _string(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _boolean(description: str) -> dict[str, Any]:
    return {"type": "boolean", "description": description}


def site_routes() -> list[Route]:
    """The routes of the API: from its OpenAPI schema if drf-spectacular is installed, else from the URLs."""
    patterns = get_resolver().url_patterns
    endpoints = EndpointEnumerator(patterns).get_api_endpoints()
    if not apps.is_installed("drf_spectacular"):
        return [*_routes_of_urls(endpoints)]
    from drf_spectacular.settings import spectacular_settings

    schema = spectacular_settings.DEFAULT_GENERATOR_CLASS(patterns=patterns).get_schema(public=True)
    batches = {path for path, _, view in endpoints if is_batch_view(view)}
    return [route for route in routes_of_schema(schema) if route.path not in batches]


def routes_of_schema(schema: Mapping[str, Any]) -> Iterator[Route]:
    """The routes of an OpenAPI schema, with their parameters and the members of their bodies."""
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            if method.upper() in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                yield Route(method.upper(), path, "; ".join(_about(operation, schema)))


def _about(operation: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    summary = operation.get("summary") or operation.get("description", "").strip().partition("\n")[0]
    if summary:
        yield summary
    query = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
    if query:
        yield f"query: {', '.join(query)}"
    content = operation.get("requestBody", {}).get("content", {})
    body = _resolved(content.get("application/json", {}).get("schema", {}), schema)
    members = _members(body, schema)
    if members:
        yield f"body: {', '.join(members)}"


def _members(body: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """The members of a body, those that it needs marked with a star."""
    required = body.get("required", [])
    members = {name: _resolved(each, schema) for name, each in body.get("properties", {}).items()}
    return [f"{name}*" if name in required else name for name, each in members.items() if not each.get("readOnly")]


def _resolved(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What `value` refers to, if it does."""
    name = value.get("$ref", "").rpartition("/")[2]
    return schema["components"]["schemas"][name] if name else value


def _routes_of_urls(endpoints: Iterable[tuple[str, str, Any]]) -> Iterator[Route]:
    for path, method, view in endpoints:
        if not is_batch_view(view) and not getattr(view, "batch_exempt", False):
            yield Route(method, path, (view.cls.__doc__ or "").strip().partition("\n")[0])
