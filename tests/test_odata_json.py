"""OData's JSON batches on the real chain, with groups, references and conditions; and those of real clients."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from django.http import HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from django_batch.dialects.base import Envelope
from django_batch.dialects.odata import ODataJSON
from django_batch.errors import BatchError
from django_batch.testing import BatchClient
from django_batch.views import BatchView
from example_project.bookshop.views.items import ContactViewSet
from tests.attacks.table import ABOUT_MESSAGE, ABOUT_SENDER, ENVIRONMENT, ODD_NAMES, UNDERSCORES
from tests.bank import open_bank
from tests.bank.batches import references

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]

WIRE = sorted((Path(__file__).parent / "wire" / "odata_json").glob("*.http"))
# a captured batch -> the statuses of its answers
CAPTURED = {
    "mgt_element": [200, 404, 200, 400],
    "microsoft_graph_client_chain": [404, 424, 424],
    "microsoft_graph_client_parallel": [200, 201, 404, 400, 204],
    "msgraph_core_dependencies": [200, 201, 404, 424, 200, 204],
    "msgraph_core_list_body": [400, 200],
    "msgraph_sdk_core_js": [200, 201, 404],
    "odata_client_failing": [424, 400, 424],
    "odata_client_references": [200, 201, 201, 200, 200],
    "odatapy": [200, 201, 200, 404, 200],
    "office365_graph": [200, 204, 404],
    "pnp_graph": [200, 404, 204, 204],
}


@csrf_exempt
def notes(request, parent=None):
    """Keep nothing; tell what was sent, and where the new one would be: relative to this URL."""
    if request.method == "GET":
        return HttpResponse(headers={"ETag": '"7"'}, content_type="text/plain")
    told = {"parent": parent, "sent": request.body.decode(), "price": 1.50, "name": "O'Neil & Co", "tags": ["a"]}
    status = 400 if "fail" in request.GET else 201
    return JsonResponse(told, status=status, headers={"Location": f"{request.path}/9", "ETag": '"9"'})


def elsewhere(request):
    """Be where the query says."""
    return HttpResponse(headers={"Location": request.GET["at"], "ETag": request.GET.get("etag", "")})


def seen(request):
    """All that the site is told of the sender."""
    told = {name: value for name, value in request.META.items() if name.startswith(("HTTP_", "REMOTE_", "SERVER_"))}
    return JsonResponse({"told": told, "host": request.get_host(), "secure": request.is_secure()})


def shown(request, rest=""):
    """What was asked for."""
    return JsonResponse(
        {"path": request.get_full_path(), **{name: request.headers.get(name) for name in ("If-Match", "Prefer")}}
    )


GRAPH = ODataJSON(service_root="/v1.0/", host_relative=("/api/",), max_requests=20)
json_batch = BatchView.as_view(dialect=ODataJSON)
urlpatterns = [
    path("svc/$batch", json_batch),
    path("svc/Notes", notes),
    path("svc/Notes/9/Notes", notes, {"parent": "9"}),
    path("svc/Notes/9", shown),
    path("svc/elsewhere", elsewhere),
    path("svc/seen", seen),
    path("svc/shown", shown),
    path("svc/shown/<path:rest>", shown),
    path("graph/$batch", BatchView.as_view(dialect=ODataJSON(service_root="/svc/", max_requests=2))),
    path("strict/$batch", BatchView.as_view(dialect=ODataJSON(lower_case_headers=True))),
    path("api/odata/v4/$batch", json_batch),
    *(path(f"{root}$batch", BatchView.as_view(dialect=GRAPH)) for root in ("", "v1.0/")),
    path("v1.0/users/<int:pk>", ContactViewSet.as_view({"get": "retrieve", "patch": "update", "delete": "destroy"})),
    path("", include("tests.bank.urls")),
]


def send(*items, at="/svc/$batch", **headers):
    """The response to a batch."""
    content = json.dumps({"requests": items})
    return BatchClient(headers=headers).post(at, content, content_type="application/json")


def answers(*items, at="/svc/$batch", **headers):
    """What each item is answered, by its id."""
    response = send(*items, at=at, **headers)
    assert response.status_code == 200, response.content
    return {each["id"]: each for each in response.json()["responses"]}


def fates(found):
    """Of each answer its status, and its code if it is an error of the package."""
    return [" ".join([str(each["status"]), *code_of(each)]) for each in found.values()]


def code_of(answer):
    return [answer["body"]["error"]["code"]] if isinstance(answer["body"], dict) and "error" in answer["body"] else []


def get(id_, url, **members):
    return {"id": id_, "method": "get", "url": url, **members}


def post(id_, url="Notes", body=None, **members):
    return {"id": id_, "method": "post", "url": url, "body": body or {}, **members}


def entry(id_, reference, then="nothing", **members):
    """An item that writes an entry into the ledger, after which `then` happens."""
    return post(id_, f"/bank/default/entries/{reference}/?then={then}", **members)


@pytest.fixture
def bank(bookshop):
    with open_bank("default", "archive"):
        yield


# Groups


def test_group_is_committed_and_told(bank):
    found = answers(entry("1", "a", atomicityGroup="g"), entry("2", "b", atomicityGroup="g"), get("3", "shown"))
    assert fates(found) == ["201", "201", "200"]
    assert [each.get("atomicityGroup") for each in found.values()] == ["g", "g", None]
    assert references() == ["a", "b"]


@pytest.mark.parametrize(("then", "fate"), [("refuse", "400"), ("swallow", "500 TransactionBroken"), ("commit", "500")])
def test_failing_group_is_rolled_back_and_its_dependents_are_not_run(bank, then, fate):
    found = answers(
        entry("1", "a", atomicityGroup="g"),
        entry("2", "b", then, atomicityGroup="g"),
        entry("3", "c", atomicityGroup="g"),
        entry("4", "d", dependsOn=["g"]),
        entry("5", "e"),
    )
    assert fates(found) == ["424 RolledBack", fate, "424 NotRun", "424 FailedDependency", "201"]
    assert references() == ["e"]


def test_group_whose_dependency_failed_is_not_run(bank):
    found = answers(
        post("0", "Notes?fail"),
        entry("1", "a", atomicityGroup="g"),
        entry("2", "b", atomicityGroup="g", dependsOn=["0"]),
    )
    assert fates(found) == ["400", "424 NotRun", "424 FailedDependency"]
    assert references() == []


def test_members_refer_to_each_other_inside_their_group(bank):
    found = answers(
        post("1", atomicityGroup="g"),
        post("2", "$1/Notes", {"parent": "$1/price"}, atomicityGroup="g", dependsOn=["1"]),
    )
    assert (found["2"]["status"], found["2"]["body"]["parent"]) == (201, "9")
    assert json.loads(found["2"]["body"]["sent"]) == {"parent": 1.5}


# Conditions


@pytest.mark.parametrize(
    ("condition", "fate"),
    [
        (None, "424 FailedDependency"),
        ("$1/$succeeded", "424 FailedDependency"),
        ("$1/$succeeded eq false", "200"),
        ("not $1/$succeeded and $2/$succeeded", "200"),
        ("$1/name eq 'x'", "424 FailedDependency"),
    ],
)
def test_condition_decides_whether_an_item_is_run(condition, fate):
    found = answers(post("1", "Notes?fail"), post("2"), get("3", "shown", dependsOn=["1", "2"], **{"if": condition}))
    assert fates(found)[2] == fate


def test_condition_that_is_not_understood_is_told():
    found = answers(post("1"), get("2", "shown", dependsOn=["1"], **{"if": "$1/price gt 1"}))
    assert "its condition is not understood" in found["2"]["body"]["error"]["message"]


def test_condition_of_a_member_decides_for_its_group(bank):
    found = answers(
        post("0"),
        entry("1", "a", atomicityGroup="g"),
        entry("2", "b", atomicityGroup="g", dependsOn=["0"], **{"if": "$0/$succeeded eq false"}),
    )
    assert fates(found) == ["201", "424 NotRun", "424 FailedDependency"]
    assert references() == []


def test_condition_about_nothing_is_looked_at(bank):
    assert fates(answers(entry("1", "a", **{"if": "false"}), entry("2", "b", **{"if": "true"}))) == [
        "424 FailedDependency",
        "201",
    ]
    assert references() == ["b"]


# References


def test_url_goes_on_from_what_was_created():
    found = answers(post("1"), post("2", "$1/Notes", dependsOn=["1"]), get("3", "$1?x=y", dependsOn=["1"]))
    assert found["2"]["body"]["parent"] == "9"
    assert found["3"]["body"]["path"] == "/svc/Notes/9?x=y"


def test_url_goes_on_from_what_was_asked_for_even_through_another():
    found = answers(get("1", "shown/1?a=b"), get("2", "$1/2?c=d", dependsOn=["1"]), get("3", "$2/3", dependsOn=["2"]))
    assert [each["body"]["path"] for each in found.values()] == [
        "/svc/shown/1?a=b",
        "/svc/shown/1/2?c=d",
        "/svc/shown/1/2/3",
    ]


def test_url_of_a_member_is_known_to_who_depends_on_its_group(bank):
    found = answers(post("1", atomicityGroup="g"), get("2", "$1", dependsOn=["g"]))
    assert found["2"]["body"]["path"] == "/svc/Notes/9"


def test_etag_is_taken_from_an_answer():
    headers = {"if-match": "$1", "prefer": "$1"}
    found = answers(get("1", "Notes"), get("2", "shown", headers=headers, dependsOn=["1"]))
    assert (found["2"]["body"]["If-Match"], found["2"]["body"]["Prefer"]) == ('"7"', "$1")


def test_values_are_taken_from_a_body():
    found = answers(
        post("1"),
        get("2", "shown?name=$1/name&$filter=name eq $1/name and price gt $1/price", dependsOn=["1"]),
        post("3", body={"price": "$1/price", "all": "$1/tags", "text": "costs $1/price", "$1": "$2"}, dependsOn=["1"]),
    )
    quoted = "O%27Neil%20%26%20Co"
    assert found["2"]["body"]["path"] == (
        f"/svc/shown?name={quoted}&$filter=name%20eq%20%27O%27%27Neil%20%26%20Co%27%20and%20price%20gt%201.5"
    )
    assert found["3"]["body"]["sent"] == '{"price": 1.5, "all": ["a"], "text": "costs $1/price", "$1": "$2"}'


def test_value_that_is_not_there_fails_its_item_only():
    found = answers(post("1"), post("2", body={"x": "$1/none"}, dependsOn=["1"]), get("3", "shown"))
    assert fates(found) == ["201", "424 UnresolvedReference", "200"]


@pytest.mark.parametrize("text", ["$1", "$1/name", "$1/price", "$1/$succeeded", '"$1"', "$0"])
def test_text_of_an_item_that_depends_on_nothing_is_never_a_reference(text):
    found = answers(post("1"), post("2", body={"text": text, "x@odata.bind": text}))
    assert json.loads(found["2"]["body"]["sent"]) == {"text": text, "x@odata.bind": text}


def test_text_in_an_answer_never_becomes_a_reference():
    found = answers(
        post("1", body={"x": "$0"}),
        post("2", body={"echo": "$1/sent"}, dependsOn=["1"]),
        post("3", body={"echo": "$2/sent"}, dependsOn=["2", "1"]),
    )
    assert json.loads(found["3"]["body"]["sent"]) == {"echo": found["2"]["body"]["sent"]}


@pytest.mark.parametrize(
    ("location", "fate"),
    [
        ("http://evil.example/svc/shown", "400 Malformed"),
        ("//evil.example/svc/shown", "400 Malformed"),
        ("/\\evil.example/", "400 Malformed"),
        ("https://testserver/svc/shown", "400 Malformed"),
        ("/svc/$batch", "403 NestedBatch"),
        ("$batch", "403 NestedBatch"),
        ("http://[", "424 UnresolvedReference"),
        ("http://testserver/svc/shown", "200"),
    ],
)
def test_location_leads_nowhere_that_a_request_could_not_go(location, fate):
    found = answers(get("1", f"elsewhere?at={quote(location)}"), get("2", "$1", dependsOn=["1"]))
    assert fates(found) == ["200", fate]


@pytest.mark.parametrize("rest", ["@evil.example/", ":80/", ".evil.example/", "\\x"])
def test_nothing_behind_a_reference_makes_another_host_of_it(rest):
    response = send(get("1", "shown"), get("2", f"$1{rest}", dependsOn=["1"]))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "UnknownDependency")


@pytest.mark.parametrize("rest", ["/x#y", "/x\\y", "?x\n"])
def test_rest_of_a_url_is_looked_at_too(rest):
    assert fates(answers(get("1", "shown"), get("2", f"$1{rest}", dependsOn=["1"]))) == ["200", "400 Malformed"]


# Preferences, versions, limits


@pytest.mark.parametrize(("prefer", "third"), [("continue-on-error=false", "424 NotRun"), ("continue-on-error", "200")])
def test_batch_that_stops_still_answers_every_item(prefer, third):
    found = answers(get("1", "shown"), get("2", "nowhere"), get("3", "shown"), Prefer=prefer)
    assert fates(found)[::2] == ["200", third]


def test_batch_is_answered_at_once_though_its_sender_would_wait():
    assert send(get("1", "shown"), Prefer="respond-async").status_code == 200


@pytest.mark.parametrize(("at", "name"), [("/svc/$batch", "Content-Type"), ("/strict/$batch", "content-type")])
def test_names_of_headers_are_written_as_the_site_says(at, name):
    response = send(get("1", "/svc/shown"), at=at, **{"OData-Version": "4.0"})
    assert response.headers["OData-Version"] == "4.0"
    assert response.json()["responses"][0]["headers"][name] == "application/json"


def test_urls_are_under_the_service_root():
    found = answers(get("1", "/shown"), get("2", "http://testserver/svc/shown"), at="/graph/$batch")
    assert [each["body"]["path"] for each in found.values()] == ["/svc/shown", "/svc/shown"]


def test_limit_of_the_dialect_counts():
    response = send(*[get(str(number), "/shown") for number in range(3)], at="/graph/$batch")
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "TooManyRequests"


def test_noise_of_clients_is_left_out():
    headers = {"client-request-id": "1", "Host": "testserver", "User-Agent": "x", "prefer": "return=minimal"}
    assert answers(get("1", "shown", headers=headers))["1"]["body"]["Prefer"] == "return=minimal"


@pytest.mark.parametrize(
    "name", [*ABOUT_SENDER, *ABOUT_MESSAGE, *ENVIRONMENT, *UNDERSCORES, *ODD_NAMES, "Authorization"]
)
def test_header_that_may_not_be_set_refuses_its_item(name, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_SCHEME", "staff")
    settings.USE_X_FORWARDED_HOST = True
    found = answers(get("1", "seen"), get("2", "seen", headers={name: "staff"}))
    assert fates(found) == ["200", "400 HeaderNotAllowed"]
    assert repr(name) in found["2"]["body"]["error"]["message"]


def test_batch_in_a_batch_is_refused_alone():
    nested = post("1", "$batch", {"requests": [get("1", "shown")]})
    assert fates(answers(nested, get("2", "shown"))) == ["403 NestedBatch", "200"]


# Refusals


@pytest.mark.parametrize(
    ("items", "targets"),
    [
        ([], ["/requests"]),
        (
            [{}, get("1", "//other/"), get("2", "x", dependsOn=["3"])],
            ["/requests/0", "/requests/1/url", "/requests/2/dependsOn"],
        ),
        ([get("1", "shown"), get("1", "shown")], ["/requests/0/id", "/requests/1/id"]),
    ],
)
def test_batch_is_refused_with_all_that_is_wrong(items, targets):
    response = send(*items)
    assert (response.status_code, response.headers["Content-Type"]) == (400, "application/json")
    assert [each["target"] for each in response.json()["error"]["details"]] == targets


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"requests":[' + b"[" * 50_000])
def test_what_is_no_batch_is_refused_in_the_form_of_odata(content):
    response = BatchClient().post("/svc/$batch", content, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "Malformed"


def test_batch_of_another_type_is_refused_in_the_form_of_odata():
    response = BatchClient().post("/svc/$batch", b"--b--", content_type="multipart/mixed; boundary=b")
    assert (response.status_code, response.json()["error"]["code"]) == (415, "UnsupportedMediaType")


# Real clients


@pytest.fixture
def local_host(settings):
    """The host that was asked."""
    settings.ALLOWED_HOSTS = ["127.0.0.1"]


def captured(file: Path) -> tuple[str, dict[str, str], bytes]:
    """The URL, the headers and the body of a captured request."""
    head, _, body = file.read_bytes().partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first.split()[1], dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize("file", WIRE, ids=lambda file: file.stem)
def test_batch_of_a_real_client_is_answered(file, bookshop, local_host):
    url, headers, body = captured(file)
    response = BatchClient(headers=headers).post(url, body, content_type="application/json")
    assert response.status_code == 200, response.content
    found = response.json()["responses"]
    assert [each["status"] for each in found] == CAPTURED[file.stem]
    assert [each["id"] for each in found] == [each["id"] for each in json.loads(body)["requests"]]
    assert all(set(each) - {"atomicityGroup"} == {"id", "status", "headers", "body"} for each in found)


def test_every_captured_batch_is_answered():
    assert [file.stem for file in WIRE] == sorted(CAPTURED)


@pytest.mark.parametrize("file", WIRE, ids=lambda file: file.stem)
def test_captured_batch_that_is_cut_anywhere_is_refused(file):
    body = captured(file)[2]
    for end in range(len(body)):
        with pytest.raises(BatchError) as caught:
            ODataJSON().parse(Envelope(body[:end], "application/json", "http://h/$batch", 100))
        assert caught.value.status == 400
