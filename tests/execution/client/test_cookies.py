"""The cookies of one client, as RFC 6265 has them: which are sent where, and what becomes of those that are set."""

from __future__ import annotations

import pytest
from django.http import HttpResponse

from django_batch.core.batch import Subrequest, Subresponse
from django_batch.execution.client.cookies import Cookies, set_cookies, with_path

URL = "http://testserver/batch/"


def morsels(*cookies, at="/"):
    """What a response of the URL `at` sets. Each of `cookies` are arguments of `set_cookie`."""
    response = HttpResponse()
    for name, value, *options in cookies:
        response.set_cookie(name, value, **{"path": None, **(options[0] if options else {})})
    return [with_path(morsel, at) for morsel in response.cookies.values()]


CONVERSATIONS = [
    # sent with the batch, then set where, then sent where
    ("", [], {"/": ""}),
    ("a=1; b=2", [], {"/": "a=1; b=2", "/x/": "a=1; b=2"}),
    ('a="1;2"; =x; b', [], {"/": 'a="1;2"; =x; b'}),
    ("", [("/", ("a", "1"))], {"/": "a=1", "/x/y": "a=1"}),
    ("a=1", [("/", ("a", "2"))], {"/": "a=2"}),
    ("a=1; b=1", [("/", ("a", "2"))], {"/": "a=2; b=1"}),
    (" a = 1 ;b=1", [("/", ("a", "2"))], {"/": "a=2; b=1"}),
    ("a=1", [("/", ("a", "2")), ("/", ("a", "3"))], {"/": "a=3"}),
    # paths (§5.1.4): the default is the directory of the URL, and a part of a name is no directory
    ("", [("/x/y", ("a", "1"))], {"/": "", "/x": "a=1", "/x/": "a=1", "/x/y/z": "a=1", "/xy": "", "/X/": ""}),
    ("", [("/x/y/", ("a", "1"))], {"/x/": "", "/x/y": "a=1", "/x/y/": "a=1", "/x/y?b": "a=1"}),
    ("", [("/x", ("a", "1"))], {"/": "a=1"}),
    ("", [("/x/", ("a", "1", {"path": "/y/"}))], {"/x/": "", "/y/": "a=1"}),
    ("", [("/x/", ("a", "1", {"path": "y"}))], {"/x/": "a=1"}),
    ("", [("/x/", ("a", "1")), ("/", ("a", "2"))], {"/": "a=2", "/x/": "a=1; a=2"}),
    # one that was sent is replaced only by one that would have been sent with it, too
    ("a=1", [("/x/", ("a", "2"))], {"/": "a=1", "/x/": "a=2; a=1"}),
    ("a=1", [("/batch/x", ("a", "2"))], {"/batch/": "a=2", "/": ""}),
    ("a=1", [("/x/", ("a", "2", {"path": "/batch"}))], {"/batch/": "a=2", "/batch": "a=2", "/": ""}),
    ("a=1", [("/x/", ("a", "2", {"path": "/bat"}))], {"/": "a=1", "/batch/": "a=1", "/bat/x": "a=2; a=1"}),
    # expiry
    ("a=1", [("/", ("a", "", {"max_age": 0}))], {"/": ""}),
    ("a=1; b=1", [("/", ("a", "", {"expires": "Thu, 01 Jan 1970 00:00:00 GMT"}))], {"/": "b=1"}),
    ("a=1; b=1", [("/", ("a", "", {"max_age": 0})), ("/", ("c", "1")), ("/", ("a", "2"))], {"/": "b=1; c=1; a=2"}),
    ("a=1; b=1; a=3", [("/", ("a", "2")), ("/", ("a", "", {"max_age": 0}))], {"/": "b=1"}),
    ("a=1", [("/x/", ("a", "", {"max_age": 0}))], {"/": "a=1"}),
    ("", [("/", ("a", "1", {"max_age": 60}))], {"/": "a=1"}),
    ("", [("/", ("a", "1")), ("/", ("a", "", {"max_age": 0}))], {"/": ""}),
    ("", [("/", ("a", "1")), ("/x/", ("a", "", {"max_age": 0}))], {"/x/": "a=1"}),
    # values are not read, and come back as they were set
    ("", [("/", ("a", 'x"; Path=/y, z'))], {"/": r'a="x\"\073 Path=/y\054 z"'}),
    ("", [("/", ("a", ""))], {"/": 'a=""'}),
    # other attributes
    ("", [("/", ("a", "1", {"secure": True}))], {"/": "a=1"}),
    ("", [("/", ("a", "1", {"httponly": True, "samesite": "Strict"}))], {"/": "a=1"}),
    ("a=1", [("/", ("a", "2", {"domain": "evil.example"}))], {"/": "a=1"}),
]


@pytest.mark.parametrize(("sent", "told", "expected"), CONVERSATIONS)
def test_cookies_are_sent_as_by_a_browser(sent, told, expected):
    cookies = Cookies(sent, lambda: URL)
    for at, cookie in told:
        cookies.take(morsels(cookie, at=at))
    assert {path: cookies.header(path) for path in expected} == expected


@pytest.mark.parametrize(
    ("url", "domain", "expected"),
    [
        ("http://www.shop.example/batch/", "shop.example", "a=1"),
        ("http://www.shop.example/batch/", ".shop.example", "a=1"),
        ("http://www.shop.example/batch/", "www.shop.example", "a=1"),
        ("http://www.shop.example/batch/", "api.shop.example", ""),
        ("http://www.shop.example/batch/", "example", ""),
        ("http://shop.example/batch/", "www.shop.example", ""),
        ("http://localhost:8000/batch/", "localhost", "a=1"),
        ("http://localhost:8000/batch/", ".LocalHost", "a=1"),
        ("http://127.0.0.1:8000/batch/", "127.0.0.1", "a=1"),
        ("http://127.0.0.1:8000/batch/", None, "a=1"),
        ("http://localhost:8000/batch/", None, "a=1"),
        ("http://[::1]:8000/batch/", None, "a=1"),
    ],
)
def test_cookie_of_a_domain_is_sent_if_the_host_is_in_it(url, domain, expected):
    cookies = Cookies("", lambda: url)
    cookies.take(morsels(("a", "1", {"domain": domain})))
    assert cookies.header("/") == expected


@pytest.mark.parametrize(
    ("host", "domain", "expected"),
    [
        ("www.shop.example", "shop.example", ""),
        ("localhost", "localhost", ""),
        ("shop.example", "www.shop.example", "a=1"),
        ("www.shop.example", "op.example", "a=1"),
    ],
)
def test_cookie_is_deleted_only_where_it_could_be_set(host, domain, expected):
    cookies = Cookies("a=1", lambda: f"http://{host}/batch/")
    cookies.take(morsels(("a", "", {"domain": domain, "max_age": 0})))
    assert cookies.header("/") == expected


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_secure_cookie_is_kept_where_django_sees_http_behind_a_proxy(scheme):
    cookies = Cookies("a=1; b=1", lambda: f"{scheme}://testserver/batch/")
    cookies.take(morsels(("a", "2", {"secure": True}), ("c", "2", {"secure": True})))
    assert cookies.header("/") == "a=2; b=1; c=2"


def test_copy_knows_all_and_keeps_what_it_is_told_to_itself():
    cookies = Cookies("a=1; b=1", lambda: URL)
    cookies.take(morsels(("a", "2"), ("c", "2")))
    copy = cookies.copy()
    copy.take(morsels(("b", "3"), ("c", "", {"max_age": 0}), ("d", "3")))
    assert cookies.header("/") == "a=2; b=1; c=2"
    assert copy.header("/") == "a=2; b=3; d=3"


def answer(*cookies, at="/"):
    return Subresponse(Subrequest("0", "GET", at), 200, cookies=tuple(morsels(*cookies, at=at)))


def test_last_cookie_of_a_name_is_set_with_its_attributes():
    response = HttpResponse()
    options = {"httponly": True, "samesite": "Strict", "secure": True}
    set_cookies(response, [answer(("a", "1"), ("b", "1"), at="/x/"), answer(("a", "2", options), at="/x/")])
    assert {name: morsel.value for name, morsel in response.cookies.items()} == {"a": "2", "b": "1"}
    assert {key: response.cookies["a"][key] for key in options} == options
    assert response.cookies["a"]["path"] == "/x"


def test_cookies_of_one_name_for_two_paths_are_both_set():
    response = HttpResponse()
    set_cookies(response, [answer(("a", "1"), at="/x/"), answer(("a", "2"), at="/y/"), answer(("a", "3"), at="/x/")])
    assert [morsel.OutputString() for morsel in response.cookies.values()] == ["a=2; Path=/y", "a=3; Path=/x"]


DEFAULT_PATHS = [
    ("/", "/"),
    ("/x", "/"),
    ("/x/", "/x"),
    ("/x/y?z=/w/", "/x"),
    ("/x;y/", "/x%3By"),
    ("/x,y/", "/x%2Cy"),
    ('/x"y/', "/x%22y"),
    ("/é/", "/%C3%A9"),
    ("/%3B Domain=evil.example/", "/%3B%20Domain=evil.example"),
    ("/; Domain=evil.example; HttpOnly/x", "/%3B%20Domain=evil.example%3B%20HttpOnly"),
    ("/a/$&'()*+:=@~!/", "/a/$&'()*+:=@~!"),
]


@pytest.mark.parametrize(("path", "default"), DEFAULT_PATHS)
def test_cookie_without_a_path_gets_that_of_its_url_and_nothing_else(path, default):
    (morsel,) = morsels(("a", "1"), at=path)
    assert morsel.OutputString() == f"a=1; Path={default}"


def test_cookie_with_a_path_keeps_it():
    (morsel,) = morsels(("a", "1", {"path": "/y/"}), at="/x/")
    assert morsel["path"] == "/y/"
