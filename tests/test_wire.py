"""Multipart messages of real clients, sent to the bookshop byte for byte: each request in them has its answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import path, resolve
from hypothesis import given
from hypothesis import strategies as st

from example_project.service_urls import azure_blobs, google
from example_project.urls import urlpatterns as bookshop_urls
from tests.markdown import ROOT
from tests.parts import answers, statuses

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]

WIRE = ROOT / "tests/wire"
# What was sent -> the status of the response, and those of the answers in it, those of a change set in a list. What is
# none of the bookshop's is not found.
ANSWERED = {
    "google/azure_storage_blob_delete": (202, [404, 404]),
    "google/azure_storage_blob_js": (202, [404, 404]),
    "google/azure_storage_blob_tier": (202, [404, 404]),
    "google/batchelor": (200, [200, 201, 404]),
    "google/gcsfs": (200, [404, 404]),
    "google/google_api_client_java": (200, [200, 201, 404, 400, 204]),
    "google/google_api_client_ruby": (200, [200, 201, 404, 204]),
    "google/google_api_python_client_raw": (200, [200, 201]),
    "google/google_api_python_client_service": (200, [200, 200, 201, 404, 400, 200, 204]),
    "google/google_batch": (200, [200, 404]),
    "google/google_cloud_storage": (200, [404, 404, 404]),
    "google/googleapis_batcher": (200, [200, 201, 404]),
    "odata_multipart/azure_cosmosdb_table": (202, [[204, 204, 204]]),
    "odata_multipart/azure_cosmosdb_table_failing": (202, [[400]]),
    "odata_multipart/azure_cosmosdb_table_update_delete": (202, [[204, 204, 204]]),
    "odata_multipart/azure_data_tables_failing": (202, [[400]]),
    "odata_multipart/azure_data_tables_js": (202, [[204, 204, 204, 204]]),
    "odata_multipart/azure_data_tables_transaction": (202, [[204, 204, 204]]),
    "odata_multipart/azure_data_tables_update_delete": (202, [[204, 204, 204]]),
    "odata_multipart/azure_storage": (202, [[204, 204, 204]]),
    "odata_multipart/azure_storage_failing": (202, [[400]]),
    "odata_multipart/azure_storage_retrieve": (202, [404]),
    "odata_multipart/azure_storage_update_delete": (202, [[204, 204, 204]]),
    "odata_multipart/b1sl": (200, [200, [201, 200, 204], 200]),
    "odata_multipart/breeze_client": (202, [[201, 204, 204]]),
    "odata_multipart/breeze_client_failing": (202, [[400]]),
    "odata_multipart/crmadminbrasil_dataverse_sdk": (200, [[201, 200, 204]]),
    "odata_multipart/dataverse": (200, [200, [201, 200, 201], 204]),
    "odata_multipart/dataverse_api": (200, [201, 200, 204, 200]),
    "odata_multipart/dataverse_webapi": (200, [[201, 200], 200, 404]),
    "odata_multipart/dataverse_webapi_failing": (200, [400]),
    "odata_multipart/dynamics_web_api_mixed": (200, [[201], 200]),
    "odata_multipart/dynamics_web_api_no_change_set": (200, [201, 200]),
    "odata_multipart/dynamics_web_api_references": (200, [[201, 200]]),
    "odata_multipart/fm_odata_client": (200, [200, [201, 200, 204], 200, 404]),
    "odata_multipart/fmodata": (200, [200, [201], [200], [204]]),
    "odata_multipart/fms_odata": (200, [[201, 200, 204], 200, 200]),
    "odata_multipart/gd_sprest": (200, [404, 404]),
    "odata_multipart/kendo": (200, [[200], [204], [201]]),
    "odata_multipart/o_js_change_set": (200, [[201, 201]]),
    "odata_multipart/o_js_gets": (200, [200, 404]),
    "odata_multipart/o_js_mixed": (200, [[201, 200], 200]),
    "odata_multipart/odata_batch": (202, [[200, 201, 204]]),
    "odata_multipart/odata_batch_request": (200, [200, [201, 200], 404]),
    "odata_multipart/odata_batch_two_sets": (202, [400, [200]]),
    "odata_multipart/odata_client_npm": (200, [200, [201, 200], 404]),
    "odata_multipart/odata_client_v2": (202, [200, [201], [204]]),
    "odata_multipart/odata_client_v4": (200, [200, [201], 404]),
    "odata_multipart/odatajs": (200, [200, [201, 200, 204], 404]),
    "odata_multipart/odatapy": (200, [200, [201, 200], 404]),
    "odata_multipart/office365_sharepoint": (200, [404, 404]),
    "odata_multipart/pnp_sp": (200, [404, 404, 404, 404]),
    "odata_multipart/pyodata_failing": (202, [400]),
    "odata_multipart/pyodata_mixed": (202, [200, [201, 204], 200]),
    "odata_multipart/pyodata_query": (202, [200, 404]),
    "odata_multipart/sap_cloud_sdk_v2": (202, [200, [201, 204, 204], 200]),
    "odata_multipart/sap_cloud_sdk_v2_absolute": (202, [200, [201, 204, 204], 200]),
    "odata_multipart/sap_cloud_sdk_v4": (200, [200, [201, 200, 204], 200]),
    "odata_multipart/sap_cloud_sdk_v4_failing": (200, [400]),
    "odata_multipart/sap_odata_library": (202, [200, [201, 204]]),
    "odata_multipart/sp_pnp_js": (200, [404, 404, 404, 404]),
    "odata_multipart/syncfusion": (200, [[201, 200, 204]]),
    "odata_multipart/ui5_group": (200, [[201, 200], 200, 200]),
    "odata_multipart/ui5_single_change": (200, [[201], 200]),
    "odata_multipart/ui5_v2": (202, [200, [201, 204], 404]),
}

# The root of a storage account, and a URL for Google's, where the bookshop has neither.
urlpatterns = [path("", azure_blobs), path("batch/google", google), *bookshop_urls]


def captured(file: Path) -> tuple[str, dict[str, str], bytes]:
    """The URL, the headers and the body of the request in `file`."""
    head, _, body = file.read_bytes().partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = (line.partition(":") for line in lines)
    return first.split()[1], {name.title(): value.strip() for name, _, value in fields}, body


@pytest.mark.parametrize("name", ANSWERED)
def test_message_of_a_real_client_is_answered(name, bookshop):
    url, headers, body = captured(WIRE / f"{name}.http")
    secure = b" https://127.0.0.1" in body
    response = Client(headers=headers).post(url, body, content_type=headers["Content-Type"], secure=secure)
    found = answers(response.content, response.headers["Content-Type"])
    assert (response.status_code, statuses(found)) == ANSWERED[name]


def test_every_url_that_the_how_to_names_is_served():
    page = (ROOT / "docs/howto/serve_existing_clients.md").read_text()
    table = page.partition("| it posts to |")[2].partition("\n\n#")[0]
    rows = [row.split("|") for row in table.splitlines() if row.startswith("|")]
    named = {url for _, _, _, posts_to, *_ in rows for url in re.findall(r"`(/[^`]*)`", posts_to)}
    assert len(named) > 8
    for url in named:
        assert resolve(url.replace("NAME", "shop").replace("SITE", "sites/shop"), urlconf="example_project.urls")


def test_every_message_is_described():
    described = (WIRE / "README.md").read_text()
    assert [file for file in WIRE.rglob("*.http") if f"`{file.stem}`" not in described] == []


def test_every_multipart_message_is_answered():
    files = [file for folder in ("google", "odata_multipart") for file in (WIRE / folder).glob("*.http")]
    assert {f"{file.parent.name}/{file.stem}" for file in files} == set(ANSWERED)


BYTES = st.binary(max_size=3) | st.sampled_from(
    [b'"', b"$", b"{", b"},{", b"1", b"--", b"\r\n", b":", b"%", b"\x00", b"\xef\xbb\xbf"]
)
ENCODINGS = st.sampled_from(["utf-16", "latin-1", "cp037"])


@st.composite
def mutilated(draw: st.DrawFn) -> tuple[str, dict[str, str], bytes]:
    """A message with other bytes in it, or its lines in another order, left out or repeated, or in another encoding."""
    url, headers, body = captured(draw(st.sampled_from(sorted(WIRE.rglob("*.http")))))
    if draw(st.booleans()):
        lines = body.splitlines(keepends=True)
        start, end, to = sorted(draw(st.integers(0, len(lines))) for _ in "123")
        body = b"".join([*lines[:start], *lines[end:to], *lines[start:end] * draw(st.integers(0, 2)), *lines[to:]])
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(body)))
        body = body[:start] + draw(BYTES) + body[start + draw(st.integers(0, 5)) :]
    if draw(st.integers(0, 4)) == 0:
        body = body.decode(errors="replace").encode(draw(ENCODINGS), "replace")
    del headers["Content-Length"]
    return url, headers, body


@given(sent=mutilated())
def test_message_that_is_mutilated_is_answered_or_refused(sent, bookshop):
    url, headers, body = sent
    client = Client(raise_request_exception=False, headers=headers)
    response = client.generic("POST", url, body, headers.get("Content-Type", ""))
    assert response.status_code in (200, 202, 400, 413, 415)
    if response.status_code < 400 and response["Content-Type"].startswith("multipart/"):
        assert answers(response.content, response["Content-Type"])
    else:
        assert ("error" in response.json()) == (response.status_code >= 400)
