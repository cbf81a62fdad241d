"""Sub-requests are Django's own requests: of the same class, with the same attributes, and not copies of each other."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import LimitedStream, WSGIRequest
from django.test import override_settings
from django.urls import clear_script_prefix
from hypothesis import given
from hypothesis import strategies as st

from django_batch.core.batch import Subrequest
from django_batch.execution.requests.factory import SubrequestFactory

HEADERS = ("Accept", "Accept-Language", "Content-Type", "If-Match", "X-CSRFToken")
COOKIES = [(), (("HTTP_COOKIE", "a=1; b=2"),), (("HTTP_COOKIE", "a=1"), ("HTTP_X_CSRFTOKEN", "x" * 32))]
CONTENT_TYPES = [
    *("", "x", "text/plain", "text/plain; charset=latin-1", 'x/y; a="b; c"'),
    *("application/json; charset=utf-16", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
]
HEADER_VALUES = st.text("abcäß, /*\t", max_size=10)
headers = st.dictionaries(st.sampled_from(HEADERS), HEADER_VALUES, max_size=3).flatmap(
    lambda drawn: st.sampled_from([None, *CONTENT_TYPES]).map(
        lambda kind: drawn if kind is None else {**drawn, "Content-Type": kind}
    )
)
items = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "HEAD", "POST", "DELETE"]),
        "path": st.text("abcäß%20/.;:@&=+$,!~*'()\u2028", max_size=20).map(lambda text: "/" + text),
        "query": st.sampled_from(["", "?"]).flatmap(
            lambda mark: st.text("abcä=&%20+;/?", max_size=20).map(mark.__add__)
        ),
        "headers": headers,
        "cookies": st.sampled_from(COOKIES),
        "body": st.binary(max_size=20),
    }
)
PREFIXES = st.sampled_from(["", "/shop", "/sh%C3%B6p", "/a/b"])


def wsgi_parent(prefix: str = "", **environ: Any) -> WSGIRequest:
    script_name = prefix.replace("%C3%B6", "Ã¶")
    return WSGIRequest(
        {
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": "203.0.113.9",
            "HTTP_HOST": "localhost",
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": script_name,
            "PATH_INFO": "/batch/",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(),
            **environ,
        }
    )


def asgi_parent(prefix: str = "") -> ASGIRequest:
    root_path = prefix.replace("%C3%B6", "ö")
    return ASGIRequest(
        {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "https",
            "path": f"{root_path}/batch/",
            "root_path": root_path,
            "query_string": b"page=2",
            "headers": [(b"host", b"localhost"), (b"x-forwarded-for", b"1.2.3.4"), (b"x-forwarded-for", b"5.6.7.8")],
            "client": ("203.0.113.9", 40000),
            "server": ("localhost", 443),
        },
        BytesIO(),
    )


def build(parent: Any, item: dict[str, Any], prefix: str = "", factory: SubrequestFactory | None = None) -> Any:
    factory = factory or SubrequestFactory(parent, allowed_headers=HEADERS, methods=("GET", "HEAD", "POST", "DELETE"))
    path = f"{prefix}{item['path']}{item['query']}"
    sent = tuple((name, value.replace("\t", " ")) for name, value in item["headers"].items())
    return factory.build(Subrequest("0", item["method"], path, sent, item["body"]), cookies=item["cookies"])


def fields(request: Any) -> dict[str, Any]:
    """All attributes, in a form that can be compared. What holds a stream is told by what the stream holds."""
    found = {name: value for name, value in vars(request).items() if name not in ("batch", "_stream")}
    for name in ("environ", "META"):
        if name in found:
            found[name] = {key: value for key, value in found[name].items() if key != "wsgi.input"}
    return found


@given(prefix=PREFIXES, item=items)
def test_every_attribute_under_wsgi_is_that_of_djangos_own_request(prefix, item):
    found = build(wsgi_parent(prefix), item, prefix)
    assert type(found) is WSGIRequest
    # Django has decoded these two in the environ itself.
    sent = {key: found.environ[key].encode().decode("latin-1") for key in ("SCRIPT_NAME", "PATH_INFO")}
    expected = WSGIRequest({**found.environ, **sent, "wsgi.input": BytesIO(item["body"])})
    assert fields(found) == fields(expected)
    assert found.META is found.environ
    assert type(found._stream) is LimitedStream
    assert_read_alike(found, expected)


@given(prefix=PREFIXES, item=items)
def test_every_attribute_under_asgi_is_that_of_djangos_own_request(prefix, item):
    found = build(asgi_parent(prefix), item, prefix)
    assert type(found) is ASGIRequest
    expected = ASGIRequest(found.scope, BytesIO(item["body"]))
    assert fields(found) == fields(expected)
    assert_read_alike(found, expected)


def assert_read_alike(found: Any, expected: Any) -> None:
    """What Django computes late is the same, and leaves the same attributes behind."""
    for name in ("headers", "GET", "COOKIES", "scheme", "encoding", "body"):
        assert getattr(found, name) == getattr(expected, name), name
    assert found.build_absolute_uri() == expected.build_absolute_uri()
    assert found.get_full_path() == expected.get_full_path()
    assert repr(found) == repr(expected)
    assert vars(found).keys() - {"batch"} == vars(expected).keys()


PLAIN = {"method": "GET", "path": "/x/", "query": "", "headers": {}, "cookies": (), "body": b""}


@pytest.mark.parametrize("make", [wsgi_parent, asgi_parent])
def test_what_django_computes_late_stays_uncomputed(make):
    late = {"headers", "GET", "COOKIES", "_body", "_post", "_files", "_messages", "accepted_types", "session", "user"}
    assert not late & vars(build(make(), PLAIN)).keys()


@pytest.mark.parametrize("make", [wsgi_parent, asgi_parent])
def test_requests_of_one_template_share_nothing_that_can_be_changed(make):
    parent = make()
    factory = SubrequestFactory(parent, allowed_headers=HEADERS, methods=("GET",))
    item = {**PLAIN, "headers": {"Content-Type": "text/plain; a=b"}, "cookies": COOKIES[1]}
    first, second = (build(parent, item, factory=factory) for _ in range(2))
    expected = fields(second)
    first.META["REMOTE_USER"] = first.content_params["a"] = first.COOKIES["a"] = "changed"
    first.resolver_match = object()
    assert fields(second) == expected
    for name, value in vars(first).items():
        other = vars(second).get(name)
        assert not isinstance(value, dict) or value is not other, name


@pytest.mark.parametrize("make", [wsgi_parent, asgi_parent])
def test_forced_script_name_is_that_of_a_request_alone(make):
    try:
        with override_settings(FORCE_SCRIPT_NAME="/shop"):
            found = build(make(), PLAIN, "/shop")
            assert (found.path, found.path_info) == ("/shop/x/", "/x/")
            alone = WSGIRequest(found.environ) if make is wsgi_parent else ASGIRequest(found.scope, BytesIO())
            assert fields(found) == fields(alone)
    finally:
        clear_script_prefix()


def test_header_that_came_twice_under_asgi_is_one_for_the_subrequest():
    found = build(asgi_parent(), PLAIN)
    assert found.headers["X-Forwarded-For"] == "1.2.3.4,5.6.7.8"
    assert [value for name, value in found.scope["headers"] if name == b"x-forwarded-for"] == [b"1.2.3.4,5.6.7.8"]
