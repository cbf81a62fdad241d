"""From a sub-request to the request that the site would get if it were sent alone."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.test import AsyncRequestFactory, RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from django_batch.conf import DEFAULT_ALLOWED_HEADERS
from django_batch.core.batch import Subrequest
from django_batch.core.headers import NOISE
from django_batch.errors import BatchError, HeaderNotAllowed, Malformed, MethodNotAllowed, OutsideScriptPrefix
from django_batch.execution.requests.factory import Pairs, SubrequestFactory, absolute_url
from django_batch.requests import batch_of

SERVER = {
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "443",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SERVER_SOFTWARE": "a server",
    "REMOTE_ADDR": "203.0.113.9",
    "REMOTE_PORT": "40000",
    "REMOTE_USER": "ada",
    "SSL_CLIENT_S_DN": "CN=ada",
    "AUTH_TYPE": "Basic",
    "HTTPS": "on",
}
SENDER = {
    "HTTP_HOST": "localhost",
    "HTTP_ORIGIN": "https://localhost",
    "HTTP_REFERER": "https://localhost/",
    "HTTP_USER_AGENT": "a browser",
    "HTTP_ACCEPT_LANGUAGE": "de",
    "HTTP_AUTHORIZATION": "Token ada-token",
    "HTTP_X_FORWARDED_FOR": "203.0.113.9",
    "HTTP_X_CSRFTOKEN": "a" * 32,
    "HTTP_SEC_FETCH_SITE": "same-origin",
    "HTTP_TRACEPARENT": "00-1-2-01",
}
OF_THE_BATCH = {
    "CONTENT_TYPE": "application/json",
    "CONTENT_LENGTH": "1000",
    "QUERY_STRING": "page=2",
    "REQUEST_URI": "/batch/?page=2",
    "RAW_URI": "/batch/?page=2",
    "SCRIPT_URL": "/batch/",
    "REDIRECT_URL": "/batch/",
    "PATH_TRANSLATED": "/srv/batch/",
    "CSRF_COOKIE": "a" * 32,
    "CSRF_COOKIE_NEEDS_UPDATE": True,
    "GEOIP_COUNTRY_CODE": "DE",
    "wsgi.input_terminated": True,
    "gunicorn.socket": object(),
    "opentelemetry.span": object(),
    "HTTP_ACCEPT": "text/html",
    "HTTP_ACCEPT_ENCODING": "gzip",
    "HTTP_CONNECTION": "close",
    "HTTP_CONTENT_ENCODING": "gzip",
    "HTTP_CONTENT_LANGUAGE": "de",
    "HTTP_EXPECT": "100-continue",
    "HTTP_IDEMPOTENCY_KEY": "1",
    "HTTP_IF_MATCH": "*",
    "HTTP_IF_NONE_MATCH": "*",
    "HTTP_IF_MODIFIED_SINCE": "Mon, 01 Jan 2024 00:00:00 GMT",
    "HTTP_KEEP_ALIVE": "timeout=5",
    "HTTP_PREFER": "return=minimal",
    "HTTP_RANGE": "bytes=0-1",
    "HTTP_TE": "trailers",
    "HTTP_TRAILER": "X",
    "HTTP_TRANSFER_ENCODING": "chunked",
    "HTTP_UPGRADE": "h2c",
    "HTTP_X_HTTP_METHOD_OVERRIDE": "DELETE",
    "HTTP_X_HTTP_METHOD": "DELETE",
    "HTTP_X_METHOD_OVERRIDE": "DELETE",
    "HTTP_PROXY_CONNECTION": "close",
    "HTTP_HTTP2_SETTINGS": "x",
}


def parent(**environ: object) -> WSGIRequest:
    """The request that carries a batch, as a server makes it."""
    batch = {"REQUEST_METHOD": "POST", "PATH_INFO": "/batch/", "wsgi.url_scheme": "http", "wsgi.input": BytesIO()}
    return WSGIRequest({"SERVER_NAME": "testserver", "SERVER_PORT": "80", **batch, **environ})


def build(
    path: str = "/",
    *,
    method: str = "GET",
    body: bytes = b"",
    sent_by: Any = None,
    allowed: tuple[str, ...] = DEFAULT_ALLOWED_HEADERS,
    cookies: Pairs | None = None,
    **headers: str,
) -> WSGIRequest:
    """The sub-request that `sent_by` carries. Underscores in names of headers stand for hyphens."""
    factory = SubrequestFactory(sent_by or parent(), allowed_headers=allowed, methods=("GET", "POST"))
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return factory.build(Subrequest("0", method, path, pairs, body), cookies=cookies or ())


def test_environment_of_a_subrequest_is_what_the_server_says_of_its_sender():
    meta = build(sent_by=parent(**SERVER, **SENDER, **OF_THE_BATCH)).META
    assert {key: meta[key] for key in (*SERVER, *SENDER)} == {**SERVER, **SENDER}
    assert {*meta} - {*SERVER, *SENDER} == {
        *("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_LENGTH"),
        *("HTTP_ACCEPT", "wsgi.url_scheme", "wsgi.input", "wsgi.errors", "wsgi.version"),
    }
    assert meta["HTTP_ACCEPT"] == "application/json"
    assert (meta["REQUEST_METHOD"], meta["QUERY_STRING"], meta["CONTENT_LENGTH"]) == ("GET", "", "0")


def test_headers_that_connection_names_are_inherited():
    meta = build(sent_by=parent(HTTP_CONNECTION="X-Forwarded-For, Host, Authorization", **SENDER)).META
    assert {key: meta[key] for key in SENDER} == SENDER


def test_cookies_come_as_credentials_and_not_with_the_environment():
    request = parent(HTTP_COOKIE="a=1")
    assert build(sent_by=request).COOKIES == {}
    assert build(sent_by=request, cookies=(("HTTP_COOKIE", "a=2"),)).COOKIES == {"a": "2"}


def test_subrequests_of_one_factory_share_nothing_that_can_be_changed():
    factory = SubrequestFactory(parent(**SENDER), allowed_headers=(), methods=("GET",))
    first, second = (
        factory.build(Subrequest("0", "GET", "/?a=1"), cookies=(("HTTP_COOKIE", "a=1"),)) for _ in range(2)
    )
    first.META["REMOTE_USER"] = "staff"
    first.COOKIES["a"] = "2"
    first.GET._mutable = True
    first.GET["a"] = "2"
    first.content_params["charset"] = "utf-7"
    first.session = object()
    third = factory.build(Subrequest("2", "GET", "/?a=1"), cookies=(("HTTP_COOKIE", "a=1"),))
    for request in (second, third):
        assert "REMOTE_USER" not in request.META
        assert (request.COOKIES, request.GET.dict(), request.content_params) == ({"a": "1"}, {"a": "1"}, {})
        assert not hasattr(request, "session")


def test_noise_and_what_the_batch_says_too_is_left_out():
    sent_by = parent(HTTP_AUTHORIZATION="Token ada", HTTP_HOST="localhost")
    headers = [*((name.title(), "x\n") for name in NOISE), ("HOST", "localhost"), ("authorization", "Token ada")]
    request = SubrequestFactory(sent_by, allowed_headers=["Prefer", "Host"], methods=("GET",)).build(
        Subrequest("0", "GET", "/", (*headers, ("Prefer", "return=minimal"))), cookies=()
    )
    expected = {**build(sent_by=sent_by).META, "HTTP_PREFER": "return=minimal"}
    assert {key: value for key, value in request.META.items() if key != "wsgi.input"} == {
        key: value for key, value in expected.items() if key != "wsgi.input"
    }


def test_noise_that_a_site_lists_is_handed_on():
    assert build(allowed=("user-agent",), User_Agent="robot").META["HTTP_USER_AGENT"] == "robot"


@pytest.mark.parametrize(
    ("name", "what_to_do"),
    [
        ("MSCRMCallerID", "ask the site to add it to ALLOWED_HEADERS"),
        ("Company", "ask the site to add it to ALLOWED_HEADERS"),
        ("X-Goog-User-Project", "ask the site to add it to ALLOWED_HEADERS"),
        ("X-MS-Access-Tier", "ask the site to add it to ALLOWED_HEADERS"),
        ("Content-Encoding", "ask the site to add it to ALLOWED_HEADERS"),
        ("Authorization", "differs from that of the batch"),
        ("Host", "no setting allows it"),
        ("Transfer-Encoding", "no setting allows it"),
    ],
)
def test_header_that_changes_who_asks_or_what_is_refused_with_what_to_do(name, what_to_do):
    with pytest.raises(HeaderNotAllowed, match=what_to_do) as caught:
        build(sent_by=parent(HTTP_AUTHORIZATION="Token ada"), **{name.replace("-", "_"): "x"})
    assert repr(name) in caught.value.detail


def test_many_different_headers_are_each_those_of_their_own_subrequest():
    factory = SubrequestFactory(parent(), allowed_headers=["Accept"], methods=("GET",))
    for number in range(200):
        subrequest = Subrequest("0", "GET", "/", (("Accept", f"x/{number}"),))
        assert factory.build(subrequest, cookies=()).headers["Accept"] == f"x/{number}"


@given(
    prefix=st.sampled_from(["", "/shop", "/sh%C3%B6p", "/a/b"]),
    path=st.text("abcäß%20/.;:@&=+$,!~*'()\u2028", max_size=20).map(lambda text: "/" + text),
    query=st.text("abcä=&%20+;/?", max_size=20),
    content_type=st.sampled_from([None, "", "text/plain", "text/plain; charset=latin-1", 'x/y; a="b; c"', "x"]),
    body=st.binary(max_size=20),
)
def test_subrequest_is_the_request_that_a_server_would_make(prefix, path, query, content_type, body):
    headers = {} if content_type is None else {"Content_Type": content_type}
    prefix_sent = unquote_to_bytes(prefix).decode("latin-1")
    found = build(
        f"{prefix}{path}?{query}", method="POST", body=body, sent_by=parent(SCRIPT_NAME=prefix_sent), **headers
    )
    expected = parent(
        SCRIPT_NAME=prefix_sent,
        PATH_INFO=unquote_to_bytes(path).decode("latin-1"),
        QUERY_STRING=query.encode().decode("latin-1"),
        CONTENT_LENGTH=str(len(body)),
        HTTP_ACCEPT="application/json",
        **({} if content_type is None else {"CONTENT_TYPE": content_type}),
        **{"wsgi.input": BytesIO(body)},
    )
    read = ("content_type", "content_params", "encoding", "GET", "body", "headers", "COOKIES")
    for name in ("method", "path", "path_info", *read):
        assert getattr(found, name) == getattr(expected, name), name
    assert found.get_host() == expected.get_host()
    assert vars(found.GET) == vars(expected.GET)
    assert vars(found.headers) == vars(expected.headers)
    assert {*vars(found)} - {"batch"} == {*vars(expected)}
    for key in ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_LENGTH", "CONTENT_TYPE"):
        assert found.META.get(key) == expected.META.get(key), key


@pytest.mark.parametrize(
    ("headers", "body", "content_type"),
    [
        ({}, b"", None),
        ({"Content_Type": "text/plain"}, b"", "text/plain"),
        ({"Content_Type": "text/plain"}, b"x", "text/plain"),
        ({}, b"x", None),
    ],
)
def test_content_type_is_there_only_if_the_item_names_one(headers, body, content_type):
    request = build(method="POST", body=body, **headers)
    assert request.META.get("CONTENT_TYPE") == content_type
    assert request.META["CONTENT_LENGTH"] == str(len(body))


PREFIXES = [
    # script name, path of the item, path info
    ("", "/x/", "/x/"),
    ("/", "/x/", "/x/"),
    ("/shop", "/shop/x/", "/x/"),
    ("/shop/", "/shop/x/", "/x/"),
    ("/shop", "/sh%6Fp/x/", "/x/"),
    ("/shop", "/shop", "/"),
    ("/shop", "/shop?a=1", "/"),
    ("/shop", "/shop//x/", "//x/"),
    ("/a b", "/a%20b/x/", "/x/"),
]


@pytest.mark.parametrize(("script_name", "path", "path_info"), PREFIXES)
def test_path_behind_the_script_prefix_is_the_path_info(script_name, path, path_info):
    assert build(path, sent_by=parent(SCRIPT_NAME=script_name)).path_info == path_info


@pytest.mark.parametrize(("script_name", "path", "path_info"), PREFIXES)
def test_forced_script_name_is_a_prefix_too(script_name, path, path_info):
    with override_settings(FORCE_SCRIPT_NAME=script_name):
        assert build(path, sent_by=parent()).path_info == path_info


@pytest.mark.parametrize("path", ["/x/", "/", "/shopping/", "/Shop/", "/x/shop/", "/shop%2e/x/"])
def test_path_outside_of_the_script_prefix_is_not_found(path):
    with pytest.raises(OutsideScriptPrefix) as caught:
        build(path, sent_by=parent(SCRIPT_NAME="/shop"))
    assert caught.value.status == 404
    assert repr(path) in caught.value.detail


def test_method_that_is_not_listed_is_refused_with_those_that_are():
    with pytest.raises(MethodNotAllowed) as caught:
        build(method="DELETE")
    assert caught.value.headers == {"Allow": "GET, POST"}
    assert caught.value.pointer.endswith("/method")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("x", "x"),
        (" x\t", "x"),
        ("", ""),
        ("a\tb", "a\tb"),
        ("ä", "ä".encode().decode("latin-1")),
        ("x" * 8192, "x" * 8192),
    ],
)
def test_header_of_an_item_arrives_as_from_a_server(value, found):
    assert build(Accept=value).META["HTTP_ACCEPT"] == found


@pytest.mark.parametrize(
    ("name", "key"), [("Content-Type", "CONTENT_TYPE"), ("accept", "HTTP_ACCEPT"), ("IF-MATCH", "HTTP_IF_MATCH")]
)
def test_header_is_known_in_any_letter_case(name, key):
    assert build(**{name: "x/y"}).META[key] == "x/y"


def test_header_of_an_item_outranks_what_is_inherited():
    sent_by = parent(HTTP_ACCEPT_LANGUAGE="de", HTTP_X_CSRFTOKEN="a")
    meta = build(sent_by=sent_by, cookies=(("HTTP_X_CSRFTOKEN", "b"),), Accept_Language="en", X_CSRFToken="c").META
    assert (meta["HTTP_ACCEPT_LANGUAGE"], meta["HTTP_X_CSRFTOKEN"]) == ("en", "c")


def test_header_that_is_not_allowed_is_named_and_pointed_to():
    with pytest.raises(HeaderNotAllowed, match="'X/Y~Z'") as caught:
        build(**{"X/Y~Z": "1"})
    assert caught.value.pointer.endswith("/headers/X~1Y~0Z")


def test_header_longer_than_servers_take_is_refused():
    with pytest.raises(HeaderNotAllowed):
        build(Accept="x" * 8193)


@pytest.mark.parametrize("sent", ["Token ada-token", None])
@pytest.mark.parametrize("value", ["Token ben-token", "Token ada-token2", "token ada-token", ""])
def test_authorization_other_than_that_of_the_batch_is_refused(sent, value):
    sent_by = parent() if sent is None else parent(HTTP_AUTHORIZATION=sent)
    with pytest.raises(HeaderNotAllowed):
        build(sent_by=sent_by, Authorization=value)


def test_authorization_of_the_batch_can_be_repeated():
    meta = build(sent_by=parent(HTTP_AUTHORIZATION="Token ada-token"), Authorization="Token ada-token").META
    assert meta["HTTP_AUTHORIZATION"] == "Token ada-token"


def test_authorization_that_a_site_lists_can_differ():
    meta = build(
        sent_by=parent(HTTP_AUTHORIZATION="Token ada-token"), allowed=("authorization",), Authorization="x"
    ).META
    assert meta["HTTP_AUTHORIZATION"] == "x"


@pytest.mark.parametrize("content_type", ["x/y; charset*=utf-9''x", "x/y; a*0*=x''\ud800"])
def test_request_that_django_cannot_read_is_refused(content_type):
    with pytest.raises(BatchError) as caught:
        build(Content_Type=content_type)
    assert type(caught.value) is Malformed


SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/shop/batch/",
    "root_path": "/shop",
    "scheme": "https",
    "query_string": b"page=2",
    "headers": [(b"host", b"localhost"), (b"cookie", b"a=1"), (b"content-type", b"application/json")],
    "client": ("203.0.113.9", 40000),
    "server": ("localhost", 443),
}
HANDED_DOWN = {"_force_auth_user": object(), "_force_auth_token": object(), "_dont_enforce_csrf_checks": True}


@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
def test_what_a_test_client_sets_is_handed_down(factory):
    sent_by = factory().post("/batch/")
    vars(sent_by).update(HANDED_DOWN, user="staff")
    found = vars(build(sent_by=sent_by))
    assert {name: found[name] for name in HANDED_DOWN} == HANDED_DOWN
    assert "user" not in found


@pytest.mark.parametrize("sent_by", [parent(), ASGIRequest(SCOPE, BytesIO())], ids=["WSGI", "ASGI"])
def test_what_a_middleware_sets_of_the_same_name_is_not(sent_by):
    vars(sent_by).update(HANDED_DOWN)
    assert not HANDED_DOWN.keys() & vars(build("/shop/x/", sent_by=sent_by))


def test_url_of_a_batch_is_absolute():
    assert absolute_url(RequestFactory().post("/batch/?x=1")) == "http://testserver/batch/"


@override_settings(ALLOWED_HOSTS=["shop.example"])
def test_host_that_no_middleware_minds_ends_no_batch_in_progress():
    sent_by = RequestFactory(headers={"Host": "[evil"}).post("/batch/")
    assert absolute_url(sent_by) == "http://testserver/batch/"


def test_request_tells_which_subrequest_it_is_and_of_which_batch():
    sent_by = parent()
    batch = batch_of(build("/x/", sent_by=sent_by))
    assert (batch.request, batch.subrequest.path, batch.can_roll_back) == (sent_by, "/x/", False)


def test_asgi_parent_gives_its_scheme_host_and_client():
    request = build("/shop/x/?y=1", sent_by=ASGIRequest(SCOPE, BytesIO()))
    assert request.build_absolute_uri() == "https://localhost/shop/x/?y=1"
    assert (request.is_secure(), request.META["REMOTE_ADDR"], request.path_info) == (True, "203.0.113.9", "/x/")
    assert "CONTENT_TYPE" not in request.META


def test_scope_is_that_of_the_request_alone():
    headers = {"If_Match": "é", "Content_Type": "text/plain"}
    request = build("/shop/%C3%A9/?y=%20ü", sent_by=ASGIRequest(SCOPE, BytesIO()), method="GET", body=b"xy", **headers)
    expected = {"path": "/shop/é/", "raw_path": b"/shop/%C3%A9/", "query_string": "y=%20ü".encode(), "method": "GET"}
    assert isinstance(request, ASGIRequest)
    assert {**request.scope, "headers": None} == {**SCOPE, **expected, "headers": None}
    assert {*request.scope["headers"]} == {
        *((b"host", b"localhost"), (b"accept", b"application/json"), (b"if-match", "é".encode())),
        *((b"content-type", b"text/plain"), (b"content-length", b"2")),
    }
    alone = ASGIRequest(request.scope, BytesIO(b"xy"))
    for name in ("method", "path", "path_info", "content_type", "GET", "headers", "body", "scheme"):
        assert getattr(alone, name) == getattr(request, name), name


def test_request_is_of_asgis_kind_only_under_asgi():
    assert not isinstance(build(), ASGIRequest)
    assert not hasattr(build(), "scope")


with_and_without_cookies = pytest.mark.parametrize("cookies", [(), (("HTTP_COOKIE", "a=1"),)], ids=["none", "cookies"])


@with_and_without_cookies
@pytest.mark.parametrize("name", ["session", "_cached_user"])
def test_what_a_middleware_sets_is_an_attribute_like_any_other(name, cookies):
    request = build(cookies=cookies)
    request.session = SessionStore()
    assert not hasattr(request, "_cached_user")
    value = object()
    setattr(request, name, value)
    assert (getattr(request, name), vars(request)[name]) == (value, value)
    delattr(request, name)
    assert name not in vars(request)


@with_and_without_cookies
def test_what_no_middleware_has_set_is_missing(cookies):
    with pytest.raises(AttributeError, match="session"):
        build(cookies=cookies).session  # noqa: B018
    assert not hasattr(build(), "_cached_user")
