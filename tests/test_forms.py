"""Batches that come as forms: how they are read, and from whom they are taken."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.core.files.uploadhandler import MemoryFileUploadHandler, TemporaryFileUploadHandler
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.test import Client
from django.urls import path
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.authentication import SessionAuthentication
from rest_framework.parsers import JSONParser
from rest_framework.views import APIView

from django_batch.views import BatchView
from example_project.urls import urlpatterns as site_urls

from .forms import CONTENT_TYPE, MULTIPART, URLENCODED, FormDialect, form, part

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.usefixtures("bookshop"),
    pytest.mark.urls(__name__),
]

DIALECT = FormDialect()
URL = "/forms/"
TOKEN, OTHER_TOKEN = "a" * 32, "b" * 32


class Unread(APIView):
    """A view that needs a CSRF token of whoever is logged in, and answers with it."""

    authentication_classes = (SessionAuthentication,)
    parser_classes = (JSONParser,)

    def post(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.META.get("HTTP_X_CSRFTOKEN", "none"))


def token(request: HttpRequest) -> HttpResponse:
    return HttpResponse(get_token(request))


urlpatterns = [
    path("forms/", BatchView.as_view(dialect=DIALECT, max_size=100_000)),
    path("open/", BatchView.as_view(dialect=DIALECT, authentication_classes=[])),
    path("unread/", Unread.as_view()),
    path("token/", token),
    *site_urls,
]


@pytest.fixture(autouse=True)
def read():
    """What the dialect has read."""
    DIALECT.read.clear()
    return DIALECT.read


def post(body: bytes, content_type: str = CONTENT_TYPE, url: str = URL, client: Client | None = None, **more):
    return (client or Client()).generic("POST", url, body, content_type, **more)


@pytest.mark.parametrize(
    ("content_type", "body", "fields"),
    [
        (URLENCODED, b"a=1&a=2&b=%C3%BC+x&c=", {"a": ["1", "2"], "b": ["ü x"], "c": [""]}),
        (f"{URLENCODED}; charset=UTF-8", b"a=1", {"a": ["1"]}),
        (CONTENT_TYPE, form(part("a", b"1"), part("a", b"2"), part("ü", b"\r\n")), {"a": ["1", "2"], "ü": ["\r\n"]}),
        (URLENCODED, b"", {}),
        (CONTENT_TYPE, form(), {}),
    ],
)
def test_form_is_read_as_django_reads_it(read, content_type, body, fields):
    assert post(body, content_type, headers={"Content-Length": str(len(body))}).status_code == 207
    assert read == [{"fields": fields, "files": [], "body": b"", "query": ""}]


def test_form_without_a_length_is_refused(rf):
    request = rf.generic("POST", URL, form(), CONTENT_TYPE)
    del request.META["CONTENT_LENGTH"]
    response = BatchView.as_view(dialect=DIALECT)(request)
    assert (response.status_code, b"The form has no Content-Length" in response.content) == (400, True)


@pytest.mark.parametrize("handler", [MemoryFileUploadHandler, TemporaryFileUploadHandler])
def test_files_are_read_by_the_upload_handlers_of_the_site(read, settings, handler):
    settings.FILE_UPLOAD_HANDLERS = [f"{handler.__module__}.{handler.__name__}"]
    files = [
        ("a", "ü;\u2028.png", 'text/plain; charset="utf-8"', b"\x00\xff\r\n--x"),
        ("a", "b", "", b""),
        ("c", "d e.txt", "image/png", b"x" * 90_000),
    ]
    response = post(form(*(part(name, content, filename, kind) for name, filename, kind, content in files)))
    assert response.status_code == 207
    assert read[0]["files"] == [
        (name, filename.replace("\u2028", ""), kind, content) for name, filename, kind, content in files
    ]


def test_temporary_files_are_gone_afterwards(settings, tmp_path):
    settings.FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    assert Path(tempfile.gettempdir()) != tmp_path
    assert post(form(part("a", b"x" * 1000, "a"))).status_code == 207
    assert not [*tmp_path.iterdir()]


NO_BASE64 = form(part("a", b"x", "a").replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"))
REFUSED = [
    # what is sent, the status, what is said
    ({"content_type": f"{MULTIPART}; boundary="}, 400, "The form cannot be read: Invalid boundary"),
    ({"content_type": MULTIPART}, 400, "The form cannot be read: Invalid boundary"),
    ({"content_type": f"{CONTENT_TYPE}; charset=hex"}, 415, "Send the form in UTF-8"),
    ({"content_type": f"{URLENCODED}; charset=latin-1"}, 415, "Send the form in UTF-8"),
    ({"body": NO_BASE64}, 400, "base64"),
    ({"body": b"x" * 100_001}, 413, "more than 100000 bytes"),
    ({"content_type": URLENCODED, "body": b"x" * 100_001}, 413, "more than 100000 bytes"),
    ({"body": form(*[part("a", b"1")] * 4)}, 413, "settings.DATA_UPLOAD_MAX_NUMBER_FIELDS"),
    ({"content_type": URLENCODED, "body": b"a=1&" * 4}, 413, "settings.DATA_UPLOAD_MAX_NUMBER_FIELDS"),
    ({"body": form(*[part("a", b"1", "a")] * 3)}, 413, "settings.DATA_UPLOAD_MAX_NUMBER_FILES"),
    ({"body": form(part("a", b"1" * 1_001))}, 413, "settings.DATA_UPLOAD_MAX_MEMORY_SIZE"),
]


@pytest.mark.parametrize(("sent", "status", "detail"), REFUSED)
def test_form_that_cannot_be_read_is_refused_as_a_problem(read, settings, sent, status, detail):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    response = post(**{"body": form(part("a", b"1")), **sent})
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert detail in response.json()["detail"]
    assert not read


def test_fields_may_be_larger_than_django_holds_of_a_body(read, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    assert post(b"a=" + b"1" * 2_000, URLENCODED).status_code == 207


def test_length_that_lies_is_found_while_the_form_is_read(rf):
    request = rf.generic("POST", URL, form(part("a", b"1" * 1_000)), CONTENT_TYPE)
    view = BatchView.as_view(dialect=DIALECT, max_size=500)
    request._stream.limit = 10_000
    request.META["CONTENT_LENGTH"] = "400"
    assert view(request).status_code == 413


@pytest.mark.parametrize("length", ["x", "-5"])
def test_length_that_is_none_makes_no_error_of_the_server(rf, length):
    request = rf.generic("POST", URL, form(), CONTENT_TYPE)
    request.META["CONTENT_LENGTH"] = length
    assert BatchView.as_view(dialect=DIALECT)(request).status_code < 500


BODY = form(part("send", b"/unread/"), part("a", b"\x00\xff" * 20, "a.png", "image/png"), part("b", b"1"))


@pytest.mark.parametrize("end", range(len(BODY)))
def test_form_that_is_cut_off_is_answered(end):
    assert post(BODY[:end]).status_code in (207, 400)


PIECES = st.binary(max_size=30) | st.sampled_from([b"\r\n", b"--between-parts", b"--", b"\r\n\r\n", part("a", b"")])


@given(st.lists(PIECES))
def test_whatever_the_bytes_of_a_form_it_is_no_error_of_the_server(pieces):
    for content_type in (CONTENT_TYPE, URLENCODED):
        assert post(b"".join(pieces), content_type).status_code < 500


def middleware(read):
    """One that looks into every request, as some do."""

    def factory(get_response):
        def respond(request):
            read(request)
            return get_response(request)

        return respond

    return factory


look_at_form = middleware(lambda request: request.POST)
look_at_body = middleware(lambda request: request.body)


@pytest.mark.parametrize("name", ["look_at_form", "look_at_body"])
@pytest.mark.parametrize(
    ("content_type", "body"), [(URLENCODED, b"a=1"), (CONTENT_TYPE, form(part("a", b"1"), part("f", b"2", "f")))]
)
def test_form_that_a_middleware_has_looked_at_is_read(read, settings, content_type, body, name):
    settings.MIDDLEWARE = [f"{__name__}.{name}", *settings.MIDDLEWARE]
    assert post(body, content_type).status_code == 207
    assert read[0]["fields"] == {"a": ["1"]}
    assert [content for *_, content in read[0]["files"]] == ([b"2"] if content_type == CONTENT_TYPE else [])


# Who may send them

FORMS = [(URLENCODED, lambda fields: urlencode(fields, doseq=True).encode())]
FORMS += [(CONTENT_TYPE, lambda fields: form(*(part(name, value.encode()) for name, value in fields.items())))]
FORMS += [("text/plain", lambda fields: b""), ("", lambda fields: b"")]
is_form = pytest.mark.parametrize(("content_type", "written"), FORMS, ids=[*"umtn"])
at_any_url = pytest.mark.parametrize("url", [URL, "/open/"])


def browser(login: str = "", **environ: str) -> Client:
    client = Client(enforce_csrf_checks=True, **environ)
    if login:
        client.login(username=login, password=f"{login}-secret")
        client.cookies["csrftoken"] = TOKEN
    return client


@at_any_url
@is_form
@pytest.mark.parametrize(
    ("fields", "environ"),
    [
        ({}, {}),
        ({"csrfmiddlewaretoken": OTHER_TOKEN}, {}),
        ({"csrfmiddlewaretoken": "no token"}, {}),
        ({}, {"HTTP_X_CSRFTOKEN": OTHER_TOKEN}),
        ({"csrfmiddlewaretoken": TOKEN}, {"HTTP_ORIGIN": "https://evil.example"}),
        ({}, {"HTTP_ORIGIN": "https://evil.example", "HTTP_X_CSRFTOKEN": TOKEN}),
        ({}, {"HTTP_AUTHORIZATION": "Token ada-token"}),
        ({}, {"HTTP_AUTHORIZATION": "Basic YWRhOmFkYS1zZWNyZXQ="}),
    ],
)
def test_form_with_a_session_needs_its_token(read, url, content_type, written, fields, environ):
    response = post(written(fields), content_type, url, browser("ada", **environ))
    assert (response.status_code, read == []) == (403, True) or (response.status_code, content_type) == (403, "")
    assert response.json()["detail"].startswith("CSRF Failed: ")


@is_form
@pytest.mark.parametrize(
    ("name", "status"), [("csrftoken", 403), ("sessionid", 403), ("jwt", 403), ("with a token", 207)]
)
def test_form_with_any_cookie_needs_its_token(content_type, written, name, status):
    client = browser(**({"HTTP_AUTHORIZATION": "Token ada-token"} if name == "with a token" else {}))
    client.cookies["jwt" if name == "with a token" else name] = TOKEN
    assert post(written({}), content_type, "/open/", client).status_code == status


@is_form
@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({}, 207),
        ({"HTTP_AUTHORIZATION": "Token ada-token"}, 207),
        ({"HTTP_AUTHORIZATION": "Basic YWRhOmFkYS1zZWNyZXQ="}, 207),
        ({"HTTP_ORIGIN": "http://testserver"}, 207),
        ({"HTTP_ORIGIN": "https://friend.example"}, 207),
        ({"HTTP_ORIGIN": "https://evil.example", "HTTP_AUTHORIZATION": "Token ada-token"}, 207),
        ({"HTTP_ORIGIN": "https://evil.example", "HTTP_AUTHORIZATION": "Basic YWRhOmFkYS1zZWNyZXQ="}, 403),
        ({"HTTP_ORIGIN": "https://evil.example"}, 403),
        ({"HTTP_ORIGIN": "null"}, 403),
    ],
)
def test_form_without_cookies_is_taken_unless_a_page_of_another_site_may_have_sent_it(
    settings, content_type, written, environ, status
):
    settings.CSRF_TRUSTED_ORIGINS = ["https://friend.example"]
    assert post(written({}), content_type, "/open/", browser(**environ)).status_code == status


@at_any_url
@is_form
def test_form_with_a_session_and_its_token_in_the_header_is_taken(url, content_type, written):
    assert post(written({}), content_type, url, browser("ada", HTTP_X_CSRFTOKEN=TOKEN)).status_code == 207


def test_client_of_tests_needs_no_token():
    client = Client()
    client.login(username="ada", password="ada-secret")
    assert post(form(), client=client, headers={"Origin": "https://evil.example"}).status_code == 207


@at_any_url
@pytest.mark.parametrize(("content_type", "written"), FORMS[:2], ids=["urlencoded", "multipart"])
def test_token_in_a_field_is_that_of_the_sub_requests(url, content_type, written):
    body = written({"csrfmiddlewaretoken": TOKEN, "send": "/unread/"})
    response = post(body, content_type, url, browser("ada"))
    assert response.json() == [{"status": 200, "response": TOKEN}]


def test_token_in_a_field_follows_a_cookie_that_is_renewed():
    client = browser("ada")
    fields = {"csrfmiddlewaretoken": TOKEN, "send": ["/unread/", "/unread/"]}
    response = post(urlencode(fields, doseq=True).encode(), URLENCODED, client=client)
    assert [each["response"] for each in response.json()] == [TOKEN, TOKEN]
