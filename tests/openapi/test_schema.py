"""What drf-spectacular writes about batch URLs: valid, without a warning, and what is really read and answered."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as site_settings
from rest_framework.throttling import AnonRateThrottle

from django_batch import errors
from django_batch.dialects.native import dialect as native_dialect
from django_batch.dialects.native.items import NativeItem
from django_batch.dialects.odata import ODataMultipart
from django_batch.dialects.odata.items import ODataItem
from django_batch.errors import BatchError
from django_batch.openapi.problems import NAMING, READING, codes
from django_batch.views import BatchView
from tests.markdown import ROOT
from tests.openapi.schemas import operation_of, schema_for, schema_of, text_of_schema

ONE, SEVERAL = "tests.openapi.one_url", "tests.openapi.several_urls"
VERSIONS = ["3.0.3", "3.1.0", "3.1.1", "3.2.0"]
JSON, PROBLEM = "application/json", "application/problem+json"


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("urls", [ONE, SEVERAL])
def test_schema_is_valid_and_without_a_warning(urls: str, version: str, split: bool) -> None:
    schema = schema_of(urls, version, split=split)
    assert schema["openapi"] == version
    assert all("requestBody" in item["post"] for item in schema["paths"].values())


@pytest.mark.parametrize("version", VERSIONS)
def test_every_reference_of_a_schema_leads_to_a_component_and_every_component_is_used(version: str) -> None:
    schema = schema_of(SEVERAL, version)
    used = set(re.findall(r"#/components/schemas/(\w+)", text_of_schema(SEVERAL, version)))
    lines = {"HttpBatchAnswer", "HttpBatchEnd"}  # before 3.2 a description names the second
    assert used <= {*schema["components"]["schemas"]} <= used | lines


def test_operations_of_all_urls_have_different_ids() -> None:
    paths = schema_of(SEVERAL)["paths"]
    ids = [item["post"]["operationId"] for item in paths.values()]
    assert len(ids) == len({*ids}) == 9
    assert all(re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", each) for each in ids)


def test_dialects_of_a_url_are_its_media_types() -> None:
    paths = schema_of(SEVERAL)["paths"]
    found = {url: [*item["post"]["requestBody"]["content"]] for url, item in paths.items()}
    form, urlencoded, mixed = "multipart/form-data", "application/x-www-form-urlencoded", "multipart/mixed"
    assert found["/batch/"] == [JSON, form]
    assert found["/batch"] == found["/odata/v2/$batch"] == [mixed]
    assert found["/odata/$batch"] == [JSON, mixed]
    assert found["/v25.0/"] == [JSON, form, urlencoded]


def test_limits_of_each_view_are_in_its_schema() -> None:
    schema = schema_of(SEVERAL)

    def limits(url: str) -> tuple[int, list[str], bool]:
        [batch, _] = schema["paths"][url]["post"]["requestBody"]["content"][JSON]["schema"]["oneOf"]
        members = named(batch)["properties"]
        item = named(members["requests"]["items"])["properties"]
        return members["requests"]["maxItems"], named(item["method"]["allOf"][0])["enum"], "dry_run" in members

    def named(reference: dict[str, str]) -> dict[str, Any]:
        return schema["components"]["schemas"][reference["$ref"].rpartition("/")[2]]

    methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
    assert limits("/batch/") == (100, methods, True)
    assert limits("/async/batch/") == (7, methods, False)
    assert limits("/reading/") == (10, ["GET", "HEAD"], True)


def test_headers_that_an_item_may_set_are_in_the_schema() -> None:
    item = schema_for(allowed_headers=["Accept", "X-Trace"])["components"]["schemas"]["HttpBatchItem"]
    assert [*item["properties"]["headers"]["properties"]] == ["Accept", "X-Trace"]


def test_members_of_the_schema_are_those_that_the_native_format_reads() -> None:
    components = schema_for()["components"]["schemas"]
    aliases = {"url", "dependsOn", "atomicityGroup"}
    jobs = {"idempotency_key"}  # which is refused where no batches are kept
    assert {*components["HttpBatchItem"]["properties"]} == {*NativeItem.__struct_fields__} - aliases - jobs
    assert {*components["HttpBatch"]["properties"]} == {"requests", *native_dialect._OPTIONS}


def test_members_of_the_schema_are_those_that_odata_reads() -> None:
    components = schema_for(dialect="django_batch.dialects.odata.ODataJSON")["components"]["schemas"]
    assert {*components["ODataBatchItem"]["properties"]} == {*ODataItem.__struct_encode_fields__} - {"depends_on"}


def test_codes_are_those_of_the_classes() -> None:
    defined = [each.code for each in vars(errors).values() if isinstance(each, type) and issubclass(each, BatchError)]
    assert {*defined} <= {*codes()}
    assert schema_for()["components"]["schemas"]["HttpProblemCode"]["enum"] == codes()


def test_errors_that_refuse_a_batch_are_those_of_the_manual() -> None:
    page = (ROOT / "docs/reference/errors.md").read_text()
    section = page.partition("## The whole batch is refused")[2].partition("\n## ")[0]
    refusing = {each.__name__ for each in (*READING, *NAMING, errors.DryRunNotAllowed, errors.UnsafeMethod)}
    assert {*re.findall(r"^\| \d+ \| `\w+` \| `(\w+)` \|", section, re.MULTILINE)} == refusing


def test_refusals_tell_their_codes() -> None:
    responses = operation_of(schema_for(dry_run=False))["responses"]
    assert "* `duplicate_id`: Two sub-requests have the same id" in responses["400"]["description"]
    assert {*responses["403"]["content"]} == {PROBLEM, JSON}
    assert "The sender may not send a batch" in responses["403"]["description"]
    assert "`dry_run_not_allowed`" in responses["403"]["description"]
    assert {*responses} == {"207", "400", "401", "403", "413", "415", "500"}


def test_dry_run_that_is_allowed_refuses_nothing() -> None:
    responses = operation_of(schema_for(dry_run=True))["responses"]
    assert "dry_run_not_allowed" not in responses["403"]["description"]


def test_responses_of_a_view_follow_its_authentication_and_throttles() -> None:
    responses = operation_of(schema_for(authentication_classes=[], throttle_classes=[AnonRateThrottle]))["responses"]
    assert "401" not in responses
    assert [*responses["429"]["content"]] == [JSON]


class Forbidden(BatchError):
    """Not on Sundays."""

    status = 403
    code = "sunday"


def test_refusal_in_the_media_type_of_rest_framework_is_one_of_both() -> None:
    class Refused(BatchView):
        dialect = "django_batch.dialects.odata.ODataJSON"

    responses = operation_of(schema_for(Refused))["responses"]
    first, second = responses["403"]["content"][JSON]["schema"]["anyOf"]
    assert first == {"$ref": "#/components/schemas/ODataBatchError"}
    assert "detail" in second["properties"]
    assert f"* `{Forbidden.code}`: Not on Sundays." in responses["403"]["description"]


def test_lines_have_an_item_schema_where_openapi_has_one() -> None:
    before = operation_of(schema_for(version="3.1.1"))["responses"]["207"]["content"]["application/jsonl"]
    since = operation_of(schema_for(version="3.2.0"))["responses"]["207"]["content"]["application/jsonl"]
    assert before["schema"]["type"] == "string"
    assert "schema" not in since
    assert [each["$ref"].rpartition("/")[2] for each in since["itemSchema"]["oneOf"]] == [
        "HttpBatchAnswer",
        "HttpBatchEnd",
    ]


@pytest.mark.parametrize(
    ("version", "answer"),
    [
        ("3.0.3", {"allOf": [{"$ref": "#/components/schemas/FacebookAnswer"}], "nullable": True}),
        ("3.1.1", {"oneOf": [{"$ref": "#/components/schemas/FacebookAnswer"}, {"type": "null"}]}),
    ],
)
def test_null_is_written_as_the_version_of_openapi_has_it(version: str, answer: dict[str, Any]) -> None:
    schema = schema_for(version=version, dialect="django_batch.dialects.facebook.FacebookBatch")
    assert operation_of(schema)["responses"]["200"]["content"][JSON]["schema"]["items"] == answer


def test_error_of_a_service_of_version_2_has_the_form_of_that_version() -> None:
    responses = operation_of(schema_for(dialect=ODataMultipart(status=202)))["responses"]
    assert "200" not in responses
    assert responses["400"]["content"][JSON]["schema"] == {"$ref": "#/components/schemas/ODataBatchErrorBefore4"}


def test_flat_change_sets_are_described_as_such() -> None:
    assert "answered by itself" in operation_of(schema_for(dialect=ODataMultipart(flat=True)))["description"]


WITHOUT = """
import os, sys
for name in sys.argv[1:]:
    sys.modules[name] = None  # as if it were not installed
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("check")
import django_batch.openapi
from django_batch.openapi import contract_of
response = Client().post("/batch/", {"requests": [{"path": "/nothing/"}]}, "application/json")
assert response.status_code == 207, response.content
assert Client().get("/api/schema/").status_code == 404
assert not any(name.startswith("drf_spectacular.") for name in sys.modules)
"""


def test_app_imports_nothing_where_drf_spectacular_is_missing(monkeypatch) -> None:
    imported = []
    monkeypatch.setattr("django_batch.apps.find_spec", lambda name: None)
    monkeypatch.setattr("django_batch.apps.import_module", imported.append)
    apps.get_app_config("django_batch").ready()
    assert imported == []


def test_site_without_drf_spectacular_works() -> None:
    command = [sys.executable, "-W", "error", "-c", WITHOUT, "drf_spectacular"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.django_db(databases="__all__")
def test_schema_of_the_example_project_is_served(client, settings) -> None:
    assert site_settings.REST_FRAMEWORK["DEFAULT_SCHEMA_CLASS"] == "drf_spectacular.openapi.AutoSchema"
    schema = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    assert {"/batch/", "/async/batch/", "/batch", "/v25.0/", "/api/odata/v4/$batch/"} < {*schema["paths"]}
    assert "/api/books/{id}/" in schema["paths"]
