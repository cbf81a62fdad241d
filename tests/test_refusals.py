"""Batches that are refused as a whole: why, where, and that no input whatever does worse."""

from __future__ import annotations

import json
import re
import sys
from base64 import b64encode
from bisect import bisect_left
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path
from hypothesis import given, settings
from hypothesis import strategies as st

from django_batch import errors
from django_batch.dialects.native.items import NativeItem
from django_batch.errors import BatchError
from django_batch.testing import BatchClient
from example_project.bookshop.models import Review
from example_project.urls import urlpatterns
from tests.markdown import ROOT

REFERENCE = (ROOT / "docs/reference/errors.md").read_text()
ECHO = {"path": "/api/echo/"}
NUMBERS: list[Any] = [7, 1.5, True]
# member of an item -> values that it cannot have
MISTYPED: dict[str, list[Any]] = {
    "path": [*NUMBERS, [], {}],
    "url": [*NUMBERS, [], {}],
    "method": [*NUMBERS, None, [], {}],
    "id": [*NUMBERS, [], {}],
    "headers": [*NUMBERS, [7], "Accept", {"Accept": 7}, {"Accept": ["a", "b"]}],
    "body_base64": [*NUMBERS, [], {}, "!", "e30", "e30=\n", "e3_-", "ü"],
    "depends_on": [*NUMBERS, {}, [7], ["0", None]],
    "dependsOn": [*NUMBERS, {}],
    "atomicity_group": [*NUMBERS, [], {}],
    "atomicityGroup": [*NUMBERS, [], {}],
    "omit_body": [7, "true", None, [], {}],
    "idempotency_key": [*NUMBERS, [], {}],
    "files": [*NUMBERS, "a", [], {"a": 7}, {"a": [7]}, {"a": {}}],
}
# what stands in one item, and the pointers to what is wrong in it
ITEMS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["/path"]),
    ({"path": "/", "url": "/"}, ["/url"]),
    ({"path": "api/"}, ["/path"]),
    ({"url": "//evil.example/"}, ["/url"]),
    ({"path": "http://evil.example/"}, ["/path"]),
    ({"path": "/#"}, ["/path"]),
    ({"path": "/" * 17_000}, ["/path"]),
    ({"path": "/", "metod": "GET"}, ["/metod"]),
    ({"path": "/", "a/b~c": 1}, ["/a~1b~0c"]),
    ({"path": "/", "Path": "/"}, ["/Path"]),
    ({"path": "/", "depends_on": "0", "dependsOn": "0"}, ["/dependsOn"]),
    ({"path": "/", "atomicity_group": "g", "atomicityGroup": "g"}, ["/atomicityGroup"]),
    ({"path": "/", "body": {}, "body_base64": "e30="}, ["/body_base64"]),
    ({"path": "/", "body": {}, "headers": {"content-type": "text/plain"}}, ["/body"]),
    ({"path": "/", "body": "", "headers": {"Content-Type": "text/plain; charset=klingon"}}, ["/headers/Content-Type"]),
    ({"path": "/", "body": "ü", "headers": {"Content-Type": "text/plain; charset=ascii"}}, ["/body"]),
    ({"path": "/", "body": "ü", "headers": {"Content-Type": "application/json; charset=ascii"}}, ["/body"]),
    (
        {"path": "/", "body": "x", "headers": {"Content-Type": "text/plain; charset=undefined"}},
        ["/headers/Content-Type"],
    ),
    ({"path": "/", "body": "..", "headers": {"Content-Type": "text/plain; charset=idna"}}, ["/headers/Content-Type"]),
    ({"path": "/", "body": "x", "headers": {"Content-Type": "text/plain; charset=a\x00b"}}, ["/headers/Content-Type"]),
    ({"path": "/", "headers": {"content-type": "text/plain; charset*=klingon''x"}}, ["/headers/content-type"]),
    ({"path": "/", "headers": {"Content-Type": "a/b; boundary*=punycode''x"}}, ["/headers/Content-Type"]),
    ({"path": "/", "headers": {"Content-Type": "a/b; x*0*=punyco; x*1*=de''x"}}, ["/headers/Content-Type"]),
    ({"path": "/", "headers": {"Content-Type": 'a/b; charset="utf-8;x"'}}, ["/headers/Content-Type"]),
    ({"path": "/", "headers": {"Content-Type": "a/" + "b" * 8_192}}, ["/headers/Content-Type"]),
    ({"path": "/", "headers": {f"X-{number}": "" for number in range(101)}}, ["/headers"]),
]
# the bytes of a batch that is refused, the code, and the pointers to what is wrong
BATCHES: list[tuple[bytes, str, list[str]]] = [
    (b"", "malformed", [""]),
    (b" ", "malformed", [""]),
    (b"{", "malformed", [""]),
    (b"nope", "malformed", [""]),
    (b"null", "malformed", [""]),
    (b"true", "malformed", [""]),
    (b"7", "malformed", [""]),
    (b'"[]"', "malformed", [""]),
    (b"[]", "malformed", [""]),
    (b"{}", "malformed", ["/requests"]),
    (b'{"requests":[]}', "malformed", ["/requests"]),
    (b'{"requests":{}}', "malformed", ["/requests"]),
    (b'{"requests":null}', "malformed", ["/requests"]),
    (b'{"requests":"[]"}', "malformed", ["/requests"]),
    (b'{"requests":[{"path":"/"}],"requests":[]}', "malformed", ["/requests"]),
    (b'{"request":[{"path":"/"}]}', "malformed", ["/request", "/requests"]),
    (b'{"requests":[{"path":"/"}],"atomic":"yes","dry_run":0}', "malformed", ["/atomic", "/dry_run"]),
    (b'{"requests":[{"path":"/"}],"continue_on_error":null}', "malformed", ["/continue_on_error"]),
    (b'{"requests":[{"path":"/"}],"parallel":[]}', "malformed", ["/parallel"]),
    (
        b'{"atomic":true,"requests":[{"path":"/","atomicity_group":"g"},{"path":"/","atomicityGroup":""}]}',
        "malformed",
        ["/requests/0/atomicity_group", "/requests/1/atomicity_group"],
    ),
    (b'[{"path":"/"},null,7,"GET",[],[{}]]', "malformed", ["/1", "/2", "/3", "/4", "/5"]),
    (b'[{"path":"/","id":"a"},{"path":"/","id":"a"}]', "duplicate_id", ["/0/id", "/1/id"]),
    (b'[{"path":"/"},{"path":"/","id":"0"}]', "duplicate_id", ["/0/id", "/1/id"]),
    (b'[{"path":"/","id":"g"},{"path":"/","atomicity_group":"g"}]', "duplicate_id", ["/0/id"]),
    (b'[{"path":"/","depends_on":"a"}]', "unknown_dependency", ["/0/depends_on"]),
    (b'[{"path":"/","depends_on":["0","a"]}]', "unknown_dependency", ["/0/depends_on", "/0/depends_on"]),
    (b'[{"path":"/","depends_on":"0"}]', "dependency_cycle", ["/0/depends_on"]),
    (
        b'[{"path":"/","depends_on":"1"},{"path":"/","depends_on":"0"}]',
        "dependency_cycle",
        ["/0/depends_on", "/1/depends_on"],
    ),
    (b'[{"path":"/","id":"a"},{"path":"/","body":{"x":{"$ref":"a#/body"}},"method":"PUT"}]', "malformed", ["/1/body"]),
    (b'[{"path":"/"},{"path":"/","method":"GET","path":"/x"}]', "malformed", ["/1/path"]),
    (b'[{"path":"/","headers":{"Accept":"a","Accept":"b"}}]', "malformed", ["/0/headers/Accept"]),
    (b'{"requests":[{"path":"/"}],"requests":[{"path":"/"}]}', "malformed", ["/requests"]),
    (b"[" + b"{}," * 100 + b"{}]", "too_many_requests", [""]),
    (b'{"requests":[' + b"{}," * 100 + b"{}]}", "too_many_requests", ["/requests"]),
    (b'[{"path":"/","body":"' + b"x" * 10 * 2**20 + b'"}]', "too_large", [""]),
]
# bytes that are no JSON text in UTF-8, though some readers take them
NO_JSON = [
    '[{"path":"/"}]'.encode("utf-16"),
    b'[{"path":"/","body":"\xff"}]',
    b'[{"path":"/","body":"\xc0\xaf"}]',
    b'[{"path":"/","body":"\xed\xa0\x80"}]',
    b'[{"path":"/","body":"\xf0\x9f\x98',
    b'[{"path":"/\\udfff"}]',
    b'[{"path":"/","id":"\\ud800x"}]',
    b'[{"path":"/","\\ud800":1}]',
    b'[{"path":"/","body":"\\x41"}]',
    b'[{"path":"/","body":"\x00"}]',
    b'[{"path":"/","body":"a\nb"}]',
    b'[{"path":"/","body":NaN}]',
    b'[{"path":"/","body":-Infinity}]',
    b'[{"path":"/","body":01}]',
    b'[{"path":"/","body":.5}]',
    b"[{'path':'/'}]",
    b'[{"path":"/"},]',
    b'[{"path":"/",}]',
    b'[{"path":"/"}] // the end',
    b'[{"path":"/"}][{"path":"/"}]',
    b'[{"path":"/"}]\x00',
    b'[{"path":"/"}',
]
# bytes that are JSON, though unusual: each is answered
JSON = [
    b'\n[\t{"path" : "/api/echo/"}\r\n]\n',
    b'\xef\xbb\xbf[{"path":"/api/echo/"}]',
    b'[{"path":"/api/echo/","method":"PUT","body":{"a":"\\ud83d","b":"\\ud83d\\ude00"}}]',
    b'[{"path":"/api/echo/?q=a b","headers":null,"depends_on":null,"files":null,"body":null,"id":null}]',
    b'[{"path":"/api/echo/","method":"PUT","body":1' + b"0" * 100_000 + b"}]",
    b'[{"path":"/api/echo/","method":"PUT","body":1e999999}]',
    b'[{"path":"/api/echo/","method":"PUT","body":-0}]',
    b'[{"path":"/api/echo/","body":"\\ud83d\\ude00"}]',
    '[{"path":"/api/echo/?\u2028","id":"\u2029\U0001f600"}]'.encode(),
    b'[{"path":"/api/echo/","method":"","id":"","headers":{}}]',
    b'{"requests":[{"path":"/api/echo/"}],"@type":[[[]]]}',
]


@pytest.fixture
def client() -> BatchClient:
    return BatchClient()


def pointers(problem: dict[str, Any]) -> list[str]:
    return [error["pointer"] for error in problem["errors"]]


@pytest.mark.parametrize(("content", "code", "places"), BATCHES)
def test_batch_is_refused_with_all_that_is_wrong(content, code, places, client):
    response = client.send_batch(content)
    problem = response.json()
    status = {"too_many_requests": 413, "too_large": 413}.get(code, 400)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert (problem["type"], problem["title"]) == ("about:blank", response.reason_phrase)
    assert pointers(problem) == places
    assert all(error["detail"] in problem["detail"] for error in problem["errors"][:1])


@pytest.mark.parametrize(("item", "places"), ITEMS)
def test_item_is_refused_at_its_place(item, places, client):
    response = client.send_batch(json.dumps({"requests": [ECHO, item]}, ensure_ascii=False).encode())
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    assert pointers(response.json()) == [f"/requests/1{place}" for place in places]


@pytest.mark.parametrize(("member", "value"), [(name, value) for name in MISTYPED for value in MISTYPED[name]])
def test_mistyped_member_is_refused_at_its_place(member, value, client):
    item = {member: value} if member in ("path", "url") else {"path": "/", member: value}
    response = client.send_batch([ECHO, item])
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    [pointer] = pointers(response.json())
    assert pointer.startswith(f"/1/{member}")


def test_every_member_of_an_item_is_mistyped_above():
    assert {*MISTYPED, "body"} == {*NativeItem.__struct_fields__}


def test_unknown_member_is_refused_with_a_guess(client):
    problem = client.send_batch([{"path": "/", "metod": "GET"}]).json()
    assert problem["detail"] == "Unknown member 'metod'. Did you mean 'method'?"


def test_everything_that_is_wrong_is_told_at_once(client):
    response = client.send_batch(
        {
            "atomc": True,
            "continue_on_error": "no",
            "requests": [
                {"path": "/", "id": "a"},
                {"path": "/", "id": "a"},
                {"path": "books", "id": "b", "atomicityGroup": "g"},
                {"path": "/", "method": 7, "id": "c"},
                {"path": "/", "depends_on": ["b", "c", "g", "nobody"]},
                {"path": "/", "id": "d", "depends_on": "e"},
                {"path": "/", "id": "e", "depends_on": "d"},
                None,
            ],
        }
    )
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    assert pointers(response.json()) == [
        "/atomc",
        "/continue_on_error",
        "/requests/2/path",
        "/requests/3/method",
        "/requests/7",
        "/requests/0/id",
        "/requests/1/id",
        "/requests/4/depends_on",
        "/requests/5/depends_on",
        "/requests/6/depends_on",
    ]
    assert response.json()["detail"].startswith("10 errors, the first: Unknown member 'atomc'. Did you mean 'atomic'?")


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("wrong", [{}, {"path": "/", "depends_on": "nobody"}, {"path": "/", "id": "0"}])
def test_nothing_of_a_refused_batch_is_run(wrong, bookshop):
    client = BatchClient(headers={"authorization": "Token ada-token"})
    review = {"method": "POST", "path": "/api/reviews/", "body": {"book": 3, "rating": 5, "text": "Good."}}
    assert client.send_batch([review, wrong]).status_code == 400
    assert not Review.objects.filter(text="Good.").exists()
    assert client.batch([review])[0]["status"] == 201


# what stands in one item that is refused alone, its status, code and the pointer to what is wrong
REFUSED_ITEMS: list[tuple[dict[str, Any], int, str, str]] = [
    ({"headers": {"X-Shelf": "7"}}, 400, "header_not_allowed", "/headers/X-Shelf"),
    ({"headers": {"X_Shelf": "7"}}, 400, "header_not_allowed", "/headers/X_Shelf"),
    ({"headers": {"a/b~c": "7"}}, 400, "header_not_allowed", "/headers/a~1b~0c"),
    ({"headers": {"": "7"}}, 400, "header_not_allowed", "/headers/"),
    ({"headers": {"Host": "evil.example"}}, 400, "header_not_allowed", "/headers/Host"),
    ({"headers": {"Accept": "a\r\nHost: b"}}, 400, "header_not_allowed", "/headers/Accept"),
    ({"headers": {"Accept": "*/*", "accept": "*/*"}}, 400, "header_not_allowed", "/headers/accept"),
    ({"headers": {"Accept": "x" * 8_193}}, 400, "header_not_allowed", "/headers/Accept"),
    ({"method": "TRACE"}, 405, "method_not_allowed", "/method"),
    ({"method": ""}, 405, "method_not_allowed", "/method"),
    ({"method": "GET\n"}, 405, "method_not_allowed", "/method"),
    ({"method": "po\u017ft"}, 405, "method_not_allowed", "/method"),
]


@pytest.mark.parametrize(("members", "status", "code", "place"), REFUSED_ITEMS)
def test_refused_item_leaves_the_others_alone(members, status, code, place, client):
    first, refused, last = client.batch([ECHO, {**ECHO, **members}, ECHO])
    assert (first["status"], last["status"]) == (200, 200)
    assert refused["headers"]["Content-Type"] == "application/problem+json"
    assert (refused["status"], refused["body"]["status"], refused["body"]["code"]) == (status, status, code)
    assert pointers(refused["body"]) == [f"/requests/1{place}"]


def test_longest_header_is_sent(client):
    (answer,) = client.batch([{**ECHO, "headers": {"Accept-Language": "x" * 8_192}}])
    assert len(answer["body"]["headers"]["Accept-Language"]) == 8_192


@pytest.mark.parametrize(
    "item",
    [
        {"path": "{a#/body}"},
        {"path": "/api/echo/{a#/body}"},
        {"path": "/api/echo/", "headers": {"Accept": "{a#/body}"}},
        {"path": "/api/echo/", "method": "PUT", "body": {"$ref": "a#/body"}},
    ],
)
@pytest.mark.parametrize(
    "value", ["\\ud800", "\\u0000", "\\r\\n", "/\\\\", "//evil.example", "é\U0001f600", "x" * 20_000]
)
def test_whatever_a_reference_finds_its_item_is_answered(item, value, client, settings):
    def wild(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f'"{value}"'.encode(), content_type="application/json")

    settings.ROOT_URLCONF = (path("wild/", wild), *urlpatterns)
    first, second = client.batch([{"id": "a", "path": "/wild/"}, {**item, "depends_on": "a"}])
    assert (first["status"], second["status"] in (200, 400, 404, 424)) == (200, True)


@pytest.mark.parametrize("content", NO_JSON)
def test_what_is_no_json_in_utf_8_is_malformed(content, client):
    response = client.send_batch(content)
    assert (response.status_code, response.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize("content", JSON)
def test_unusual_json_is_answered(content, client):
    assert client.send_batch(content).status_code == 207


@pytest.mark.parametrize("member", ["body", "headers", "id", "depends_on", "@note", "unknown"])
def test_json_of_any_depth_is_answered_or_refused(member, client):
    statuses = {}

    def is_refused(depth: int) -> bool:
        content = b'[{"path":"/api/echo/","%b":%b}]' % (member.encode(), b"[" * depth + b"]" * depth)
        statuses[depth] = client.send_batch(content).status_code
        return statuses[depth] == 400

    deepest = bisect_left(range(100_000), True, key=is_refused)
    for depth in range(max(deepest - 10, 1), deepest + 10):
        is_refused(depth)
    assert {*statuses.values()} <= {207, 400}


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "multipart/form-data; boundary=x; charset=hex",
        "application/json; charset=latin-1",
        "*/*",
        "\xff",
    ],
)
def test_batch_of_another_type_is_unsupported(content_type, client):
    response = client.generic("POST", "/batch/", b'[{"path":"/"}]', content_type)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    assert pointers(response.json()) == [""]


def wsgi(stream: Any, **environ: str) -> tuple[int, dict[str, Any]]:
    """The status and the answer to a POST of `stream`, as a WSGI server sends it."""
    started: list[str] = []
    response = WSGIHandler()(
        {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/batch/",
            "QUERY_STRING": "",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/json",
            "wsgi.url_scheme": "http",
            "wsgi.input": stream,
            "wsgi.errors": sys.stderr,
            **environ,
        },
        lambda status, headers: started.append(status),
    )
    try:
        return int(started[0][:3]), json.loads(b"".join(response))
    finally:
        response.close()


BATCH = json.dumps([ECHO]).encode()
over_wsgi = pytest.mark.django_db(databases="__all__")  # whose connections are looked after with each request


@over_wsgi
@pytest.mark.parametrize(
    ("declared", "status", "code"),
    [
        (str(len(BATCH)), 207, None),
        (str(len(BATCH) + 1000), 207, None),
        (f" {len(BATCH)} ", 207, None),
        (str(len(BATCH) - 1), 400, "malformed"),
        ("0", 400, "malformed"),
        ("-1", 400, "malformed"),
        (f"-{len(BATCH)}", 400, "malformed"),
        ("", 400, "malformed"),
        ("many", 400, "malformed"),
        ("1e3", 400, "malformed"),
        ("\xb2", 400, "malformed"),
        (f"{len(BATCH)},{len(BATCH)}", 400, "malformed"),
        ("9" * 5_000, 400, "malformed"),
        (str(10 * 2**20 + 1), 413, "too_large"),
        ("9" * 100, 413, "too_large"),
    ],
)
def test_declared_length_is_never_more_than_a_hint(declared, status, code):
    found, answer = wsgi(BytesIO(BATCH), CONTENT_LENGTH=declared)
    assert (found, answer.get("code") if isinstance(answer, dict) else None) == (status, code)


@over_wsgi
def test_batch_without_a_length_is_empty_as_every_request_of_wsgi():
    assert wsgi(BytesIO(BATCH))[0] == 400


@over_wsgi
def test_batch_that_declares_too_much_is_refused_before_it_is_read():
    stream = BytesIO(BATCH)
    assert wsgi(stream, CONTENT_LENGTH=str(2**40))[0] == 413
    assert stream.tell() == 0


class BrokenStream(BytesIO):
    """The body of a client that goes away."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError("Connection reset by peer")


@over_wsgi
def test_batch_that_breaks_off_is_malformed():
    status, problem = wsgi(BrokenStream(), CONTENT_LENGTH="1000")
    assert (status, problem["code"], problem["detail"]) == (400, "malformed", "The batch could not be read to its end.")


# Whatever is sent

PATHS = [
    "/",
    "/api/me/",
    "/api/books/?page_size=2",
    "/api/books/1/",
    "/api/books/1/cover/",
    "/api/books/1/price/",
    "/api/reviews/",
    "/api/orders/A-1/",
    "/api/orders/A-9/lines/",
    "/api/echo/?a=b",
    "/api/cookies/?name=a&value=b",
    "/api/newsletter/",
    "/api/login/",
    "/api/visits/",
    "/api/broken/",
    "/api/content/invalid-json/",
    "/api/content/invalid-utf-8/",
    "/api/content/empty/",
    "/api/export/books.csv",
    "/api/terms/",
    "/i18n/setlang/",
    "/batch/",
    "/%62atch/",
    "/api/books/{a#/body/results/0/id}/",
    "{a#/body/url}",
    "/api/echo/{a#}",
]
HEADERS = ["Accept", "Content-Type", "content-type", "If-None-Match", "Range", "X-CSRFToken", "Authorization", "Cookie"]
VALUES = [
    "application/json",
    "text/plain; charset=latin-1",
    "multipart/form-data; boundary=x",
    "*/*",
    "bytes=0-3",
    "{a#}",
]
CONTENT_TYPES = ["application/json", "application/json; charset=utf-8", "text/plain", "multipart/form-data; boundary=x"]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
WILD = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5
)
NAMES = st.sampled_from(["a", "a", "a", "b", "g", ""])
MEMBERS = {
    "path": st.sampled_from(PATHS) | st.text().map(lambda text: f"/{quote(text)}"),
    "url": st.sampled_from(PATHS) | st.text().map(lambda text: f"http://testserver/{quote(text)}"),
    "method": st.sampled_from(["GET", "head", "Post", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]) | st.text(),
    "id": st.sampled_from("bcd") | st.text(),
    "headers": st.dictionaries(st.sampled_from(HEADERS) | st.text(), st.sampled_from(VALUES) | st.text(), max_size=3),
    "body": WILD | st.just({"$ref": "a#/body"}) | st.just([{"$ref": "a#/status"}]),
    "body_base64": st.binary().map(lambda value: b64encode(value).decode()),
    "depends_on": NAMES | st.lists(NAMES, max_size=3),
    "atomicity_group": st.sampled_from(["g", "h"]),
    "omit_body": st.booleans(),
}
OPTIONS = {name: st.booleans() for name in ("atomic", "continue_on_error", "dry_run", "parallel")}


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from([*MEMBERS]), unique=True, max_size=4))
    item = {name: draw(MEMBERS[name]) for name in names}
    for name, other in [("path", "url"), ("body_base64", "body")]:
        if other in item:
            item.pop(name, None)
    return item if "url" in item else {"path": draw(MEMBERS["path"]), **item}


@st.composite
def batches(draw: st.DrawFn) -> object:
    """Batches of which most can be read; in some, anything is put in the place of a member."""
    requests = [{"id": "a", "path": "/api/books/?page_size=1"}, *draw(st.lists(items(), max_size=3))]
    batch = {"requests": requests, **draw(st.fixed_dictionaries({}, optional=OPTIONS))}
    if draw(st.integers(0, 9)) == 9:
        place = draw(st.sampled_from([batch, *requests]))
        place[draw(st.sampled_from([*place, *MEMBERS, *OPTIONS]) | st.text())] = draw(WILD)
    return draw(st.sampled_from([batch, requests]))


SNIPPETS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"\\",
    b"null",
    b"1e9",
    b"\xff",
    b"\x00",
    b'\\ud800"',
    b"{}," * 101,
]
SEEDS = [
    b'[{"path":"/api/books/1/"},{"method":"POST","path":"/api/echo/","body":{"a":[1.10,null,"\\u00fc"]}}]',
    b'{"atomic":true,"requests":[{"id":"a","path":"/api/me/"},{"path":"/api/echo/?{a#/status}","depends_on":["a"]}]}',
    b'[{"path":"/api/echo/","method":"PUT","headers":{"Content-Type":"text/plain"},"body_base64":"aGFsbG8="}]',
]


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """JSON of a batch with a few bytes cut out, doubled or put in."""
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        put_in = draw(st.sampled_from(SNIPPETS) | st.binary(max_size=3) | st.just(text[start:end] * 2))
        text = text[:start] + put_in + text[draw(st.sampled_from([start, end])) :]
    return text


@pytest.fixture
def ada(bookshop) -> BatchClient:
    return BatchClient(headers={"authorization": "Token ada-token"})


def many(test: Any) -> Any:
    """Twenty-five thousand examples by night. None takes as long as this, unless it hangs."""
    return settings(max_examples=5 * settings().max_examples, deadline=timedelta(minutes=1))(test)


def assert_answered(response: Any) -> None:
    """It is 207 with an answer to each item, or a refusal that says where."""
    answer = response.json()
    if response.status_code == 207:
        assert response.headers["Content-Type"] == "application/json"
        answers = answer if isinstance(answer, list) else answer["responses"]
        assert all(100 <= each["status"] <= 599 for each in answers)
    else:
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.status_code in (400, 413, 415)
        assert answer["status"] == response.status_code
        assert answer["errors"]
        assert all({*error} == {"pointer", "detail"} for error in answer["errors"])


with_rows = pytest.mark.django_db(transaction=True, databases="__all__")


@with_rows
@many
@given(st.binary() | st.text().map(str.encode), st.sampled_from(CONTENT_TYPES) | st.text())
def test_any_bytes_are_answered_or_refused(ada, content, content_type):
    assert_answered(ada.generic("POST", "/batch/", content, content_type))


@with_rows
@many
@given(mutations())
def test_any_mutilated_batch_is_answered_or_refused(ada, content):
    assert_answered(ada.send_batch(content))


@with_rows
@many
@given(WILD | st.lists(WILD, max_size=3) | st.builds(lambda value: {"requests": value}, WILD | st.lists(WILD)))
def test_any_json_is_answered_or_refused(ada, content):
    assert_answered(ada.send_batch(json.dumps(content).encode()))


@with_rows
@many
@given(batches())
def test_any_batch_is_answered_or_refused(ada, content):
    assert_answered(ada.send_batch(json.dumps(content, ensure_ascii=False).encode()))


# What the reference says


def all_errors() -> set[type[BatchError]]:
    return {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, BatchError)}


def test_reference_tells_the_status_and_code_of_every_error():
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| `(\w+)` \| .+ \|$", REFERENCE, re.MULTILINE)
    told = {(name, int(status), code) for status, code, name in rows}
    assert told == {(each.__name__, each.status, each.code) for each in all_errors() - {BatchError}}


def test_reference_tells_every_member_of_a_problem():
    members = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", REFERENCE, re.MULTILINE)
    assert members == [*BatchError("").problem()]
