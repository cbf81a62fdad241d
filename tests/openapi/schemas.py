"""Schemas that drf-spectacular makes, as its command makes them, and what they allow."""

from __future__ import annotations

import json
from functools import cache
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from jsonschema import Draft202012Validator

from django_batch.views import BatchView


@cache
def text_of_schema(urls: str, version: str = "3.1.1", *, split: bool = False) -> str:
    """The schema of the site with `urls`, as JSON: valid, and without a warning."""
    written = StringIO()
    with patched_settings({"PREPROCESSING_HOOKS": [], "OAS_VERSION": version, "COMPONENT_SPLIT_REQUEST": split}):
        call_command(
            "spectacular", urlconf=urls, stdout=written, format="openapi-json", validate=True, fail_on_warn=True
        )
    return written.getvalue()


def schema_of(urls: str, version: str = "3.1.1", *, split: bool = False) -> dict[str, Any]:
    """The schema of the site with `urls`."""
    document: dict[str, Any] = json.loads(text_of_schema(urls, version, split=split))
    return document


def schema_for(view: type[BatchView] = BatchView, *, version: str = "3.1.1", **options: Any) -> dict[str, Any]:
    """The schema of a site with one batch URL, whose view has `options`."""
    with patched_settings({"OAS_VERSION": version, "PREPROCESSING_HOOKS": []}):
        return SchemaGenerator(patterns=[path("batch/", view.as_view(**options))]).get_schema(public=True)


def operation_of(schema: dict[str, Any], url: str = "/batch/") -> dict[str, Any]:
    return schema["paths"][url]["post"]


def validator(document: dict[str, Any], schema: Any) -> Draft202012Validator:
    """What checks values against `schema`, a part of a `document` of OpenAPI 3.1 or later."""
    return Draft202012Validator({**schema, "components": document["components"]})


def check(document: dict[str, Any], content: dict[str, Any], body: bytes) -> None:
    """Check `body` against its `content`, a media type object of `document`. A JSON string is any other text."""
    if "itemSchema" in content:
        for line in body.splitlines():
            validator(document, content["itemSchema"]).validate(json.loads(line))
    elif content["schema"].get("type") == "string":
        validator(document, content["schema"]).validate(body.decode())
    else:
        validator(document, content["schema"]).validate(json.loads(body))
