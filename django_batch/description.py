"""What the URL of a batch can do, made of its settings, so that a client can adapt to it and not guess.

`GET` and `OPTIONS` answer with it. A client that knows the limits splits its requests by them, instead of learning them
from refusals.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, TypedDict

from django.apps import apps
from rest_framework.metadata import SimpleMetadata
from rest_framework.request import Request

from django_batch.dialects.base import Dialect


class LimitsDescription(TypedDict):
    """`requests` of one batch, bytes of its body and of all bodies in its answer, and seconds that it may run."""

    requests: int
    size: int
    response_size: int
    timeout: float | None


class DialectDescription(TypedDict):
    """A dialect of the URL, the types of the batches that it reads, and how many `requests` it takes in one."""

    name: str
    media_types: list[str]
    requests: int


class Features(TypedDict):
    """What a batch may ask for, in at least one dialect of the URL."""

    atomic: bool
    dry_run: bool
    parallel: bool
    streaming: bool
    references: bool
    jsonpath: bool
    files: bool
    read_only: bool
    jobs: bool


class Description(TypedDict):
    """What the URL can do. `methods` and `headers` are those that items may have, `documentation` is a URL."""

    limits: LimitsDescription
    methods: list[str]
    headers: list[str]
    dialects: list[DialectDescription]
    features: Features
    documentation: str | None


def describe(view: Any) -> Description:
    """What the URL of `view`, a `BatchView` that answers a request, can do.

    The limit of requests is one that each dialect of the URL keeps to; some may take more.
    """
    dialects: list[Dialect] = view.get_dialects()
    if (chosen := view.get_dialect()) not in dialects:  # a subclass chooses in a way of its own
        dialects = [chosen]
    described = [_dialect(each, view.max_requests) for each in dialects]
    return {
        "limits": {
            "requests": min(each["requests"] for each in described),
            "size": view.max_size,
            "response_size": view.max_response_size,
            "timeout": view.timeout,
        },
        "methods": [*view.methods],
        "headers": [*view.allowed_headers],
        "dialects": described,
        "features": _features(view, {feature for dialect in dialects for feature in dialect.features}),
        "documentation": view.documentation,
    }


def accepted_queries(view: Any) -> dict[str, str]:
    """The header that tells which content `QUERY` takes (RFC 10008 §3)."""
    media_types = [media_type for each in describe(view)["dialects"] for media_type in each["media_types"]]
    return {"Accept-Query": ", ".join(media_types)}


class BatchMetadata(SimpleMetadata):
    """REST framework's metadata of a view, and what a batch can do there."""

    def determine_metadata(self, request: Request, view: Any) -> dict[str, Any]:
        """The answer to `OPTIONS`."""
        return {**super().determine_metadata(request, view), **describe(view)}


def _dialect(dialect: Dialect, max_requests: int) -> DialectDescription:
    return {
        "name": dialect.name or type(dialect).__name__,
        "media_types": [media_type for media_type in dialect.media_types if media_type],
        "requests": min(max_requests, dialect.max_requests or max_requests),
    }


def _features(view: Any, features: set[str]) -> Features:
    """The `features` that the dialects have, as far as the settings and the installed packages allow them."""
    return {
        "atomic": "atomic" in features,
        "dry_run": "dry_run" in features and view.dry_run,
        "parallel": "parallel" in features and view.runs_side_by_side,
        "streaming": "streaming" in features,
        "references": "references" in features,
        "jsonpath": "jsonpath" in features and find_spec("jsonpath") is not None,
        "files": "files" in features,
        "read_only": "read_only" in features,
        "jobs": apps.is_installed("django_batch.jobs"),
    }
