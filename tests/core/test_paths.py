"""Which URLs a sub-request may have."""

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_batch.core.paths import local_path, with_encoded_query
from django_batch.errors import Malformed

BASE = "https://shop.example/batch/"
# url -> the path and query that a sub-request gets
TAKEN = {
    "/": "/",
    "/?": "/?",
    "/api/books/?page_size=5": "/api/books/?page_size=5",
    "/a%2Fb%20c%": "/a%2Fb%20c%",
    "/a//b/../c": "/a//b/../c",
    "/books/?next=//evil.example": "/books/?next=//evil.example",
    "/books/?q=a b&r=\\": "/books/?q=a%20b&r=\\",
    '/books/?q=["a"]|{b}^`<c>': '/books/?q=["a"]|{b}^`<c>',
    "https://shop.example/a?q=a b\\": "/a?q=a%20b\\",
    "/bücher/?q=größe": "/bücher/?q=größe",
    "https://shop.example/api/": "/api/",
    "https://shop.example": "/",
    "https://shop.example?page=2": "/?page=2",
    "https://shop.example/a?b=/c": "/a?b=/c",
    "HTTPS://Shop.Example/api/": "/api/",
    "https://shop.example:443/api/": "/api/",
}
ELSEWHERE = [
    "",
    "api/books/",
    "?page=2",
    "//evil.example/x",
    "https://evil.example/x",
    "http://shop.example/x",
    "https://shop.example:8443/x",
    "https://shop.example:/x",
    "https://ada:secret@shop.example/x",
    "https://shop.example@evil.example/x",
    "https://shop.example.evil.example/x",
    "https://shop.example//evil.example/x",
    "https://shop.example:port/x",
    "https://shop.example:99999/x",
    "https://[shop.example/x",
    "https:///x",
    "https:/shop.example/x",
    "ftp://shop.example/x",
    "javascript:alert(1)",
]
UNSENDABLE = [
    "/\\evil.example",
    "/a b",
    " /a",
    "/a\n",
    "/a\r\nHost: evil.example",
    "/a\tb",
    "/a\x00",
    "/\x7f",
    "/a?b=\n",
    "/a?b=\x00",
]
# The pieces that URLs are made of, with some that have confused URL parsers before.
HOSTS = ["shop.example", "evil.example", "https:", "http:", "443"]
PIECES = st.sampled_from([*HOSTS, *"/\\?#@:[]%a \t\n\u2028\uff0f\U0001f600", "//", "%2F", ".."])


@pytest.mark.parametrize(("url", "path"), TAKEN.items())
def test_url_on_this_host_gives_its_path_and_query(url, path):
    assert local_path(url, base=BASE) == path


@pytest.mark.parametrize("url", [*ELSEWHERE, *UNSENDABLE])
def test_any_other_url_is_refused(url):
    with pytest.raises(Malformed):
        local_path(url, base=BASE)


@pytest.mark.parametrize("url", UNSENDABLE)
def test_character_that_no_client_sends_is_named(url):
    with pytest.raises(Malformed, match="must be percent-encoded"):
        local_path(url, base=BASE)


@pytest.mark.parametrize("url", ["/a#b", "/a?b#c", "/#"])
def test_fragment_is_refused_by_its_name(url):
    with pytest.raises(Malformed, match="has a fragment, which is never sent to a server"):
        local_path(url, base=BASE)


@pytest.mark.parametrize("url", ["https://evil.example/x", "api/books/"])
def test_url_that_leads_elsewhere_is_told_where_the_batch_is(url):
    with pytest.raises(Malformed, match=re.escape("https://shop.example/")):
        local_path(url, base=BASE)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://shop.example/batch/", "http://shop.example:80/x"),
        ("http://shop.example:80/batch/", "http://shop.example/x"),
        ("http://[::1]:8000/batch/", "http://[::1]:8000/x"),
        ("http://shop.example:8000/batch/", "http://SHOP.example:8000/x"),
    ],
)
def test_same_origin_in_another_spelling_is_this_host(base, url):
    assert local_path(url, base=base) == "/x"


@pytest.mark.parametrize("url", ["http://[::1]/x", "http://shop.example/x", "https://shop.example:8000/x"])
def test_other_port_or_scheme_is_another_host(url):
    with pytest.raises(Malformed):
        local_path(url, base="http://shop.example:8000/batch/")


@pytest.mark.parametrize("url", ["/" + "a" * 2**14, "https://shop.example/" + "a" * 2**14])
def test_url_longer_than_servers_take_is_refused(url):
    with pytest.raises(Malformed, match="At most 16384"):
        local_path(url, base=BASE)


@given(st.one_of(st.text(), st.lists(PIECES).map("".join), st.lists(PIECES).map(lambda each: "/" + "".join(each))))
def test_whatever_is_taken_stays_on_this_host(url):
    try:
        path = local_path(url, base=BASE)
    except Malformed:
        return
    assert path.startswith("/")
    before, mark, query = url.partition("?")
    assert (before + mark + query.replace(" ", "%20")).endswith(path.removeprefix("/"))
    assert urlsplit(path).netloc == ""
    assert urlsplit("https://shop.example" + path).netloc == "shop.example"


@pytest.mark.parametrize(
    ("url", "encoded"),
    [
        ("/a#b\\ c", "/a#b\\ c"),
        ("/a b?q=C# or \\x", "/a b?q=C%23%20or%20%5Cx"),
        ("http://h/?a=b?c", "http://h/?a=b?c"),
        ("/?a=%23", "/?a=%23"),
    ],
)
def test_query_is_encoded_where_a_client_has_not_done_it(url, encoded):
    assert with_encoded_query(url) == encoded
