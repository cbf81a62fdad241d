"""What a URL reads and writes in one dialect, as plain values that any generator of schemas can use.

`contract_of` is a function with one implementation for each dialect. So a site can add one for its own dialect, and
dialects need to know nothing about OpenAPI. All schemas are JSON Schema 2020-12, the dialect of OpenAPI 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import singledispatch

from msgspec import Struct

from django_batch.dialects.base import Dialect
from django_batch.errors import BatchError
from django_batch.openapi.problems import PROBLEM, READING, problem_components
from django_batch.openapi.values import Schema, ref


class Endpoint(Struct, frozen=True, kw_only=True):
    """What the URL of a batch allows: `max_requests` in one batch of `max_size` bytes, and what items may say."""

    max_requests: int
    max_size: int
    methods: Sequence[str]
    headers: Sequence[str]
    dry_run: bool


class Content(Struct, frozen=True, kw_only=True):
    """A body of one media type.

    `encoding` tells how the fields of a form are written. `item_schema` describes one item of a body that is a sequence
    of items, such as JSON lines; OpenAPI has a place for it since version 3.2.
    """

    media_type: str
    schema: Schema
    encoding: Mapping[str, object] = {}
    item_schema: Schema | None = None


class Exchange(Struct, frozen=True, kw_only=True):
    """An example: a batch, and how it is answered. The value of a media type that is not JSON is a text.

    A form is written as the mapping of its fields. `headers` are sent with the batch.
    """

    name: str
    summary: str
    request_type: str
    request: object
    status: int
    answer_type: str
    answer: object
    headers: Mapping[str, str] = {}


class Contract(Struct, frozen=True, kw_only=True):
    """What a URL reads and writes in one dialect.

    `answers` maps a status to the bodies that it may have. `refusals` are the errors that may refuse a whole batch, and
    `error` is the body of each of them. `components` are the schemas that others refer to by name. `headers` maps the
    headers that change how a batch is answered to what they mean.
    """

    requests: Sequence[Content]
    answers: Mapping[int | str, Sequence[Content]]
    error: Content
    refusals: Sequence[type[BatchError]] = READING
    components: Mapping[str, Schema] = {}
    headers: Mapping[str, str] = {}
    examples: Sequence[Exchange] = ()
    description: str = ""


@singledispatch
def contract_of(dialect: Dialect, endpoint: Endpoint) -> Contract:
    """What a URL like `endpoint` reads and writes in `dialect`.

    Of a dialect that nobody has described, only its media types and its refusals are known. Register a function for a
    dialect of your own with `contract_of.register`.
    """
    any_body: Schema = {"description": f"A batch for `{type(dialect).__name__}`."}
    answer = Content(media_type="*/*", schema={"description": "The answers to all requests of the batch."})
    is_problem = type(dialect).write_error is Dialect.write_error
    return Contract(
        requests=[Content(media_type=name, schema=any_body) for name in dialect.media_types if name],
        answers={"2XX": [answer]},
        error=Content(
            media_type=dialect.error_content_type.partition(";")[0],
            schema=ref(PROBLEM) if is_problem else {"description": "Why the batch was refused."},
        ),
        components=problem_components() if is_problem else {},
    )
