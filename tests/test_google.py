"""Google's batches on the real chain: what their clients send, and what they are answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from hypothesis import given
from hypothesis import strategies as st

from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.native import NativeDialect
from django_batch.testing import BatchClient
from django_batch.views import BatchView
from example_project.urls import urlpatterns as site_urls
from tests.parts import Answer, answers, message, multipart, nearly_parts, part, statuses


@csrf_exempt
def back(request: HttpRequest) -> HttpResponse:
    """What was sent."""
    return HttpResponse(request.body, content_type=request.headers.get("Content-Type", "none/none"))


urlpatterns = [
    path("google", BatchView.as_view(dialect=GoogleMultipart)),
    path("few", BatchView.as_view(dialect=GoogleMultipart(max_requests=2))),
    path("none", BatchView.as_view(dialect=GoogleMultipart(max_requests=0))),
    path("both", BatchView.as_view(dialect=[NativeDialect, GoogleMultipart])),
    path("open", BatchView.as_view(dialect=GoogleMultipart, allowed_headers=["Accept-Encoding", "Range"])),
    path("back/", back),
    *site_urls,
]
pytestmark = pytest.mark.urls(__name__)
ECHO = part(message("GET", "/api/echo/"))


def post(content: bytes, *, url: str = "/google", boundary: str = "batch", **headers: str) -> Any:
    client = BatchClient(headers=headers)
    return client.post(url, content, content_type=f"multipart/mixed; boundary={boundary}")


def batch(*parts: bytes, **options: Any) -> list[Answer]:
    """The answers to `parts`."""
    response = post(multipart(parts), **options)
    assert response.status_code == 200, response.content
    found = answers(response.content, response.headers["Content-Type"])
    return [each for each in found if isinstance(each, Answer)]


def error(response: Any) -> Any:
    assert response.headers["Content-Type"] == "application/json"
    return response.json()["error"]


@pytest.mark.usefixtures("bookshop")
@pytest.mark.django_db(transaction=True, databases="__all__")
def test_all_parts_are_answered_in_their_order_whatever_fails():
    found = batch(
        part(message("GET", "/api/books/1/"), "<a + 1>"),
        part(message("GET", "/api/books/404404/"), "<b>"),
        part(message("PUT", "/api/orders/A-77/", b'{"note": "gift"}'), "c"),
        part(message("PUT", "/api/orders/A-78/", b"{"), "<d>"),
        part(message("DELETE", "/api/orders/A-77/")),
        part(message("GET", "/api/orders/A-77/"), "<f>"),
        authorization="Token ada-token",
    )
    assert statuses(found) == [200, 404, 201, 400, 204, 404]
    assert [each.content_id for each in found] == [
        "<response-a + 1>",
        "<response-b>",
        "response-c",
        "<response-d>",
        None,
        "<response-f>",
    ]
    assert found[2].json()["note"] == "gift"
    assert (found[4].body, found[4].headers["Content-Length"]) == (b"", "0")


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept_Encoding": "gzip, deflate"},
        {"Host": "testserver"},
        {"MIME_Version": "1.0", "Connection": "keep-alive", "User_Agent": "x", "X_Goog_Api_Client": "gl-python"},
    ],
)
def test_noise_of_clients_is_left_out(headers):
    alone, found = (each.json() for each in batch(ECHO, part(message("GET", "/api/echo/", **headers)), url="/open"))
    assert found == alone


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "X-Forwarded-For", "Foo"])
def test_header_that_may_not_be_set_refuses_its_part(name):
    alone, found = batch(ECHO, part(message("GET", "/api/echo/", **{name.replace("-", "_"): "x"})), url="/open")
    assert (alone.status, found.status) == (200, 400)
    assert repr(name.lower()) in found.json()["error"]["message"]


def test_headers_that_may_be_set_are():
    (found,) = batch(part(message("GET", "/api/echo/", accept="text/csv", RANGE="bytes=0-1", If_Match="*")))
    expected = {"Accept": "text/csv", "Range": "bytes=0-1", "If-Match": "*"}
    assert found.json()["headers"].items() >= expected.items()


def test_parts_do_not_get_the_headers_of_the_batch_as_a_message():
    (found,) = batch(ECHO, accept="text/html, image/gif", accept_encoding="gzip", prefer="return=minimal")
    assert found.json()["headers"].items() == {"Accept": "application/json", "Content-Length": "0"}.items()


@pytest.mark.parametrize(
    ("headers", "content_type"),
    [
        ({}, "application/json"),
        ({"Content_Type": "image/png"}, "image/png"),
        ({"content_type": "a/b; c=d"}, "a/b; c=d"),
    ],
)
@given(body=st.binary(min_size=1))
def test_law_view_gets_the_bytes_and_gives_them_back(headers, content_type, body):
    (found,) = batch(part(message("POST", "/back/", body, **headers)), boundary="batch")
    assert (found.body, found.headers["Content-Type"]) == (body, content_type)


def test_request_without_a_body_gets_no_content_type():
    (found,) = batch(part(message("POST", "/back/")))
    assert found.headers["Content-Type"] == "none/none"


def test_batch_in_a_batch_is_refused_in_googles_form():
    nested = message("POST", "/google", multipart([ECHO]), Content_Type="multipart/mixed; boundary=batch")
    (found, after) = batch(part(nested.replace(b"--batch", b"--other").replace(b"=batch", b"=other")), ECHO)
    assert (found.status, after.status) == (403, 200)
    assert found.json()["error"]["errors"][0]["reason"] == "nested_batch"


@pytest.mark.parametrize(
    ("content", "status", "code", "location"),
    [
        (b"", 400, "malformed", ""),
        (b"--batch--", 400, "malformed", ""),
        (multipart([ECHO, b"{}"]), 400, "malformed", "/1"),
        (multipart([part(message("GET", "https://evil.example/"))]), 400, "malformed", "/0"),
        (multipart([ECHO])[:-4], 400, "malformed", ""),
        (multipart([ECHO] * 101), 413, "too_many_requests", ""),
        (b"x" * 11 * 2**20, 413, "too_large", ""),
    ],
    ids=["empty", "no parts", "no request", "elsewhere", "cut off", "too many", "too large"],
)
def test_refusal_is_in_googles_form(content, status, code, location):
    response = post(content)
    assert response.status_code == status
    assert error(response)["code"] == status
    assert [(each["reason"], each["location"]) for each in error(response)["errors"]] == [(code, location)]


def test_other_media_type_is_refused_in_googles_form():
    response = BatchClient().post("/google", "{}", content_type="application/json")
    assert (response.status_code, error(response)["errors"][0]["reason"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(("count", "status"), [(2, 200), (3, 413)])
def test_number_of_parts_is_bounded_by_the_dialect(count, status):
    assert post(multipart([ECHO] * count), url="/few").status_code == status


def test_dialect_that_takes_no_part_takes_none():
    assert post(multipart([ECHO]), url="/none").status_code == 413


@pytest.mark.parametrize(("count", "status"), [(1, 200), (2, 413)])
def test_number_of_parts_is_bounded_by_the_site_too(count, status, settings):
    settings.BATCH = {"MAX_REQUESTS": 1}
    assert post(multipart([ECHO] * count), url="/few").status_code == status


def test_url_of_two_dialects_answers_in_that_of_the_batch():
    assert statuses(batch(ECHO, url="/both")) == [200]
    assert BatchClient().send_batch([{"path": "/api/echo/"}], path="/both").status_code == 207


@given(content=st.binary() | st.lists(nearly_parts).map(multipart))
def test_law_whatever_is_sent_is_answered_or_refused(content):
    response = post(content)
    assert response.status_code in (200, 400, 413)
    if response.status_code == 200:
        assert answers(response.content, response.headers["Content-Type"])


def test_batch_that_is_cut_off_anywhere_is_refused_and_nothing_is_run():
    content = multipart([ECHO, part(message("POST", "/api/echo/", b'{"a": 1}'), "<b>")])
    assert {post(content[:length]).status_code for length in range(len(content) - len(b"\r\n"))} == {400}
    assert post(content[: -len(b"\r\n")]).status_code == 200


ODD = {
    "ten thousand headers": part(message("GET", "/", **{f"X{number}": "y" for number in range(10_000)})),
    "ten thousand headers of a part": b"X: y\r\n" * 10_000 + ECHO,
    "long header": part(message("GET", "/", X="y" * 2**20)),
    "long url": part(message("GET", "/" + "x" * 2**20)),
    "blank lines": b"\r\n" * 2**19 + ECHO,
    "blanks in a url": part(message("GET", "/" + " " * 2**17)),
    "folded headers": part(b"GET / HTTP/1.1\r\nA: b" + b"\r\n " * 2**16 + b"\r\n\r\n"),
    "no end of headers": b"A: b\r\n" * 2**17,
    "many colons": b":" * 2**20,
    "nested": b"".join(b"Content-Type: multipart/mixed; boundary=c%d\r\n\r\n--c%d\r\n" % (n, n) for n in range(1_000)),
    "nested in the same": b"Content-Type: multipart/mixed; boundary=batch\r\n\r\n--batch\r\n" * 90,
    "delimiters that are none": b"\r\n--batchx" * 2**17,
    "binary": bytes(range(256)) * 100,
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_part_is_refused(odd):
    response = post(multipart([ECHO, ODD[odd]]))
    assert response.status_code == 400
    assert error(response)["errors"][0]["reason"] == "malformed"
    assert len(response.content) < 20_000


def test_delimiter_inside_a_body_ends_it():
    inside = message("POST", "/back/", b"a\r\n--batch\r\n" + ECHO)
    assert statuses(batch(part(inside))) == [200, 200]


def test_length_that_lies_is_not_believed():
    lie = message("POST", "/back/", b"abc").replace(b": 3", b": 99999999")
    found = batch(part(lie), ECHO)
    assert (found[0].body, found[1].status) == (b"abc", 200)


def test_exception_of_a_view_is_the_answer_of_its_part():
    assert statuses(batch(part(message("GET", "/api/broken/")), ECHO)) == [500, 200]


def test_cookies_are_set_on_the_whole_answer():
    response = post(multipart([part(message("POST", "/api/cookies/?name=flavour&value=oat"))]))
    assert response.cookies["flavour"].value == "oat"
    assert b"Set-Cookie" not in response.content


def test_json_that_is_none_forges_nothing():
    (found, after) = batch(part(message("GET", "/api/content/invalid-json/")), ECHO)
    assert found.body == b'1},{"id":"9","status":200,"headers":{},"body":"forged"'
    assert json.loads(after.body)["path"] == "/api/echo/"
