"""The batches of Facebook's Graph API, in JSON and in forms."""

from __future__ import annotations

from collections.abc import Mapping

from django_batch.dialects.facebook import FacebookBatch
from django_batch.openapi.contract import Content, Contract, Endpoint, Exchange, contract_of
from django_batch.openapi.problems import NAMING, PROBLEM, READING, problem_components
from django_batch.openapi.values import Schema, array, boolean, integer, one_of, record, ref, string, strings_by_name

_JSON, _MULTIPART, _URLENCODED = "application/json", "multipart/form-data", "application/x-www-form-urlencoded"
_NAMES = one_of([string("One name."), array(string("A name."))])


@contract_of.register
def facebook(dialect: FacebookBatch, endpoint: Endpoint) -> Contract:
    """Facebook's batches."""
    answer = array({"oneOf": [ref("FacebookAnswer"), {"type": "null"}]}, "In the order of the operations.")
    files = {"additionalProperties": string("A file that an operation attaches.", format="binary")}
    fields = {"batch": {"contentType": _JSON}}
    form = _batch(endpoint)
    return Contract(
        requests=[
            Content(media_type=_JSON, schema=ref("FacebookBatch")),
            Content(media_type=_MULTIPART, schema={**form, **files}, encoding=fields),
            Content(media_type=_URLENCODED, schema=form, encoding=fields),
        ],
        answers={200: [Content(media_type=_JSON, schema=answer)]},
        error=Content(media_type=_JSON, schema=ref("FacebookError")),
        refusals=(*READING, *NAMING),
        components={**_components(endpoint), **problem_components()},
        examples=_EXAMPLES,
        description="A batch as the SDKs of Facebook's Graph API send it. An operation that was not run, or whose "
        "answer is left out, is answered with null.",
    )


def _batch(endpoint: Endpoint) -> Schema:
    members = {
        "batch": array(ref("FacebookOperation"), "The operations.", minItems=1, maxItems=endpoint.max_requests),
        "include_headers": boolean("Whether answers have their headers.", default=True),
        "access_token": string("Added to the query of each operation that has no token of its own."),
    }
    return record("Many operations in one request.", members, required=["batch"])


def _components(endpoint: Endpoint) -> Mapping[str, Schema]:
    method: Schema = {"type": "string", "description": "A method of an operation.", "enum": [*endpoint.methods]}
    header = record(
        "A header.", {"name": string("Its name."), "value": string("Its value.")}, required=["name", "value"]
    )
    answer = {
        "code": integer("The status."),
        "headers": array(header, "The headers, unless the batch asked for none."),
        "body": string("The body as a text. Of a failure, the JSON text of a `FacebookError`."),
    }
    error = {
        "message": string("What is wrong, for people."),
        "type": string("The name of the status."),
        "code": integer("The status."),
        "error_data": ref(PROBLEM, "What is wrong, and where."),
    }
    described = record("The error.", error, required=[*error])
    return {
        "FacebookBatch": _batch(endpoint),
        "FacebookOperation": record("One operation.", _operation(endpoint), required=["relative_url"]),
        "FacebookMethod": method,
        "FacebookAnswer": record("The answer to one operation.", answer, required=["code", "body"]),
        "FacebookError": record("Why a batch was refused.", {"error": described}, required=["error"]),
    }


def _operation(endpoint: Endpoint) -> Mapping[str, Schema]:
    return {
        "relative_url": string("The path below the root, and its query. `{result=NAME:PATH}` is a value of an answer."),
        "method": ref("FacebookMethod", "In any letter case.", default="GET"),
        "body": one_of([string("A form, or JSON."), {"type": "object"}], "The body of the operation."),
        "headers": strings_by_name("The headers of this operation, of those that the site allows.", endpoint.headers),
        "name": string("The name by which other operations refer to this one."),
        "depends_on": {**_NAMES, "description": "Names of operations that have to succeed first."},
        "omit_response_on_success": boolean("Whether a success is answered with null.", default=False),
        "attached_files": string("Names of file parts of the form, separated by commas."),
        "access_token": string("The token of this operation."),
    }


_OPERATIONS = [
    {"relative_url": "api/books/1/price/"},
    {"relative_url": "api/books/999/", "name": "none"},
    {"relative_url": "api/me/", "depends_on": "none"},
]
_ANSWER = [
    {"code": 200, "body": '{"price":"18.50","since":"2024-03-01"}'},
    {
        "code": 404,
        "body": '{"error":{"message":"No Book matches the given query.","type":"NotFound","code":404,'
        '"error_data":{"detail":"No Book matches the given query."}}}',
    },
    None,
]
_EXAMPLES = tuple(
    Exchange(
        name="operations",
        summary="Two reads, and one that is not run",
        request_type=media_type,
        request={"batch": _OPERATIONS, "include_headers": False},
        status=200,
        answer_type=_JSON,
        answer=_ANSWER,
    )
    for media_type in (_JSON, _MULTIPART, _URLENCODED)
)
