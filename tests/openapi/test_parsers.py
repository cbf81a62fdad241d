"""What a batch URL says that it reads, to `OPTIONS` and to tools: what it really reads, and JSON first."""

import pytest
from django.urls import path

from django_batch.dialects.facebook import FacebookBatch
from django_batch.dialects.native import NativeDialect
from django_batch.dialects.odata import ODataJSON, ODataMultipart
from django_batch.views import BatchView

JSON, FORM, URLENCODED = "application/json", "multipart/form-data", "application/x-www-form-urlencoded"

urlpatterns = [
    path("native/", BatchView.as_view(dialect=NativeDialect)),
    path("odata/", BatchView.as_view(dialect=[ODataMultipart, ODataJSON])),
    path("facebook/", BatchView.as_view(dialect=FacebookBatch)),
]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(
    ("url", "media_types"),
    [
        ("/native/", [JSON, FORM]),
        ("/odata/", [JSON, "multipart/mixed"]),
        ("/facebook/", [JSON, FORM, URLENCODED, "text/plain"]),
    ],
)
def test_options_tell_what_is_read_with_json_first(client, url: str, media_types: list[str]) -> None:
    assert client.options(url).json()["parses"] == media_types


def test_class_tells_what_the_dialects_of_the_site_read(settings) -> None:
    assert [each.media_type for each in BatchView.parser_classes] == [JSON, FORM]
    settings.BATCH = {"DIALECT": "django_batch.dialects.google.GoogleMultipart"}
    assert [each.media_type for each in BatchView.parser_classes] == ["multipart/mixed"]


@pytest.mark.urls(__name__)
def test_type_that_is_not_read_is_refused_in_the_form_of_the_dialect(client) -> None:
    response = client.post("/native/", b"x", "text/csv")
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.urls(__name__)
def test_query_is_told_to_clients_and_not_to_tools_that_do_not_know_it(client) -> None:
    assert "QUERY" in client.options("/native/").headers["Allow"]
    assert "QUERY" not in BatchView().allowed_methods
