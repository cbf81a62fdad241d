"""The native format: an object or a bare array in JSON, a form with files, and answers in JSON or JSON lines."""

from __future__ import annotations

from collections.abc import Mapping

from django_batch.dialects.native import NativeDialect
from django_batch.dialects.native.writers import LINES
from django_batch.errors import DryRunNotAllowed, UnsafeMethod
from django_batch.openapi.contract import Content, Contract, Endpoint, contract_of
from django_batch.openapi.dialects.native_examples import EXAMPLES
from django_batch.openapi.problems import NAMING, PROBLEM, READING, problem_components
from django_batch.openapi.values import (
    Schema,
    array,
    base64_of,
    boolean,
    integer,
    one_of,
    record,
    ref,
    string,
    strings_by_name,
)

_JSON, _FORM = "application/json", "multipart/form-data"
_PATH = r"^(/|https?://|\{)"
_PATH_MEANS = (
    "A path on this host with its query, or a URL of this host. `{ID#POINTER}` is replaced by a value from the answer "
    "to an item that this one depends on."
)
_HEADERS_MEAN = (
    "The headers of this item, of those that the site allows. All others, such as cookies and `Authorization`, are "
    "those of the batch."
)
_BODY_MEANS = (
    "The body: any JSON value. For a `Content-Type` that is not JSON, a string. The object "
    '`{"$ref": "ID#POINTER"}` is replaced by a value from the answer to an item that this one depends on.'
)
_FILES_MEAN = (
    "Only in a form: the files that are sent with this item. Each field is mapped to the name of a part of the form, "
    "or to several. The members of `body` are the other fields."
)
_NAMES = one_of([string("One name."), array(string("A name."))])


@contract_of.register
def native(dialect: NativeDialect, endpoint: Endpoint) -> Contract:
    """The native format."""
    batch = one_of([ref("HttpBatch"), ref("HttpShortBatch")])
    return Contract(
        requests=[Content(media_type=_JSON, schema=batch), _form(batch)],
        answers={207: [Content(media_type=_JSON, schema=_ANSWERS), *map(_lines, LINES)]},
        error=Content(media_type=dialect.error_content_type, schema=ref(PROBLEM)),
        refusals=(*READING, *NAMING, UnsafeMethod, *(() if endpoint.dry_run else (DryRunNotAllowed,))),
        components={**_request_components(endpoint), **_answer_components(), **problem_components()},
        examples=EXAMPLES,
        description="The answers come in one `207` response, in the order of the requests. With "
        "`Accept: application/jsonl` each answer is a line that is sent as soon as it is final.",
    )


_ANSWERS = one_of([ref("HttpBatchAnswers"), ref("HttpShortAnswers")])


def _form(batch: Schema) -> Content:
    form: Schema = {
        **record("A batch with files.", {"batch": batch}, required=["batch"]),
        "additionalProperties": string("A file that an item names in its `files`.", format="binary"),
    }
    return Content(media_type=_FORM, schema=form, encoding={"batch": {"contentType": _JSON}})


def _lines(media_type: str) -> Content:
    lines = string(
        "JSON lines: an `HttpBatchAnswer` in each line, as soon as it is final, and an `HttpBatchEnd` in the last."
    )
    item = one_of([ref("HttpBatchAnswer"), ref("HttpBatchEnd")])
    return Content(media_type=media_type, schema=lines, item_schema=item)


def _request_components(endpoint: Endpoint) -> Mapping[str, Schema]:
    items = array(ref("HttpBatchItem"), "The requests.", minItems=1, maxItems=endpoint.max_requests)
    method: Schema = {"type": "string", "description": "A method of an item.", "enum": [*endpoint.methods]}
    return {
        "HttpBatch": record(
            "Many requests in one.", {"requests": items, **_options(endpoint)}, required=["requests"], open_=False
        ),
        "HttpShortBatch": {**items, "description": "The short form of a batch: the bare array of its requests."},
        "HttpBatchItem": record("One request of a batch.", _item(endpoint), required=["path"], open_=False),
        "HttpBatchMethod": method,
    }


def _options(endpoint: Endpoint) -> Mapping[str, Schema]:
    dry_run = boolean("Whether everything is rolled back in the end.", default=False)
    return {
        "atomic": boolean("Whether the whole batch is all or nothing. Then no item may name a group.", default=False),
        "continue_on_error": boolean("Whether the batch goes on after a failure.", default=True),
        **({"dry_run": dry_run} if endpoint.dry_run else {}),
        "read_only": boolean("Whether the batch only reads. Then an unsafe method refuses it.", default=False),
        "parallel": boolean(
            "Whether items may run side by side, if the site supports it. Writes keep their order.", default=False
        ),
        "timing": boolean("Whether each answer tells how long it took.", default=False),
    }


def _item(endpoint: Endpoint) -> Mapping[str, Schema]:
    return {
        "path": string(_PATH_MEANS, pattern=_PATH, maxLength=16_384),
        "method": ref("HttpBatchMethod", "In any letter case.", default="GET"),
        "id": string("A name that is unique in the batch. By default the position, `0` for the first."),
        "headers": strings_by_name(_HEADERS_MEAN, endpoint.headers),
        "body": {"description": _BODY_MEANS},
        "body_base64": base64_of("In place of `body`: the exact bytes, for any content type."),
        "depends_on": {**_NAMES, "description": "Ids of items, and names of groups, that have to succeed first."},
        "atomicity_group": string("Items with the same name form a group, which is all or nothing."),
        "omit_body": boolean("Whether a success is answered without its body.", default=False),
        "files": {"type": "object", "description": _FILES_MEAN, "additionalProperties": _NAMES},
    }


def _answer_components() -> Mapping[str, Schema]:
    members, answers = _answer(), array(ref("HttpBatchAnswer"), "In the order of the requests.")
    rehearsed = {"dry_run": boolean("Whether everything was rolled back, as the batch asked.", default=False)}
    short = {
        "status": members["status"],
        "response": members["body"],
        "response_base64": base64_of("The body, if `response` cannot represent its bytes."),
    }
    end = {
        "done": {"type": "boolean", "description": "Always true."},
        **rehearsed,
        "responses": integer("The number of answers."),
        "failed": integer("How many of them are failures."),
    }
    whole, told = {"responses": answers, **rehearsed}, "The last line, which says that the answer is complete."
    return {
        "HttpBatchAnswers": record("The answers to all requests of a batch.", whole, required=["responses"]),
        "HttpBatchAnswer": record("The answer to one request.", members, required=["id", "status", "headers", "body"]),
        "HttpShortAnswers": array(ref("HttpShortAnswer"), "The answers to a batch in the short form."),
        "HttpShortAnswer": record("An answer in the short form.", short, required=["status", "response"]),
        "HttpBatchEnd": record(told, end, required=["done", "responses", "failed"]),
    }


def _answer() -> Mapping[str, Schema]:
    return {
        "id": string("The id of the item."),
        "status": integer("The status of its answer."),
        "headers": strings_by_name("The headers of its answer. Cookies are set on the response of the batch."),
        "body": {
            "description": "The JSON value, a string for text, or null for an empty or binary body. An `HttpProblem` "
            "if the item was refused, not run or rolled back."
        },
        "body_base64": base64_of("The body, if `body` cannot represent its bytes."),
        "atomicity_group": string("The group of the item, if it named one."),
        "duration": {
            "type": "number",
            "description": "Milliseconds in the site's middleware and view, if the batch asked for its `timing`.",
        },
    }
