"""OData's multipart batches on the real chain: change sets that are all or nothing, references, and refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from hypothesis import given
from hypothesis import strategies as st

from django_batch.dialects.odata import ODataJSON, ODataMultipart
from django_batch.testing import BatchClient
from django_batch.views import BatchView
from tests.bank import open_bank
from tests.bank.batches import references
from tests.bank.expected import FAILURES
from tests.parts import Answer, answers, change_set, message, multipart, nearly_parts, part, statuses


@csrf_exempt
def notes(request: HttpRequest, **kwargs: object) -> HttpResponse:
    """Keep nothing; tell what was sent, and where the new one would be."""
    told = {"path": request.path, "method": request.method, "sent": request.body.decode("latin-1")}
    headers = {"ETag": '"9"'} | ({"Location": f"{request.path}(9)"} if request.method == "POST" else {})
    told |= {name: request.headers.get(name) for name in ("If-Match", "Accept", "Content-Type")}
    return JsonResponse(told, status=201 if request.method == "POST" else 200, headers=headers)


@csrf_exempt
def back(request: HttpRequest) -> HttpResponse:
    """What was sent."""
    return HttpResponse(request.body, content_type=request.headers["Content-Type"])


urlpatterns = [
    path("svc/$batch", BatchView.as_view(dialect=[ODataMultipart, ODataJSON])),
    path("flat/$batch", BatchView.as_view(dialect=ODataMultipart(flat=True))),
    path("old/$batch", BatchView.as_view(dialect=ODataMultipart(status=202))),
    path("svc/Notes", notes),
    path("svc/Notes(<int:pk>)", notes),
    path("svc/Notes(<int:pk>)/Notes", notes),
    path("svc/Notes(<int:pk>)/Notes(<int:other>)", notes),
    path("svc/back", back),
    path("", include("tests.bank.urls")),
]
pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]
GOES_ON = {"Prefer": "odata.continue-on-error"}
NOTE = part(message("GET", "Notes(7)"))
NOWHERE = part(message("GET", "nowhere"))


@pytest.fixture
def bank(bookshop):
    with open_bank("default", "archive"):
        yield


def post(content: bytes, *, at: str = "/svc/$batch", **headers: str) -> Any:
    client = BatchClient(headers=headers)
    return client.post(at, content, content_type="multipart/mixed; boundary=batch")


def batch(*parts: bytes, **options: Any) -> list[Any]:
    """The answers to `parts`, those of a change set in a list."""
    response = post(multipart(parts), **options)
    assert response.status_code == (202 if options.get("at") == "/old/$batch" else 200), response.content
    return list(answers(response.content, response.headers["Content-Type"]))


def entry(reference: str, then: str = "nothing", content_id: str | None = None, alias: str = "default") -> bytes:
    """A part that writes an entry into the ledger, after which `then` happens."""
    return part(message("POST", f"/bank/{alias}/entries/{reference}/?then={then}"), content_id)


def code(answer: Answer) -> str:
    code: str = answer.json()["error"]["code"]
    return code


# Change sets


def test_change_set_is_committed_and_answered_with_its_content_ids(bank):
    found = batch(NOTE, change_set([entry("a", content_id="1"), entry("b", alias="archive", content_id="2.0")]), NOTE)
    assert statuses(found) == [200, [201, 201], 200]
    assert [each.content_id for each in found[1]] == ["1", "2.0"]
    assert (references(), references("archive")) == (["a"], ["b"])


@pytest.mark.parametrize("then", FAILURES)
def test_failing_change_set_is_rolled_back_and_answered_by_one_part(bank, then):
    failing = change_set([entry("a", content_id="1"), entry("b", then, "2"), entry("c", content_id="3")])
    found = batch(entry("before"), failing, entry("after"), **GOES_ON)
    assert statuses(found) == [201, int(FAILURES[then][:3]), 201]
    assert found[1].content_id == "2"
    assert references() == ["before", "after"]


def test_error_of_the_package_about_a_change_set_is_in_odatas_form(bank):
    (found,) = batch(change_set([entry("a", "swallow")]))
    assert (found.status, code(found)) == (500, "TransactionBroken")


def test_batch_stops_at_the_first_failure(bank):
    found = batch(entry("a"), NOWHERE, entry("b"), change_set([entry("c")]))
    assert statuses(found) == [201, 404]
    assert references() == ["a"]


def test_batch_stops_at_a_change_set_that_failed(bank):
    found = batch(change_set([entry("a")]), change_set([entry("b"), entry("c", "refuse")]), entry("d"))
    assert statuses(found) == [[201], 400]
    assert references() == ["a"]


def test_batch_goes_on_if_its_sender_prefers_that(bank):
    found = batch(NOWHERE, entry("a"), change_set([entry("b"), entry("c", "refuse")]), entry("d"), **GOES_ON)
    assert statuses(found) == [404, 201, 400, 201]
    assert references() == ["a", "d"]


def test_change_set_whose_hook_fails_is_committed_and_says_so(bank):
    found = batch(change_set([entry("a", "raising_hook"), entry("b")]), entry("c"))
    assert statuses(found) == [[500, 201]]
    assert code(found[0][0]) == "OnCommitFailed"
    assert {"a", "b"} <= {*references()}


def test_change_sets_that_are_flat_go_on_and_keep_what_succeeded(bank):
    found = batch(NOWHERE, change_set([entry("a"), entry("b", "refuse"), entry("c")]), entry("d"), at="/flat/$batch")
    assert statuses(found) == [404, 201, 400, 201, 201]
    assert {"a", "c", "d"} <= {*references()}


def test_reads_may_be_in_a_change_set(bank):
    assert statuses(batch(change_set([NOTE, entry("a"), NOTE]))) == [[200, 201, 200]]


# References


def test_url_goes_on_from_what_was_created():
    created = part(message("POST", "Notes", b"{}"), "1")
    found = batch(change_set([created, part(message("POST", "$1/Notes", b"{}"), "2"), part(message("PUT", "$1"))]))
    assert [each.json()["path"] for each in found[0]] == ["/svc/Notes", "/svc/Notes(9)/Notes", "/svc/Notes(9)"]


def test_later_requests_refer_to_earlier_ones_whether_in_a_change_set_or_not():
    created = change_set([part(message("POST", "Notes", b"{}"), "new")])
    found = batch(created, part(message("GET", "$new", If_Match="$new"), "it"), part(message("GET", "$it")))
    assert statuses(found) == [[201], 200, 200]
    assert [each.json()["path"] for each in found[1:]] == ["/svc/Notes(9)", "/svc/Notes(9)"]
    assert found[1].json()["If-Match"] == '"9"'


def test_content_id_in_two_change_sets_is_that_of_its_own():
    created, changed = part(message("POST", "Notes", b"{}"), "1"), part(message("PATCH", "$1", b"{}"), "2")
    other = part(message("POST", "Notes(3)/Notes", b"{}"), "1")
    found = batch(change_set([created, changed], "c"), change_set([changed, other, changed], "d"))
    assert [[each.json()["path"] for each in answers] for answers in found] == [
        ["/svc/Notes", "/svc/Notes(9)"],
        ["/svc/Notes(9)", "/svc/Notes(3)/Notes", "/svc/Notes(3)/Notes(9)"],
    ]


def test_entity_is_bound_in_a_body_and_other_text_is_left_alone():
    created = part(message("POST", "Notes", b"{}"), "1")
    bound = part(message("POST", "Notes", b'{"parent@odata.bind": "$1", "text": "$1", "$1": "$1/x"}'), "2")
    found = batch(change_set([created, bound]))
    assert json.loads(found[0][1].json()["sent"]) == {
        "parent@odata.bind": "/svc/Notes(9)",
        "text": "$1",
        "$1": "$1/x",
    }


def test_what_refers_to_a_failure_is_not_run(bank):
    found = batch(part(message("GET", "nowhere"), "1"), part(message("PATCH", "$1", b"{}")), NOTE, **GOES_ON)
    assert statuses(found) == [404, 424, 200]
    assert code(found[1]) == "FailedDependency"


@pytest.mark.parametrize("url", ["$1", "/svc/$1", "http://testserver/svc/$1/Notes"])
def test_reference_may_stand_behind_the_root(url):
    found = batch(part(message("POST", "Notes", b"{}"), "1"), part(message("DELETE", url)))
    assert found[1].json()["path"] == "/svc/Notes(9)" + url.partition("$1")[2]


def test_what_was_created_without_a_location_is_not_deleted_in_its_collection():
    found = batch(part(message("POST", "back", b"{}", Content_Type="text/plain"), "1"), part(message("DELETE", "$1")))
    assert statuses(found) == [200, 424]
    assert "no Location" in found[1].json()["error"]["message"]


def test_reference_to_no_part_refuses_the_batch():
    response = post(multipart([NOTE, part(message("GET", "$9"))]))
    assert (response.status_code, response.json()["error"]["target"]) == (400, "/1")
    assert "'$9' refers to a Content-ID" in response.json()["error"]["message"]


# Requests and answers


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (message("MERGE", "Notes(7)", b"{}"), "PATCH"),
        (message("POST", "Notes(7)", b"{}", X_HTTP_Method="MERGE"), "PATCH"),
        (message("POST", "Notes(7)", X_HTTP_Method="DELETE"), "DELETE"),
    ],
)
def test_method_may_be_carried_by_another(sent, got):
    assert batch(part(sent))[0].json()["method"] == got


def test_method_is_not_carried_by_one_that_changes_nothing():
    found = batch(part(message("GET", "Notes(7)", X_HTTP_Method="DELETE")))
    assert (found[0].status, code(found[0])) == (400, "HeaderNotAllowed")


def test_method_that_is_carried_is_one_that_the_site_allows():
    found = batch(part(message("POST", "Notes(7)", X_HTTP_Method="TRACE")))
    assert (found[0].status, code(found[0])) == (405, "MethodNotAllowed")


def test_requests_get_what_they_say_and_not_what_the_batch_says():
    sent = message("POST", "Notes", b'{"a": 1}', Accept="application/json;odata=verbose", User_Agent="x")
    alone, typed = (each.json() for each in batch(NOTE, part(sent), accept="multipart/mixed"))
    assert (alone["Accept"], alone["Content-Type"]) == ("application/json", None)
    assert (typed["Accept"], typed["Content-Type"]) == ("application/json;odata=verbose", "application/json")


@given(body=st.binary(min_size=1))
def test_law_view_gets_the_bytes_and_gives_them_back(body):
    found = batch(change_set([part(message("PUT", "back", body, Content_Type="image/png"))], "x" * 100))
    assert (found[0][0].body, found[0][0].headers["Content-Type"]) == (body, "image/png")


@pytest.mark.parametrize(
    ("at", "sent", "status", "header"),
    [
        ("/svc/$batch", {}, 200, ("OData-Version", "4.0")),
        ("/svc/$batch", {"OData-MaxVersion": "4.01"}, 200, ("OData-Version", "4.01")),
        ("/svc/$batch", {"DataServiceVersion": "3.0;NetFx"}, 202, ("DataServiceVersion", "3.0")),
        ("/svc/$batch", {"x-ms-version": "2019-02-02"}, 202, ("DataServiceVersion", "2.0")),
        ("/old/$batch", {}, 202, ("DataServiceVersion", "2.0")),
    ],
)
def test_whole_answer_has_the_status_and_version_of_its_protocol(at, sent, status, header):
    response = post(multipart([NOTE]), at=at, **sent)
    assert response.status_code == status
    assert header in response.headers.items()


def test_json_at_the_same_url_is_answered_in_json():
    content = json.dumps({"requests": [{"id": "1", "method": "get", "url": "Notes(7)"}]})
    response = BatchClient().post("/svc/$batch", content, content_type="application/json")
    assert response.json()["responses"][0]["body"]["path"] == "/svc/Notes(7)"


# Refusals


def nested(depth: int) -> bytes:
    """A part in a part in a part."""
    inner = NOTE
    for level in range(depth):
        inner = change_set([inner], f"c{level}")
    return inner


ODD = {
    "no parts": (b"--batch--", 400, "Malformed"),
    "cut off": (multipart([NOTE])[:-4], 400, "Malformed"),
    "too many": (multipart([change_set([NOTE] * 50)] * 3), 413, "TooManyRequests"),
    "empty change set": (multipart([change_set([])]), 400, "Malformed"),
    "change set in a change set": (multipart([change_set([change_set([NOTE], "inner")])]), 400, "Malformed"),
    "nested a thousand times": (multipart([nested(1_000)]), 400, "Malformed"),
    "nested in the same": (multipart([change_set([NOTE], "batch")]), 400, "Malformed"),
    "no request": (multipart([NOTE, b"x" * 1_000_000]), 400, "Malformed"),
    "ten thousand headers": (multipart([part(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000)]), 400, "Malformed"),
    "ten thousand headers of a part": (multipart([b"X: y\r\n" * 10_000 + NOTE]), 400, "Malformed"),
    "ten thousand headers of a change set": (multipart([b"X: y\r\n" * 10_000 + change_set([NOTE])]), 400, "Malformed"),
    "long boundary": (multipart([change_set([NOTE], "x" * 1_000)]), 400, "Malformed"),
    "too large": (b"x" * 11 * 2**20, 413, "TooLarge"),
}


@pytest.mark.parametrize("odd", ODD)
def test_refusal_is_in_odatas_form(odd):
    content, status, code = ODD[odd]
    response = post(content)
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/json")
    assert response.json()["error"]["code"] == code
    assert len(response.content) < 20_000


def test_batch_in_a_batch_is_refused():
    inner = message("POST", "$batch", b"--c--", Content_Type="multipart/mixed; boundary=c")
    found = batch(part(inner), NOTE, **GOES_ON)
    assert (statuses(found), code(found[0])) == ([403, 200], "NestedBatch")


@given(content=st.binary() | st.lists(nearly_parts).map(multipart))
def test_law_whatever_is_sent_is_answered_or_refused(content):
    response = post(content)
    assert response.status_code in (200, 400, 413)
    if response.status_code == 200:
        assert answers(response.content, response.headers["Content-Type"])


def test_batch_that_is_cut_off_anywhere_is_refused_and_nothing_is_run(bank):
    content = multipart([NOTE, change_set([entry("a", content_id="1"), entry("b")]), entry("c")])
    end = len(content) - len(b"\r\n")
    assert {post(content[:length]).status_code for length in range(end)} == {400}
    assert references() == []
    assert post(content[:end]).status_code == 200
