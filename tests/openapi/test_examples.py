"""Every example of a schema is sent to the bookshop, and answered as it says, in a form that the schema allows."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import MULTIPART_CONTENT
from django.urls import path

from django_batch.dialects.facebook import FacebookBatch
from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.native import NativeDialect
from django_batch.dialects.odata import ODataJSON, ODataMultipart
from django_batch.openapi import Exchange, contract_of
from django_batch.openapi.spectacular.schema import _endpoint
from django_batch.views import BatchView
from example_project.urls import urlpatterns as site_urls
from tests.markdown import shown
from tests.openapi.schemas import check, schema_of, validator
from tests.parts import answers

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.usefixtures("bookshop"),
    pytest.mark.urls(__name__),
]

VIEWS = {
    "native/": BatchView.as_view(dialect=NativeDialect),
    "facebook/": BatchView.as_view(dialect=FacebookBatch),
    "google/": BatchView.as_view(dialect=GoogleMultipart),
    "api/odata/v4/json": BatchView.as_view(dialect=ODataJSON, authentication_classes=[]),
    "api/odata/v4/parts": BatchView.as_view(dialect=ODataMultipart, authentication_classes=[]),
}
batch_urls = [path(url, view) for url, view in VIEWS.items()]
urlpatterns = [*batch_urls, *site_urls]


def examples(url: str) -> list[Exchange]:
    view = VIEWS[url].cls(**VIEWS[url].initkwargs)
    [dialect] = [view.dialect()]
    return [*contract_of(dialect, _endpoint(view, dialect)).examples]


EXAMPLES = [
    pytest.param(url, each, id=f"{url}{each.name}-{each.request_type}") for url in VIEWS for each in examples(url)
]


@pytest.fixture
def documents() -> dict[str, Any]:
    """The schema of each version of OpenAPI whose schemas are those of JSON Schema."""
    return {version: schema_of("tests.openapi.example_urls", version) for version in ("3.1.1", "3.2.0")}


def body_of(example: Exchange) -> tuple[Any, str]:
    """The body of an example as bytes, and its content type."""
    value: Any = example.request
    if example.request_type == "application/json":
        return json.dumps(value), "application/json"
    if example.request_type == "multipart/mixed":
        boundary = value.partition("\r\n")[0].removeprefix("--")
        return value, f"multipart/mixed; boundary={boundary}"
    fields = {name: each if isinstance(each, str) else json.dumps(each) for name, each in value.items()}
    if example.request_type == "application/x-www-form-urlencoded":
        return urlencode(fields), "application/x-www-form-urlencoded"
    files = {name for name, each in value.items() if isinstance(each, str)}
    return {
        name: SimpleUploadedFile(name, each.encode("latin-1")) if name in files else each
        for name, each in fields.items()
    }, MULTIPART_CONTENT


def as_read(body: bytes, content_type: str) -> Any:
    """An answer in a form in which those of examples can be compared."""
    if content_type.startswith("multipart/mixed"):
        return answers(body, content_type)
    if content_type == "application/jsonl":
        return [json.loads(line) for line in body.splitlines()]
    return json.loads(body)


@pytest.mark.parametrize(("url", "example"), EXAMPLES)
def test_example_is_answered_as_it_says(url: str, example: Exchange, documents) -> None:
    body, content_type = body_of(example)
    headers = {"Authorization": "Token staff-token", **example.headers}
    response = Client().post(f"/{url}", body, content_type, headers=headers)
    assert response.status_code == example.status
    assert response.headers["Content-Type"].partition(";")[0] == example.answer_type
    content = response.getvalue()
    for document in documents.values():
        operation = document["paths"][f"/{url}"]["post"]
        check(document, operation["responses"][str(example.status)]["content"][example.answer_type], content)
    assert_same(example, as_read(content, response.headers["Content-Type"]))


def assert_same(example: Exchange, found: Any) -> None:
    expected: Any = example.answer
    if example.answer_type == "multipart/mixed":
        boundary = expected.partition("\r\n")[0].removeprefix("--")
        expected = answers(expected.encode(), f"multipart/mixed; boundary={boundary}")
        assert [*map(with_headers_of, found, expected)] == expected
    elif example.answer_type == "application/jsonl":
        expected = [json.loads(line) for line in expected.splitlines()]
        assert [*map(shown, found, expected)] == expected
    elif isinstance(expected, list):
        assert found == expected
    else:
        assert shown(found, expected) == expected


def with_headers_of(found: Any, expected: Any) -> Any:
    if isinstance(found, list):
        return [*map(with_headers_of, found, expected)]
    return found._replace(headers={name: found.headers.get(name) for name in expected.headers})


@pytest.mark.parametrize(("url", "example"), EXAMPLES)
def test_batch_of_an_example_is_one_that_the_schema_allows(url: str, example: Exchange, documents) -> None:
    for document in documents.values():
        content = document["paths"][f"/{url}"]["post"]["requestBody"]["content"][example.request_type]
        validator(document, content["schema"]).validate(example.request)
        values = [each["value"] for each in content["examples"].values()]
        assert example.request in values


@pytest.mark.parametrize(("url", "example"), EXAMPLES)
def test_answer_of_an_example_is_in_the_schema(url: str, example: Exchange, documents) -> None:
    for document in documents.values():
        responses = document["paths"][f"/{url}"]["post"]["responses"]
        content = responses[str(example.status)]["content"][example.answer_type]
        assert example.answer in [each["value"] for each in content["examples"].values()]


REFUSED = {
    "native/": ("application/json", b'{"requests": []}'),
    "facebook/": ("application/json", b'{"batch": []}'),
    "google/": ("multipart/mixed; boundary=b", b"--b--\r\n"),
    "api/odata/v4/json": ("application/json", b'{"requests": [{"id": "1"}]}'),
    "api/odata/v4/parts": ("multipart/mixed; boundary=b", b"--b\r\n\r\nGET $7 HTTP/1.1\r\n\r\n--b--\r\n"),
}


@pytest.mark.parametrize("url", VIEWS)
def test_refusal_is_one_that_the_schema_allows(url: str, documents) -> None:
    content_type, body = REFUSED[url]
    for sent_type, status in ((content_type, 400), ("text/csv", 415)):
        response = Client().generic("POST", f"/{url}", body, sent_type)
        assert response.status_code == status
        for document in documents.values():
            contents = document["paths"][f"/{url}"]["post"]["responses"][str(status)]["content"]
            check(document, contents[response.headers["Content-Type"]], response.content)


def test_schema_does_not_allow_what_is_not_answered(documents) -> None:
    """The checks above can fail."""
    document = documents["3.1.1"]
    answered = document["paths"]["/native/"]["post"]["responses"]["207"]["content"]["application/json"]
    assert not validator(document, answered["schema"]).is_valid({"responses": [{"id": "1", "status": "200"}]})
    assert not validator(document, answered["schema"]).is_valid([{"status": 200}])
    refused = document["paths"]["/native/"]["post"]["responses"]["400"]["content"]["application/problem+json"]
    assert not validator(document, refused["schema"]).is_valid({"code": "no_such_code"})
