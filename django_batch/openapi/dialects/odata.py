"""The batches of OData, in JSON and in parts."""

from __future__ import annotations

from collections.abc import Mapping

from django_batch.dialects.odata import ODataJSON, ODataMultipart
from django_batch.dialects.odata.protocol import code_of
from django_batch.dialects.shared.mime import MULTIPART
from django_batch.dialects.shared.parts import BEFORE_4
from django_batch.openapi.contract import Content, Contract, Endpoint, Exchange, contract_of
from django_batch.openapi.problems import NAMING, READING, codes
from django_batch.openapi.values import Schema, array, integer, one_of, record, ref, string, strings_by_name

_JSON = "application/json"
_HEADERS = {
    "OData-MaxVersion": "The version of OData of the answer: `4.0` or `4.01`.",
    "Prefer": "`continue-on-error` goes on after a failure, and `continue-on-error=false` stops at the first.",
}
_NAMES = one_of([string("One name."), array(string("A name."))])


@contract_of.register
def odata_json(dialect: ODataJSON, endpoint: Endpoint) -> Contract:
    """OData's batches in JSON."""
    return Contract(
        requests=[Content(media_type=_JSON, schema=ref("ODataBatch"))],
        answers={200: [Content(media_type=_JSON, schema=ref("ODataBatchAnswers"))]},
        error=Content(media_type=_JSON, schema=ref("ODataBatchError")),
        refusals=(*READING, *NAMING),
        components={**_request_components(endpoint), **_answer_components(), **_error_components()},
        headers=_HEADERS,
        examples=(_IN_JSON,),
        description="A batch of OData 4.01 in JSON. The answers stand in the order of the requests.",
    )


@contract_of.register
def odata_multipart(dialect: ODataMultipart, endpoint: Endpoint) -> Contract:
    """OData's batches in parts."""
    parts = Content(media_type=MULTIPART, schema=string("A part of the type `application/http` for each answer."))
    in_json = Content(media_type=_JSON, schema=ref("ODataBatchAnswers"))
    statuses = [dialect.status] if dialect.status else [200, BEFORE_4]
    is_old = dialect.status == BEFORE_4
    error = "ODataBatchErrorBefore4" if is_old else "ODataBatchError"
    return Contract(
        requests=[Content(media_type=MULTIPART, schema=_parts(endpoint))],
        answers={status: [parts] if status == BEFORE_4 else [parts, in_json] for status in statuses},
        error=Content(media_type=_JSON, schema=ref(error)),
        refusals=(*READING, *NAMING),
        components={**({} if is_old else _answer_components()), **_error_components(is_old=is_old)},
        headers=_HEADERS,
        examples=() if is_old else (_IN_PARTS,),
        description="A batch of OData in parts. A change set is a part that contains parts, "
        + ("each of which is answered by itself." if dialect.flat else "which are all or nothing."),
    )


def _parts(endpoint: Endpoint) -> Schema:
    return string(
        f"At most {endpoint.max_requests} requests, each in a part of the type `application/http`, or in a part of the "
        f"type `multipart/mixed`, a change set. Their methods: {', '.join(endpoint.methods)}. The `Content-Type` of "
        "the batch names the boundary."
    )


def _request_components(endpoint: Endpoint) -> Mapping[str, Schema]:
    items = array(ref("ODataBatchItem"), "The requests.", minItems=1, maxItems=endpoint.max_requests)
    methods = [*endpoint.methods, *map(str.lower, endpoint.methods)]
    method: Schema = {"type": "string", "description": "A method of an item.", "enum": methods}
    return {
        "ODataBatch": record("Many requests in one.", {"requests": items}, required=["requests"], open_=False),
        "ODataBatchItem": record("One request of a batch.", _item(endpoint), required=["id", "method", "url"]),
        "ODataBatchMethod": method,
    }


def _item(endpoint: Endpoint) -> Mapping[str, Schema]:
    return {
        "id": string("A name that is unique in the batch."),
        "method": ref("ODataBatchMethod", "In any letter case."),
        "url": string("A URL of this host, a path, or one relative to the service. `$ID` is the entity of that item."),
        "headers": strings_by_name("The headers of this item, of those that the site allows.", endpoint.headers),
        "body": {"description": "Any value for JSON, a string for text, and base64url for any other content type."},
        "atomicityGroup": string("Items with the same name form a group, which is all or nothing. They are adjacent."),
        "dependsOn": {
            **_NAMES,
            "description": "Ids of earlier items, and names of groups, that have to succeed first.",
        },
        "if": string("A condition that decides whether the item is run, such as `$1/$succeeded eq false`."),
    }


def _answer_components() -> Mapping[str, Schema]:
    members = {
        "id": string("The id of the item."),
        "status": integer("The status of its answer."),
        "headers": strings_by_name("The headers of its answer."),
        "body": {
            "description": "The JSON value, a string for text, base64 for anything else, or null. An `ODataBatchError` "
            "if the item was refused, not run or rolled back."
        },
        "atomicityGroup": string("The group of the item, if it named one."),
    }
    answers = array(ref("ODataBatchAnswer"), "In the order of the requests.")
    return {
        "ODataBatchAnswers": record("The answers to a batch.", {"responses": answers}, required=["responses"]),
        "ODataBatchAnswer": record("The answer to one request.", members, required=["id", "status", "headers", "body"]),
    }


def _error_components(*, is_old: bool = False) -> Mapping[str, Schema]:
    code: Schema = {"type": "string", "description": "The name of an error.", "enum": [*map(code_of, codes())]}
    members = {
        "code": ref("ODataBatchErrorCode", "The name of the error, for programs."),
        "message": string("What is wrong, for people."),
        "target": string("Where it is: a JSON Pointer into the batch."),
    }
    detail = record("One thing that is wrong.", members, required=["code", "message"])
    if is_old:
        return {"ODataBatchErrorBefore4": _error_before_4(members, detail), "ODataBatchErrorCode": code}
    details = array(detail, "Everything that is wrong, with its place.")
    error = record("The error.", {**members, "details": details}, required=["code", "message", "details"])
    described = record("Why a batch or an item was refused.", {"error": error}, required=["error"])
    return {"ODataBatchError": described, "ODataBatchErrorCode": code}


def _error_before_4(members: Mapping[str, Schema], detail: Schema) -> Schema:
    message = record(
        "What is wrong, for people.",
        {"lang": string("The language of the text."), "value": string("The text.")},
        required=["lang", "value"],
    )
    inner = record("Details.", {"errordetails": array(detail, "Everything that is wrong.")}, required=["errordetails"])
    error = record("The error.", {"code": members["code"], "message": message, "innererror": inner})
    return record(
        "Why a batch was refused, in the form of OData before version 4.", {"error": error}, required=["error"]
    )


_IN_JSON = Exchange(
    name="change set",
    summary="A group, and a read that needs it",
    request_type=_JSON,
    request={
        "requests": [
            {"id": "1", "atomicityGroup": "g", "method": "post", "url": "Items", "body": {"name": "Lamp"}},
            {"id": "2", "method": "get", "url": "$1", "dependsOn": ["g"]},
        ]
    },
    status=200,
    answer_type=_JSON,
    answer={
        "responses": [
            {
                "id": "1",
                "atomicityGroup": "g",
                "status": 201,
                "headers": {"Content-Type": "application/json"},
                "body": {"id": 10, "name": "Lamp"},
            },
            {
                "id": "2",
                "status": 200,
                "headers": {"Content-Type": "application/json"},
                "body": {"id": 10, "name": "Lamp"},
            },
        ]
    },
)
_IN_PARTS = Exchange(
    name="parts",
    summary="A read, and a change set",
    request_type=MULTIPART,
    request="--batch\r\nContent-Type: application/http\r\n\r\nGET Items(7) HTTP/1.1\r\n\r\n\r\n"
    "--batch\r\nContent-Type: multipart/mixed; boundary=changes\r\n\r\n"
    "--changes\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\n"
    'POST Items HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{"name": "Lamp"}\r\n'
    "--changes--\r\n--batch--\r\n",
    status=200,
    answer_type=MULTIPART,
    answer="--batchresponse\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n"
    '{"id":7,"name":"fixture-7"}\r\n'
    "--batchresponse\r\nContent-Type: multipart/mixed; boundary=changesetresponse\r\n\r\n"
    "--changesetresponse\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    "Content-ID: 1\r\n\r\n"
    "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 23\r\n\r\n"
    '{"id":10,"name":"Lamp"}\r\n'
    "--changesetresponse--\r\n--batchresponse--\r\n",
)
