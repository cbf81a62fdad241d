"""OData's multipart batches, read and written, and the messages of real clients of OData and Google."""

from __future__ import annotations

import json
import re
from http.client import parse_headers
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_batch.core.batch import Batch, Subrequest, Subresponse
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.odata import ODataMultipart
from django_batch.dialects.shared.parts import PartsLayout
from django_batch.errors import (
    BatchError,
    CommitFailed,
    FailedDependency,
    Malformed,
    NestedBatch,
    NotRun,
    OnCommitFailed,
    RolledBack,
    TooManyRequests,
)
from tests.markdown import ROOT
from tests.parts import Answer, answers, change_set, message, multipart, part, statuses

JSON = ("content-type", "application/json")
WIRE = ROOT / "tests/wire"
# the message of a client -> the methods of its requests, with change sets in brackets
CAPTURED = {
    "google/azure_storage_blob_delete": "DELETE DELETE",
    "google/azure_storage_blob_js": "DELETE DELETE",
    "google/azure_storage_blob_tier": "PUT PUT",
    "google/batchelor": "GET POST GET",
    "google/gcsfs": "DELETE DELETE",
    "google/google_api_client_java": "GET POST GET POST DELETE",
    "google/google_api_client_ruby": "GET POST GET DELETE",
    "google/google_api_python_client_raw": "GET POST",
    "google/google_api_python_client_service": "GET GET POST GET POST PATCH DELETE",
    "google/google_batch": "GET GET",
    "google/google_cloud_storage": "PATCH DELETE GET",
    "google/googleapis_batcher": "GET POST GET",
    "odata_multipart/azure_cosmosdb_table": "(POST PUT PATCH)",
    "odata_multipart/azure_cosmosdb_table_failing": "(POST DELETE)",
    "odata_multipart/azure_cosmosdb_table_update_delete": "(PUT PATCH DELETE)",
    "odata_multipart/azure_data_tables_failing": "(PATCH POST)",
    "odata_multipart/azure_data_tables_js": "(PATCH POST PUT DELETE)",
    "odata_multipart/azure_data_tables_transaction": "(PATCH POST PUT)",
    "odata_multipart/azure_data_tables_update_delete": "(PATCH PUT DELETE)",
    "odata_multipart/azure_storage": "(POST PUT PATCH)",
    "odata_multipart/azure_storage_failing": "(POST POST)",
    "odata_multipart/azure_storage_retrieve": "GET",
    "odata_multipart/azure_storage_update_delete": "(PATCH PUT DELETE)",
    "odata_multipart/b1sl": "GET (POST PATCH DELETE) GET",
    "odata_multipart/breeze_client": "(POST PATCH DELETE)",
    "odata_multipart/breeze_client_failing": "(POST PATCH)",
    "odata_multipart/crmadminbrasil_dataverse_sdk": "(POST PATCH DELETE)",
    "odata_multipart/dataverse": "GET (POST PATCH$1/0 POST$1/0) DELETE",
    "odata_multipart/dataverse_api": "POST PATCH DELETE GET",
    "odata_multipart/dataverse_webapi": "(POST PATCH) GET GET GET",
    "odata_multipart/dataverse_webapi_failing": "(POST)",
    "odata_multipart/dynamics_web_api_mixed": "(POST) GET",
    "odata_multipart/dynamics_web_api_no_change_set": "POST GET",
    "odata_multipart/dynamics_web_api_references": "(POST PATCH$0/0)",
    "odata_multipart/fm_odata_client": "GET (POST PATCH DELETE) GET GET",
    "odata_multipart/fmodata": "GET (POST) (PATCH) (DELETE)",
    "odata_multipart/fms_odata": "(POST PATCH DELETE) GET GET",
    "odata_multipart/gd_sprest": "GET (POST)",
    "odata_multipart/kendo": "(PUT) (DELETE) (POST)",
    "odata_multipart/o_js_change_set": "(POST POST)",
    "odata_multipart/o_js_gets": "GET GET",
    "odata_multipart/o_js_mixed": "(POST PATCH) GET",
    "odata_multipart/odata_batch": "(GET POST PUT)",
    "odata_multipart/odata_batch_request": "GET (POST PATCH) GET",
    "odata_multipart/odata_batch_two_sets": "(POST POST) (GET)",
    "odata_multipart/odata_client_npm": "GET (POST PATCH) GET",
    "odata_multipart/odata_client_v2": "GET (POST) (PATCH)",
    "odata_multipart/odata_client_v4": "GET (POST) GET",
    "odata_multipart/odatajs": "GET (POST PATCH DELETE) GET",
    "odata_multipart/odatapy": "GET (POST PATCH) GET GET",
    "odata_multipart/office365_sharepoint": "GET GET",
    "odata_multipart/pnp_sp": "GET (POST PATCH DELETE)",
    "odata_multipart/pyodata_failing": "(POST POST)",
    "odata_multipart/pyodata_mixed": "GET (POST PATCH) GET",
    "odata_multipart/pyodata_query": "GET GET",
    "odata_multipart/sap_cloud_sdk_v2": "GET (POST PATCH DELETE) GET",
    "odata_multipart/sap_cloud_sdk_v2_absolute": "GET (POST PATCH DELETE) GET",
    "odata_multipart/sap_cloud_sdk_v4": "GET (POST PATCH DELETE) GET",
    "odata_multipart/sap_cloud_sdk_v4_failing": "(POST POST) GET",
    "odata_multipart/sap_odata_library": "GET (POST PATCH)",
    "odata_multipart/sp_pnp_js": "GET (DELETE POST PATCH)",
    "odata_multipart/syncfusion": "(POST PATCH DELETE)",
    "odata_multipart/ui5_group": "(POST PATCH) GET GET",
    "odata_multipart/ui5_single_change": "(POST) GET",
    "odata_multipart/ui5_v2": "GET (POST PATCH) GET",
}
POST = message("POST", "Items", b"{}")
# parts of a batch -> its sub-requests, without those of the first example
BATCHES: list[tuple[list[bytes], list[Subrequest], dict[str, str]]] = [
    (
        [part(message("GET", "Items(7)")), part(message("GET", "http://testserver/x?$filter=a eq 'b'"), "1")],
        [
            Subrequest("0", "GET", "/svc/Items(7)", pointer="/0"),
            Subrequest("1", "GET", "/x?$filter=a%20eq%20'b'", pointer="/1"),
        ],
        {"1": "1"},
    ),
    (
        [change_set([part(POST, "1"), part(POST)]), change_set([part(POST, "1")], "b2")],
        [
            Subrequest("0/0", "POST", "/svc/Items", (JSON,), b"{}", atomicity_group="0", pointer="/0/0"),
            Subrequest("0/1", "POST", "/svc/Items", (JSON,), b"{}", atomicity_group="0", pointer="/0/1"),
            Subrequest("1/0", "POST", "/svc/Items", (JSON,), b"{}", atomicity_group="1", pointer="/1/0"),
        ],
        {"0/0": "1", "1/0": "1"},
    ),
    (
        [
            part(message("POST", "Items(7)", b"{}", X_HTTP_Method="MERGE")),
            part(message("POST", "Items(7)", X_HTTP_METHOD="delete")),
            part(message("MERGE", "Items(7)", b"{}")),
            part(message("GET", "Items(7)", X_HTTP_Method="DELETE")),
        ],
        [
            Subrequest("0", "PATCH", "/svc/Items(7)", (JSON,), b"{}", pointer="/0"),
            Subrequest("1", "DELETE", "/svc/Items(7)", pointer="/1"),
            Subrequest("2", "PATCH", "/svc/Items(7)", (JSON,), b"{}", pointer="/2"),
            Subrequest("3", "GET", "/svc/Items(7)", (("x-http-method", "DELETE"),), pointer="/3"),
        ],
        {},
    ),
]
BAD = b"Content-Type: multipart/mixed\r\n\r\n--c--"
# parts of a batch, and where it is wrong
FAULTS = [
    ([], [""]),
    ([b"{}", part(message("GET", "Items")), part(b"")], ["/0", "/2"]),
    ([change_set([])], ["/0"]),
    ([BAD, change_set([part(POST)])[:-4]], ["/0", "/1"]),
    ([change_set([part(POST), b"{}", part(POST), b"{}"])], ["/0/1", "/0/3"]),
    ([change_set([change_set([part(POST)], "inner"), part(POST)])], ["/0/0"]),
    ([b"A: \xff\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--"], ["/0"]),
    ([b"Content-Type: multipart/form-data; boundary=c\r\n\r\n--c--"], ["/0"]),
    ([part(message("GET", "//evil.example/")), part(message("GET", "/", Host="evil.example"))], ["/0", "/1"]),
    ([part(message("GET", "$1"))], ["/0"]),
    ([part(message("GET", "$1"), "1")], ["/0"]),
    ([change_set([part(message("PATCH", "$2", b"{}")), part(POST, "2")])], ["/0/0"]),
    ([part(message("GET", "/", If_Match="$1"), "2"), part(message("GET", "/", If_Match="$1"))], ["/1"]),
    ([part(message("GET", "Items"))] * 2 + [part(message("POST", "Items", b"{}", Host="x"))] * 2, ["/2", "/3"]),
]
# the parts of a batch -> the sub-request and the place of each reference, and the sub-request that it refers to
REFERENCES: list[tuple[list[bytes], list[tuple[str, str, str]]]] = [
    ([part(POST, "1"), part(message("GET", "$1/Notes"))], [("1", "path", "0")]),
    ([change_set([part(POST, "1"), part(message("PATCH", "$1", b"{}"), "2")])], [("0/1", "path", "0/0")]),
    (
        [change_set([part(POST, "1")]), change_set([part(message("PUT", "$1", b"{}"), "1"), part(POST)], "b2")],
        [("1/0", "path", "0/0")],
    ),
    ([part(POST, "1"), part(POST, "1"), part(message("GET", "$1"))], [("2", "path", "1")]),
    ([part(POST, "a.b"), part(message("GET", "/", If_None_Match="$a.b"))], [("1", "headers/if-none-match", "0")]),
    ([part(POST, "1"), part(message("POST", "/", b'{"p@odata.bind": "$1"}'))], [("1", "body", "0")]),
    ([part(POST, "1"), part(message("POST", "/", b'{"p@odata.bind": "/svc/$1"}'))], [("1", "body", "0")]),
    ([part(POST, "1"), part(message("POST", "/", b'{"p@odata.bind": "/$1"}'))], []),
    ([part(POST, "1"), part(message("POST", "/", b'{"p": "$1", "q": "$1/x"}'))], []),
    ([part(POST, "1"), part(message("GET", "/?$filter=a eq $1/x"))], []),
    ([part(POST, "1"), part(message("POST", "/", b'"$1"', Content_Type="text/plain"))], []),
]


def envelope(
    content: bytes, *, limit: int = 100, url: str = "http://testserver/svc/$batch", **headers: str
) -> Envelope:
    content_type = headers.pop("content_type", "multipart/mixed; boundary=batch")
    return Envelope(content, content_type, url, limit, {name.replace("_", "-"): headers[name] for name in headers})


def parse(parts: list[bytes], dialect: Dialect | None = None, **options: Any) -> Batch:
    return (dialect or ODataMultipart()).parse(envelope(multipart(parts), **options))


def captured(name: str) -> tuple[Dialect, Envelope]:
    stream = BytesIO((WIRE / f"{name}.http").read_bytes())
    url = stream.readline().decode().split(" ")[1]
    headers = parse_headers(stream)
    dialect = GoogleMultipart(id_prefix="") if name.startswith("google/") else ODataMultipart()
    body = stream.read()
    scheme = "https" if b" https://127.0.0.1" in body else "http"
    url = f"{scheme}://{headers['Host']}{url.partition('?')[0]}"
    return dialect, Envelope(body, headers["Content-Type"], url, 100, headers)


def methods(batch: Batch) -> str:
    """The methods of the requests in a batch with their references, and with change sets in brackets."""
    groups: dict[str, list[str]] = {}
    for each in batch.subrequests:
        name = each.atomicity_group or each.id
        groups.setdefault(name, []).append("$".join([each.method, *each.depends_on]))
    sets = {each.atomicity_group for each in batch.subrequests}
    return " ".join(f"({' '.join(each)})" if name in sets else each[0] for name, each in groups.items())


@pytest.mark.parametrize("name", CAPTURED)
def test_batch_of_a_client_is_read(name):
    dialect, sent = captured(name)
    batch = dialect.parse(sent)
    assert batch.faults == ()
    assert methods(batch) == CAPTURED[name]


def test_batches_of_all_clients_are_read():
    found = [file for folder in ("google", "odata_multipart") for file in Path(WIRE / folder).glob("*.http")]
    assert {f"{file.parent.name}/{file.stem}" for file in found} == CAPTURED.keys()


@pytest.mark.parametrize("name", CAPTURED)
def test_batch_of_a_client_that_is_cut_off_anywhere_is_refused(name):
    dialect, sent = captured(name)
    closing = b"--" + sent.content_type.partition("boundary=")[2].strip('"').encode() + b"--"
    for length in range(sent.body.rindex(closing) + len(closing)):
        with pytest.raises(Malformed, match=r"a part may be missing|The batch is empty"):
            dialect.parse(Envelope(sent.body[:length], sent.content_type, sent.url, 100, sent.headers))


@pytest.mark.parametrize("name", CAPTURED)
def test_answer_to_a_client_has_a_part_for_each_of_its_own(name):
    dialect, sent = captured(name)
    batch = dialect.parse(sent)
    found = read(dialect.writer(batch), *(Subresponse(each, 200, {}, b"{}") for each in batch.subrequests))
    flat = [answer for each in found for answer in (each if isinstance(each, list) else [each])]
    assert shape(found) == re.sub("[A-Z]+", "200", re.sub(r"\$\S*\b", "", CAPTURED[name]))
    assert [answer.content_id for answer in flat] == [
        batch.layout.content_ids.get(each.id) for each in batch.subrequests
    ]


def shape(found: list[Answer | list[Answer]]) -> str:
    """The statuses of an answer, with change sets in brackets."""
    return " ".join(f"({shape([*each])})" if isinstance(each, list) else str(each.status) for each in found)


@pytest.mark.parametrize(("parts", "subrequests", "content_ids"), BATCHES)
def test_batch_is_read(parts, subrequests, content_ids):
    expected = PartsLayout(content_ids, 200, {"OData-Version": "4.0"})
    assert parse(parts) == Batch(tuple(subrequests), continue_on_error=False, layout=expected)


@pytest.mark.parametrize(("parts", "pointers"), FAULTS)
def test_batch_that_is_wrong_tells_of_every_fault(parts, pointers):
    assert [fault.pointer for fault in parse(parts).faults] == pointers


@pytest.mark.parametrize(("parts", "expected"), REFERENCES)
def test_references_are_to_the_requests_before(parts, expected):
    batch = parse(parts)
    found = [(each.id, reference.place, reference.id) for each in batch.subrequests for reference in each.references]
    assert (found, batch.faults) == (expected, ())
    assert [(each.id, *each.depends_on) for each in batch.subrequests if each.depends_on] == [
        (name, referred) for name, _, referred in expected
    ]


def test_number_of_requests_is_bounded_in_all_change_sets_together():
    parts = [part(POST), change_set([part(POST)] * 2), change_set([part(POST)] * 2, "b2")]
    assert len(parse(parts, limit=5).subrequests) == 5
    with pytest.raises(TooManyRequests):
        parse(parts, limit=4)


def test_number_of_change_sets_is_bounded_too():
    with pytest.raises(TooManyRequests):
        parse([change_set([])] * 5, limit=4)


@pytest.mark.parametrize(
    ("options", "headers", "status", "version"),
    [
        ({}, {}, 200, {"OData-Version": "4.0"}),
        ({}, {"OData_MaxVersion": "4.01"}, 200, {"OData-Version": "4.01"}),
        ({}, {"DataServiceVersion": "3.0;NetFx"}, 202, {"DataServiceVersion": "3.0"}),
        ({}, {"DataServiceVersion": "9\r\n"}, 202, {"DataServiceVersion": "2.0"}),
        ({}, {"MaxDataServiceVersion": "2.0"}, 202, {"DataServiceVersion": "2.0"}),
        ({}, {"x_ms_version": "2019-02-02"}, 202, {"DataServiceVersion": "2.0"}),
        ({"status": 202}, {}, 202, {"DataServiceVersion": "2.0"}),
        ({"status": 200}, {"DataServiceVersion": "3.0"}, 200, {"OData-Version": "4.0"}),
    ],
)
def test_status_and_version_are_those_that_the_client_expects(options, headers, status, version):
    dialect = ODataMultipart(**options)
    writer = dialect.writer(parse([part(POST)], dialect, **headers))
    assert (writer.status, writer.headers) == (status, version)


@pytest.mark.parametrize(
    ("options", "prefer", "goes_on"),
    [
        ({}, "", False),
        ({}, "continue-on-error", True),
        ({}, "odata.continue-on-error=true, return=minimal", True),
        ({}, "continue-on-error=false", False),
        ({"flat": True}, "", True),
        ({"flat": True}, "continue-on-error=false", False),
        ({"status": 202}, "", True),
        ({"status": 202}, "continue-on-error=false", False),
    ],
)
def test_batch_stops_at_a_failure_unless_its_sender_prefers_that_it_goes_on(options, prefer, goes_on):
    assert parse([part(POST)], ODataMultipart(**options), Prefer=prefer).continue_on_error is goes_on


def test_change_sets_that_are_flat_are_no_groups():
    batch = parse([change_set([part(POST, "1"), part(message("PATCH", "$1", b"{}"))])], ODataMultipart(flat=True))
    assert [(each.id, each.atomicity_group) for each in batch.subrequests] == [("0/0", None), ("0/1", None)]
    assert batch.subrequests[1].depends_on == ("0/0",)


def test_urls_may_be_under_a_service_root():
    dialect = ODataMultipart(service_root="/v1/", host_relative=("/api/",))
    batch = parse([part(message("GET", url)) for url in ("a", "/b", "/api/c")], dialect)
    assert [each.path for each in batch.subrequests] == ["/v1/a", "/v1/b", "/api/c"]


# Answers


def subresponse(name: str, status: int, error: type[BatchError] | None = None) -> Subresponse:
    change_set, slash, _ = name.partition("/")
    subrequest = Subrequest(name, "GET", "/", atomicity_group=change_set if slash else None)
    return Subresponse(subrequest, status, error=error and error("No."))


def read(writer: Writer, *subresponses: Subresponse) -> list[Answer | list[Answer]]:
    """The answer as a client reads it."""
    content = b"".join([writer.begin(), *map(writer.write, subresponses), writer.end()])
    return answers(content, writer.content_type)


GOOD = [subresponse("0", 200), subresponse("1/0", 201), subresponse("1/1", 204), subresponse("2", 200)]
UNDONE = [subresponse("1/0", 424, RolledBack), subresponse("1/1", 400), subresponse("1/2", 424, NotRun)]
# answers -> the statuses that are written for a batch that goes on after a failure, and for one that stops
WRITTEN = [
    (GOOD, [200, [201, 204], 200], [200, [201, 204], 200]),
    ([*GOOD[:3], subresponse("2/0", 200)], [200, [201, 204], [200]], [200, [201, 204], [200]]),
    ([subresponse("0", 404), *GOOD[1:]], [404, [201, 204], 200], [404]),
    ([subresponse("0", 302), *GOOD[3:]], [302, 200], [302, 200]),
    ([*UNDONE, *GOOD[3:]], [400, 200], [400]),
    ([*GOOD[:1], *UNDONE], [200, 400], [200, 400]),
    ([*UNDONE, subresponse("2/0", 200)], [400, [200]], [400]),
    ([subresponse("0", 404), *UNDONE, subresponse("2/0", 200)], [404, 400, [200]], [404]),
    (
        [subresponse("1/0", 424, FailedDependency), subresponse("1/1", 424, NotRun), *GOOD[3:]],
        [424, 200],
        [424],
    ),
    ([subresponse("1/0", 500, CommitFailed), subresponse("1/1", 500, CommitFailed), *GOOD[3:]], [500, 200], [500]),
    ([subresponse("1/0", 500, OnCommitFailed), *GOOD[2:]], [[500, 204], 200], [[500, 204]]),
    ([*GOOD[1:2], subresponse("1/1", 500, OnCommitFailed), *GOOD[3:]], [[201, 500], 200], [[201, 500]]),
    ([subresponse("0", 424, NotRun), subresponse("1/0", 424, NotRun)], [424, 424], [424]),
]


@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize(("given", "continued", "stopped"), WRITTEN)
def test_failed_change_set_is_one_part_and_the_last_if_the_batch_stops(given, continued, stopped, goes_on):
    batch = Batch((), continue_on_error=goes_on, layout=PartsLayout({}))
    found = read(ODataMultipart().writer(batch), *given)
    assert statuses(found) == (continued if goes_on else stopped)
    assert statuses(answers(whole(batch, given), "multipart/mixed; boundary=x")) == statuses(found)


def test_failed_change_set_of_azure_is_a_message_of_its_own_too():
    writer = ODataMultipart().writer(parse([change_set([part(POST)])], x_ms_version="2019-02-02"))
    assert statuses(read(writer, *GOOD[:1], *UNDONE)) == [200, [400]]


@pytest.mark.parametrize(
    ("option", "headers", "nested"),
    [
        ("nested", {}, True),
        ("nested", {"x_ms_version": "2019-02-02"}, True),
        ("single", {"x_ms_version": "2019-02-02"}, False),
        ("single", {}, False),
        (None, {}, False),
    ],
)
def test_failed_change_set_is_nested_if_the_site_says_so(option, headers, nested):
    dialect = ODataMultipart(failed_change_set=option)
    given = [*GOOD[:1], *UNDONE]
    found = read(dialect.writer(parse([change_set([part(POST)])], dialect, **headers)), *given)
    assert statuses(found) == [200, [400] if nested else 400]


def test_form_of_a_failed_change_set_that_is_none_is_refused():
    with pytest.raises(ValueError, match="must be 'single', 'nested' or None"):
        ODataMultipart(failed_change_set="flat")


@pytest.mark.parametrize(
    ("sent", "version", "member"),
    [
        ({"DataServiceVersion": "1.0"}, "1.0", "error"),
        ({"MaxDataServiceVersion": "2.0"}, "2.0", "error"),
        ({"DataServiceVersion": "3.0;NetFx"}, "3.0", "odata.error"),
    ],
)
def test_error_before_version_4_has_a_language(sent, version, member):
    writer = ODataMultipart().writer(parse([part(POST)], **sent))
    error = NestedBatch("No.", pointer="/0")
    (found,) = read(writer, Subresponse.refused(GOOD[0].subrequest, error))
    assert isinstance(found, Answer)
    assert writer.headers == {"DataServiceVersion": version}
    details = [{"code": "NestedBatch", "message": "No.", "target": "/0"}]
    told = {"code": "NestedBatch", "message": {"lang": "en", "value": "No."}, "innererror": {"errordetails": details}}
    assert found.json() == {member: told}
    assert json.loads(ODataMultipart(status=202).write_error(error)) == {"error": told}


def test_content_id_among_the_headers_of_a_request_is_among_those_of_its_answer():
    inner = message("GET", "/", Content_ID="7")
    for dialect in (ODataMultipart(), GoogleMultipart(id_prefix="")):
        batch = parse([part(inner), part(inner, "1"), part(POST, "2")], dialect)
        given = [Subresponse(each, 200, {"A": "b"}) for each in batch.subrequests]
        found = read(dialect.writer(batch), *given)
        assert [(each.content_id, each.headers.get("Content-ID")) for each in found] == [
            ("7", "7"),
            ("1", "7"),
            ("2", None),
        ]


def test_msgtype_is_repeated():
    batch = parse([part(POST).replace(b"application/http", b"application/http; msgtype=request")])
    assert b"Content-Type: application/http; msgtype=response\r\n" in whole(batch, GOOD[:1])


def test_reason_of_a_view_is_kept_but_forges_nothing():
    batch = parse([part(POST)])
    for reason, line in [("Nearly", b"200 Nearly"), ("a\r\nB: c", b"200 a B: c"), ("ü€", "200 ü?".encode("latin-1"))]:
        answer = Subresponse(batch.subrequests[0], 200, {"A": "b"}, reason=reason)
        assert b"HTTP/1.1 %b\r\nA: b\r\n" % line in whole(batch, [answer])


JSON = {"Accept": "application/json;odata.metadata=none"}


@pytest.mark.parametrize(
    ("headers", "is_json"),
    [
        ({**JSON, "OData-MaxVersion": "4.01"}, True),
        ({**JSON, "OData-Version": "4.01"}, True),
        ({**JSON, "OData-MaxVersion": "4.0"}, False),
        ({**JSON, "OData-MaxVersion": "4.01", "DataServiceVersion": "2.0"}, False),
        ({"Accept": "application/json, multipart/mixed", "OData-MaxVersion": "4.01"}, False),
        ({"OData-MaxVersion": "4.01"}, False),
        (JSON, False),
    ],
)
def test_answer_is_json_for_who_accepts_that_and_knows_version_401(headers, is_json):
    headers = {name.replace("-", "_"): value for name, value in headers.items()}
    batch = parse([part(POST, "a"), change_set([part(POST)])], **headers)
    writer = ODataMultipart().writer(batch)
    assert (writer.content_type == "application/json") is is_json
    if is_json:
        written = json.loads(writer.whole(Subresponse(each, 200, {"A": "b"}) for each in batch.subrequests))
        assert written == {
            "responses": [
                {"id": "a", "status": 200, "headers": {"a": "b"}, "body": None},
                {"id": "1/0", "atomicityGroup": "1", "status": 200, "headers": {"a": "b"}, "body": None},
            ]
        }
        assert (writer.status, writer.headers) == (200, {"OData-Version": "4.01"})


def whole(batch: Batch, given: list[Subresponse]) -> bytes:
    """The answer written as a whole, with the boundary `x`."""
    writer = ODataMultipart().writer(batch)
    return writer.whole(given).replace(writer.content_type.partition("boundary=")[2].encode(), b"x")


def test_answers_have_the_content_ids_of_their_requests():
    layout = PartsLayout({"0": "a", "1/1": "2.0", "2": "c"})
    found = read(ODataMultipart().writer(Batch((), layout=layout)), *GOOD)
    assert [
        [each.content_id for each in answer] if isinstance(answer, list) else answer.content_id for answer in found
    ] == [
        "a",
        [None, "2.0"],
        "c",
    ]


def test_refusals_are_in_odatas_form():
    error = NestedBatch("No.", pointer="/0")
    (found,) = read(
        ODataMultipart().writer(Batch((), layout=PartsLayout({}))), Subresponse.refused(GOOD[0].subrequest, error)
    )
    inner = {"code": "NestedBatch", "message": "No.", "target": "/0"}
    assert isinstance(found, Answer)
    assert found.json() == {"error": {**inner, "details": [inner]}}
    assert ODataMultipart().write_error(error) == found.body
    assert ODataMultipart.error_content_type == found.headers["Content-Type"] == "application/json"


@given(
    content=st.recursive(
        st.binary() | st.just(part(POST)) | st.just(part(message("GET", "$1"), "1")),
        lambda parts: st.builds(change_set, st.lists(parts, max_size=3), st.sampled_from(["c", "d", "batch"])),
    )
)
def test_law_whatever_is_sent_is_read_or_refused(content):
    try:
        batch = parse([part(message("GET", "Items")), content])
    except Malformed:
        return
    assert batch.faults or batch.subrequests
