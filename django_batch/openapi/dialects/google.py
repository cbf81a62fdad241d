"""The batches of Google's services and of Azure Blob Storage: one HTTP request in each part."""

from __future__ import annotations

from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.shared.mime import MULTIPART
from django_batch.dialects.shared.parts import BEFORE_4
from django_batch.openapi.contract import Content, Contract, Endpoint, Exchange, contract_of
from django_batch.openapi.problems import READING, codes
from django_batch.openapi.values import Schema, array, integer, record, ref, string


@contract_of.register
def google(dialect: GoogleMultipart, endpoint: Endpoint) -> Contract:
    """Google's batches."""
    request = string(
        f"At most {endpoint.max_requests} requests, each in a part of the type `application/http`. Their methods: "
        f"{', '.join(endpoint.methods)}. The `Content-Type` of the batch names the boundary."
    )
    answer = Content(media_type=MULTIPART, schema=string("A part of the type `application/http` for each answer."))
    return Contract(
        requests=[Content(media_type=MULTIPART, schema=request)],
        answers={status: [answer] for status in ([dialect.status] if dialect.status else [200, BEFORE_4])},
        error=Content(media_type="application/json", schema=ref("GoogleBatchError")),
        refusals=READING,
        components={
            "GoogleBatchError": _error(),
            "GoogleBatchErrorReason": {"type": "string", "description": "The name of an error.", "enum": codes()},
        },
        examples=(_PARTS,),
        description="A batch as Google's libraries send it. Every part is answered, even if others fail.",
    )


def _error() -> Schema:
    members = {
        "domain": string("Always `global`."),
        "reason": ref("GoogleBatchErrorReason", "The name of the error, for programs."),
        "message": string("What is wrong, for people."),
        "location": string("Where it is: a JSON Pointer into the batch."),
    }
    detail = record("One thing that is wrong.", members, required=[*members])
    error = {
        "code": integer("The status."),
        "message": string("What is wrong, for people."),
        "errors": array(detail, "Everything that is wrong, with its place."),
    }
    return record(
        "Why a batch was refused.", {"error": record("The error.", error, required=[*error])}, required=["error"]
    )


_PARTS = Exchange(
    name="parts",
    summary="Two reads",
    request_type=MULTIPART,
    request="--batch\r\nContent-Type: application/http\r\nContent-ID: <price>\r\n\r\n"
    "GET /api/books/1/price/ HTTP/1.1\r\n\r\n\r\n"
    "--batch\r\nContent-Type: application/http\r\nContent-ID: <none>\r\n\r\n"
    "GET /api/books/999/ HTTP/1.1\r\n\r\n\r\n--batch--\r\n",
    status=200,
    answer_type=MULTIPART,
    answer="--batchresponse\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    "Content-ID: <response-price>\r\n\r\n"
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 38\r\n\r\n"
    '{"price":"18.50","since":"2024-03-01"}\r\n'
    "--batchresponse\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    "Content-ID: <response-none>\r\n\r\n"
    "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 45\r\n\r\n"
    '{"detail":"No Book matches the given query."}\r\n--batchresponse--\r\n',
)
