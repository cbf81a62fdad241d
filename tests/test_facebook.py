"""Facebook's batches on the real chain: those of real clients, with references and files, and from other sites."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, RequestFactory
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt
from hypothesis import given
from hypothesis import strategies as st

from django_batch.dialects.facebook import FacebookBatch
from django_batch.views import BatchView
from example_project.bookshop.models import Author, Book
from example_project.urls import urlpatterns as site_urls
from tests.dialects.facebook.test_dialect import SENT

from .forms import CONTENT_TYPE, URLENCODED, form, part

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.usefixtures("bookshop"),
    pytest.mark.urls(__name__),
]

JSON = "application/json"
PNG = b"\x89PNG\r\n\x1a\n"
WIRE = {each.stem: each for each in (Path(__file__).parent / "wire" / "facebook").glob("*.http")}
STAFF = {"HTTP_AUTHORIZATION": "Token staff-token"}


@csrf_exempt
def seen(request: HttpRequest) -> JsonResponse:
    """What a view sees."""
    return JsonResponse(
        {
            "path": request.get_full_path(),
            "method": request.method,
            "type": request.headers.get("Content-Type"),
            "fields": dict(request.POST.lists()),
            "files": {name: [file.read().hex() for file in files] for name, files in request.FILES.lists()},
            "accept": request.headers["Accept"],
            "token": request.META.get("HTTP_X_CSRFTOKEN"),
        }
    )


def found(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"id": 7, "data": [{"id": 1}, {"id": 2}], "next": "http://testserver/seen/?page=2"})


def status(request: HttpRequest, code: int) -> HttpResponse:
    return HttpResponse(status=code)


facebook = BatchView.as_view(dialect=FacebookBatch(versioned=True))
urlpatterns = [
    re_path(r"^(?:v\d+\.0/?)?$", facebook),
    path("open/", BatchView.as_view(dialect=FacebookBatch(root="/api/"), authentication_classes=[])),
    path("seen/", seen),
    path("found/", found),
    path("status/<int:code>/", status),
    *site_urls[1:],
]


def send(operations: object, content_type: str = URLENCODED, client: Client | None = None, **environ: str) -> Any:
    body = {
        URLENCODED: lambda: urlencode({"batch": json.dumps(operations)}).encode(),
        CONTENT_TYPE: lambda: form(part("batch", json.dumps(operations).encode())),
        JSON: lambda: json.dumps({"batch": operations}).encode(),
    }[content_type]()
    client = client or Client(raise_request_exception=False)
    return client.generic("POST", "/", body, content_type, **environ)


def bodies(response: Any) -> list[Any]:
    assert response.status_code == 200, response.content
    return [each and json.loads(each["body"]) for each in response.json()]


is_in = pytest.mark.parametrize("content_type", [URLENCODED, CONTENT_TYPE, JSON], ids=["form", "multipart", "json"])


# Real clients

NO_ITEM = {"message": "No Item matches the given query.", "type": "NotFound", "code": 404}
CAPTURED = {
    # a captured batch -> the codes of its answers, and what is in them
    "facebook_batch": [
        (200, {"id": 7, "name": "fixture-7"}),
        (200, {"name": "facebook batch ü"}),
        (404, {"error": NO_ITEM}),
    ],
    "dh_facebook_client": [
        (200, {"id": 7}),
        None,
        (200, {"name": "dh grün"}),
        (404, {"error": NO_ITEM}),
        (200, {"success": True}),
    ],
    "facebook_business_nodejs": [
        (200, {"id": 7}),
        (200, {"name": "nodejs"}),
        (200, {"success": True}),
        (404, {"error": NO_ITEM}),
    ],
    "facebook_business_python": [(200, {"id": 7}), (200, {"name": "facebook büsiness"}), (404, {"error": NO_ITEM})],
    "facebook_business_python_objects": [(404, {}), (404, {}), (404, {})],
    "facebook_business_python_upload": [(200, {"size": 264}), (200, {"id": 7})],
    "facebook_py_sdk": [
        (200, {"id": 7}),
        (200, {"name": "py sdk ü"}),
        (404, {"error": NO_ITEM}),
        (200, {"success": True}),
    ],
    "facebook_sdk": [
        (200, {"id": 7}),
        (200, {"name": "from facebook-sdk"}),
        (200, {"name": "from facebook-sdk"}),
        (404, {"error": NO_ITEM}),
        (200, {"success": True}),
    ],
    "facepy": [(200, {"id": 7}), (200, {"name": "facepy"}), (404, {"error": NO_ITEM})],
    "fb": [
        (200, {"id": 7}),
        (200, {"name": "fb ü"}),
        (404, {"error": NO_ITEM}),
        (200, {"success": True}),
    ],
    "fbgraph": [
        None,
        (200, {"name": "fbgraph ü"}),
        (404, {"error": NO_ITEM}),
        (200, {"success": True}),
        (200, {"count": 9}),
    ],
    "messaging_api_messenger_references": [(200, {"name": "made"}), (200, {"name": "made"}), (200, {"id": 7})],
}


def captured(name: str, **environ: str) -> WSGIRequest:
    """The request that a client has sent."""
    head, _, body = WIRE[name].read_bytes().partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {name.title(): value for name, value in (each.split(": ", 1) for each in lines)}
    content_type = headers.pop("Content-Type", "")
    del headers["Host"], headers["Content-Length"]
    return RequestFactory(headers=headers).generic("POST", line.split()[1], body, content_type, **environ)


def respond(request: WSGIRequest) -> Any:
    return Client(raise_request_exception=False).request(**request.environ)


def holds(found: Any, expected: Any) -> bool:
    """Whether all that is expected is there."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(holds(found.get(name), value) for name, value in expected.items())
    return found == expected


def test_every_capture_is_answered_here():
    assert WIRE.keys() == CAPTURED.keys()


@pytest.mark.parametrize("name", CAPTURED)
def test_batch_of_a_real_client_is_answered(name, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    answers = respond(captured(name, **STAFF)).json()
    assert len(answers) == len(CAPTURED[name])
    for answer, expected in zip(answers, CAPTURED[name], strict=True):
        assert (answer is None) == (expected is None)
        if expected:
            assert answer["code"] == expected[0]
            assert holds(json.loads(answer["body"]), expected[1]), answer
            assert ("headers" in answer) == (name != "messaging_api_messenger_references")


@pytest.mark.parametrize("name", CAPTURED)
def test_batch_of_a_real_client_cut_at_any_byte_is_refused_or_answered(name, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    request = captured(name)
    body = request.read()
    view = BatchView.as_view(dialect=FacebookBatch, max_requests=1)  # of which no operation has to be run
    for length in range(len(body)):
        cut = RequestFactory().generic("POST", request.get_full_path(), body[:length], request.content_type)
        cut.META["CONTENT_TYPE"] = request.META["CONTENT_TYPE"]
        response = view(cut)
        assert response.status_code in (400, 413, 415)
        assert "error" in json.loads(response.content)


# What is sent, and what its views see


@is_in
def test_operations_are_answered_in_their_order(content_type):
    operations = [
        {"method": "POST", "relative_url": "seen/?a=b", "body": "c=%C3%BC&c=2"},
        {"relative_url": "/api/books/0/"},
        {"method": "POST", "relative_url": "seen/", "body": {"a": 1}},
        {"relative_url": "status/204/"},
    ]
    first, second, third, fourth = bodies(send(operations, content_type))
    assert (first["path"], first["method"], first["fields"]) == ("/seen/?a=b", "POST", {"c": ["ü", "2"]})
    assert second["error"]["code"] == 404
    assert (third["type"], third["accept"]) == (JSON, JSON)
    assert fourth == {"success": True}


@is_in
def test_what_was_not_run_or_is_left_out_is_null(content_type):
    operations = [
        {"relative_url": "found/", "name": "f"},
        {"relative_url": "seen/?ids={result=f:$.data.*.id}"},
        {"relative_url": "{result=f:$.next}"},
        {"method": "POST", "relative_url": "seen/", "body": "id=%7Bresult=f:$.id%7D"},
        {"relative_url": "api/books/0/", "name": "gone"},
        {"relative_url": "seen/", "depends_on": "gone"},
        {"relative_url": "seen/?id={result=f:$.nothing}"},
    ]
    answers = bodies(send(operations, content_type))
    assert [answer is None for answer in answers] == [True, False, False, False, False, True, True]
    assert [answers[place]["path"] for place in (1, 2, 3)] == ["/seen/?ids=1,2", "/seen/?page=2", "/seen/"]
    assert answers[3]["fields"] == {"id": ["7"]}


def test_noise_of_clients_is_left_out():
    headers = {"Accept": "text/x", "Host": "testserver", "User-Agent": "x"}
    (answer,) = bodies(send([{"relative_url": "seen/", "headers": headers}]))
    assert answer["accept"] == "text/x"


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-For", "Authorization"])
def test_header_that_may_not_be_set_refuses_its_operation(name):
    answers = send([{"relative_url": "seen/", "headers": {name: "x"}}, {"relative_url": "seen/"}]).json()
    assert [answer["code"] for answer in answers] == [400, 200]
    assert repr(name) in answers[0]["body"]


def test_files_are_sent_as_if_alone(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    picture = PNG + bytes(range(256))
    operations = [
        {"method": "PUT", "relative_url": "api/books/1/cover/", "attached_files": "cover"},
        {"method": "POST", "relative_url": "seen/", "body": "a=b&c=", "attached_files": "cover,other"},
        {"method": "POST", "relative_url": "seen/", "body": {"a": [1]}, "attached_files": {"file": "other"}},
    ]
    body = form(
        part("batch", json.dumps(operations).encode()), part("cover", picture, "c.png"), part("other", b"1", "o")
    )
    response = Client().generic("POST", "/", body, CONTENT_TYPE, **STAFF)
    cover, both, third = bodies(response)
    assert cover == {"id": 1, "size": len(picture)}
    with Book.objects.get(pk=1).cover as stored:
        assert stored.read() == picture
    assert (both["fields"], both["files"]) == ({"a": ["b"], "c": [""]}, {"cover": [picture.hex()], "other": ["31"]})
    assert (third["fields"], third["files"]) == ({"a": ["[1]"]}, {"file": ["31"]})


def test_root_is_where_relative_urls_go_on():
    body = json.dumps({"batch": [{"relative_url": "books/1/"}, {"relative_url": "/me/"}]}).encode()
    answers = Client().generic("POST", "/open/", body, JSON).json()
    assert [answer["code"] for answer in answers] == [200, 200]


def test_batch_may_stand_in_the_query():
    batch = quote_plus(json.dumps([{"relative_url": "found/"}]))
    response = Client().post(f"/?include_headers=false&batch={batch}")
    assert list(response.json()[0]) == ["code", "body"]
    assert Client().generic("POST", f"/?batch={batch}").status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"batch=%5B", URLENCODED, 400),
        (b"", URLENCODED, 400),
        (form(), CONTENT_TYPE, 400),
        (b"{}", JSON, 400),
        (b'{"batch": [%b]}' % b",".join([b'{"relative_url": "x"}'] * 51), JSON, 413),
        (b"x" * 11 * 2**20, URLENCODED, 413),
        (b"x", "text/plain", 400),
        (b"x", "application/xml", 415),
        (b"a=1", f"{URLENCODED}; charset=latin-1", 415),
    ],
)
def test_refusal_is_in_facebooks_form(body, content_type, status):
    response = Client().generic("POST", "/", body, content_type)
    assert (response.status_code, response["Content-Type"]) == (status, JSON)
    assert response.json()["error"]["code"] == status


def test_fifty_operations_are_the_limit():
    assert len(send([{"relative_url": "found/"}] * 50).json()) == 50


@given(operations=st.lists(SENT, max_size=3), content_type=st.sampled_from([URLENCODED, CONTENT_TYPE, JSON]))
def test_whatever_is_sent_is_answered_item_by_item_or_refused(operations, content_type):
    response = send(operations, content_type)
    if response.status_code == 200:
        assert all(each is None or each["code"] < 500 for each in response.json())
    else:
        assert (response.status_code, response.json()["error"]["code"]) == (400, 400)


# Who sends it

TOKEN = "a" * 32


@pytest.fixture
def browser():
    """One whose reader is logged in, as staff."""
    client = Client(enforce_csrf_checks=True)
    client.login(username="staff", password="staff-secret")
    client.cookies["csrftoken"] = TOKEN
    return client


DELETE = [{"method": "DELETE", "relative_url": "api/authors/24/"}]
AUTHOR = [{"method": "POST", "relative_url": "api/authors/", "body": "name=Eve"}]


@pytest.mark.parametrize("content_type", [URLENCODED, CONTENT_TYPE])
def test_form_of_another_site_is_not_taken(browser, content_type):
    authors = Author.objects.count()
    for operations in (DELETE, AUTHOR):
        assert send(operations, content_type, browser).status_code == 403
        assert send(operations, content_type, browser, HTTP_AUTHORIZATION="Token ada-token").status_code == 403
    query = quote_plus(json.dumps(DELETE))
    assert browser.generic("POST", f"/?batch={query}").status_code == 403
    assert browser.generic("POST", f"/open/?batch={query}", b"x", "text/plain").status_code == 403
    assert browser.generic("POST", f"/open/?batch={query}").status_code == 403
    assert Author.objects.count() == authors


def test_form_of_a_page_of_the_site_is_taken_with_its_token(browser):
    fields = {"batch": json.dumps([*AUTHOR, {"relative_url": "seen/"}]), "csrfmiddlewaretoken": TOKEN}
    answers = browser.generic("POST", "/", urlencode(fields).encode(), URLENCODED)
    created, shown = bodies(answers)
    assert created["name"] == "Eve"
    assert shown["token"] == TOKEN
