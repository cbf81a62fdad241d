"""Requests and answers as `application/http`, as their senders write them and as strict readers want them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_batch.core.paths import local_path
from django_batch.dialects.shared.http_messages import MessageReader, answer_head
from django_batch.errors import Malformed
from tests.parts import answer, message, part

BASE = "http://testserver/service/$batch"
HTTP = "Content-Type: application/http\r\n"
JSON = ("content-type", "application/json")
# a part -> the Content-ID, method, URL, headers and body of its request
MESSAGES = {
    f"{HTTP}\r\nGET / HTTP/1.1\r\n\r\n": ("", "GET", "/", (), b""),
    f"{HTTP}\r\nGET / HTTP/1.1": ("", "GET", "/", (), b""),
    f"{HTTP}\r\nGET / HTTP/1.1\r\n\r\n\r\n": ("", "GET", "/", (), b""),
    f"{HTTP}\r\nGET /": ("", "GET", "/", (), b""),
    "Content-Type:application/http\nContent-ID:0.0\n\nget /x\n\n": ("0.0", "GET", "/x", (), b""),
    f"{HTTP}\r\nGET /?$filter=a eq 'b  c' HTTP/1.1\r\n\r\n": ("", "GET", "/?$filter=a eq 'b  c'", (), b""),
    f"{HTTP}\r\nGET /?$filter=a eq b \r\n\r\n": ("", "GET", "/?$filter=a eq b", (), b""),
    f"{HTTP}\r\nGET  /ü  HTTP/2 \t\r\n\r\n": ("", "GET", "/ü", (), b""),
    f"{HTTP}\r\n\r\n\r\nGET / HTTP/1.0\r\nA: b\r\n\r\n": ("", "GET", "/", (("a", "b"),), b""),
    f"\r\n\r\n{HTTP}content-id : <u + 1> \r\nUser-Agent: y\r\n\r\nGET / HTTP/1.1\r\n\r\n": (
        "<u + 1>",
        "GET",
        "/",
        (),
        b"",
    ),
    "Content-Id: <u\r\n + 1>\r\nContent-Type: application/http;\r\n msgtype=request\r\n\r\nGET / HTTP/1.1\r\n\r\n": (
        "<u + 1>",
        "GET",
        "/",
        (),
        b"",
    ),
    "\r\nGET / HTTP/1.1\r\n\r\n": ("", "GET", "/", (), b""),
    "GET http://testserver/ HTTP/1.1\r\nHost: testserver\r\n\r\n": ("", "GET", "http://testserver/", (), b""),
    f"{HTTP}Content-Transfer-Encoding: 8BIT\r\n\r\nPOST Items HTTP/1.1\r\n\r\n{{}}": (
        "",
        "POST",
        "Items",
        (JSON,),
        b"{}",
    ),
    f"{HTTP}\r\nPOST / HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na\r\n\n": (
        "",
        "POST",
        "/",
        (("content-type", "text/plain"),),
        b"a\r\n\n",
    ),
    f"{HTTP}\r\nPUT / HTTP/1.1\r\nHost: testserver:80\r\nAccept-Encoding: gzip\r\nConnection: close\r\n"
    "MIME-Version: 1.0\r\nTransfer-Encoding: chunked\r\nIf-Match: *\r\nAccept: a\r\nACCEPT: b\r\n\r\n": (
        "",
        "PUT",
        "/",
        (("transfer-encoding", "chunked"), ("if-match", "*"), ("accept", "a, b")),
        b"",
    ),
    f"{HTTP}\r\nGET / HTTP/1.1\r\nContent-Id: 0\r\nA: b\r\n\r\n": ("0", "GET", "/", (("a", "b"),), b""),
    f"{HTTP}Content-ID: 1\r\n\r\nGET / HTTP/1.1\r\nContent-Id: 0\r\n\r\n": ("1", "GET", "/", (), b""),
    f"{HTTP}\r\nGET / HTTP/1.1\r\nAuthorization: Bearer own\r\n\r\n": (
        "",
        "GET",
        "/",
        (("authorization", "Bearer own"),),
        b"",
    ),
}
# a part that is not a request -> the text of its refusal
NO_MESSAGES = {
    "": "not an HTTP request. It begins with b''",
    "\r\n": "not an HTTP request",
    "GET": "not an HTTP request. It begins with b'GET'",
    "GET HTTP/1.1\r\n\r\n": "not an HTTP request",
    " / HTTP/1.1\r\n\r\n": "not an HTTP request",
    "GET / HTTP/x\r\n\r\n": "not an HTTP request",
    "GÉT / HTTP/1.1\r\n\r\n": "not an HTTP request",
    "{}": "not an HTTP request",
    f"{HTTP}\r\n{{}}": "not an HTTP request",
    f"{HTTP}no header\r\n\r\nGET / HTTP/1.1\r\n\r\n": "not an HTTP request",
    f"{HTTP}GET / HTTP/1.1\r\n\r\n": "not an HTTP request",
    "GET / HTTP/1.1\r\nno header\r\n\r\n": "'no header' cannot be read as a header",
    'PATCH / HTTP/1.1\r\nA: b\r\n{"name": "new"}': """'{"name": "new"}' cannot be read as a header""",
    'PATCH / HTTP/1.1\r\nA: b\r\n \r\n{"name": "new"}': "' ?' cannot be read as a header",
    'PATCH / HTTP/1.1\r\nA: b\r\n\t\r\n{"name": "new"}': "it begins with a blank",
    'PATCH / HTTP/1.1\r\nA: b\r\n {"name": "new"}': "it begins with a blank",
    "GET / HTTP/1.1\r\nHost:\r\n testserver\r\n\r\n": "it begins with a blank",
    "GET / HTTP/1.1\r\nA: b\r\n \xff\r\n\r\n": "it begins with a blank",
    "PUT / HTTP/1.1\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n": "appears twice",
    f"{HTTP}Company: a\r\n\r\nGET / HTTP/1.1\r\n\r\n": "The header 'company' stands before the request line",
    f"Content-ID: 1\r\n{HTTP}Content-ID: 2\r\n\r\nGET / HTTP/1.1\r\n\r\n": "two Content-IDs",
    "GET / HTTP/1.1\r\n\rA: b\r\n\r\n": "not an HTTP request",
    "GET / HTTP/1.1\r\n" + "A: b\r\n" * 101 + "\r\n": "at most 100 headers",
    "GET / HTTP/1.1\r\n" + "A: b\r\n" * 30_000 + "\r\n": "not an HTTP request",
    HTTP + "A: b\r\n" * 101 + "\r\nGET / HTTP/1.1\r\n\r\n": "at most 100 headers",
    f"GET / HTTP/1.1\r\nA: {'x' * 2**20}\r\n\r\n": "not an HTTP request",
    "Content-Type: application/json\r\n\r\nGET / HTTP/1.1\r\n\r\n": "must be application/http, not 'application/json'",
    "Content-Type: multipart/mixed; boundary=c\r\n\r\nGET / HTTP/1.1\r\n\r\n": "must be application/http",
    f"{HTTP}Content-Transfer-Encoding: base64\r\n\r\nGET / HTTP/1.1\r\n\r\n": "cannot be read in 'base64'",
    f"Content-ID: 1\r\n{HTTP}Content-Transfer-Encoding: x\r\n\r\nGET / HTTP/1.1\r\n\r\n": "cannot be read in 'x'",
    f"{HTTP}Content-ID: a\tb\r\n\r\nGET / HTTP/1.1\r\n\r\n": "is not printable ASCII",
    f"{HTTP}Content-ID: ü\r\n\r\nGET / HTTP/1.1\r\n\r\n": "is not printable ASCII",
    f"{HTTP}Content-ID: a\rb\r\n\r\nGET / HTTP/1.1\r\n\r\n": "is not printable ASCII",
    "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n": "has another scheme or host",
    "GET / HTTP/1.1\r\nHost: testserver:81\r\n\r\n": "has another scheme or host",
    "GET / HTTP/1.1\r\nHost: testserver/x\r\n\r\n": "'testserver/x' is not a host",
    "GET / HTTP/1.1\r\nHost: testserver, testserver\r\n\r\n": "must be percent-encoded",
}
NOT_UTF8 = [
    b"GET /\xff HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: \xff\r\n\r\n",
    b"Content-ID: \xff\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    b"A: \xff\r\n\r\nGET / HTTP/1.1\r\n\r\n",
]
# the bytes behind the headers, the Content-Length, and the body
BODIES = [
    (b"", None, b""),
    (b"", "0", b""),
    (b"", "7", b""),
    (b"abc", None, b"abc"),
    (b"abc", "3", b"abc"),
    (b"abc", "", b"abc"),
    (b"abc", "-3", b"abc"),
    (b"abc", "x", b"abc"),
    (b"abc", "\u0663", b"abc"),
    (b"abc", "3, 3", b"abc"),
    (b"abc", "2", b"abc"),
    (b"abc", "4", b"abc"),
    (b"abc", "9" * 400, b"abc"),
    (b"abc\r\n", None, b"abc\r\n"),
    (b"abc\r\n", "5", b"abc\r\n"),
    (b"abc\r\n", "4", b"abc\r"),
    (b"abc\r\n", "3", b"abc"),
    (b"abc\r\n", "2", b"abc\r\n"),
    (b"\r\nabc", "3", b"abc"),
    (b"\r\nabc\r\n\r\n", "3", b"abc"),
    (b"\r\nabc\r\n\r\n", "5", b"\r\nabc"),
    (b"\r\n", None, b""),
    (b"\r\n", "0", b""),
    (b"\r\n", "2", b"\r\n"),
    (b"\r\n\r\n\r\n", None, b""),
    (b"\n" * 16, None, b""),
    (b"\n" * 17, None, b"\n" * 17),
    (b"\n" * 17, "0", b""),
    (b"\n" * 33, "0", b"\n" * 33),
    (b"abc" + b"\n" * 17, "3", b"abc" + b"\n" * 17),
]
HEADS = [
    (200, {}, "0", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    (204, {}, "0", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
    (299, {"A": "b"}, "1", "HTTP/1.1 299 Unknown Status Code\r\nA: b\r\nContent-Length: 1\r\n\r\n"),
    (200, {"Content-Length": "9", "A": ""}, "1", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nA: \r\n\r\n"),
    (200, {"A": "b\r\nC: d"}, "1", "HTTP/1.1 200 OK\r\nA: b C: d\r\nContent-Length: 1\r\n\r\n"),
    (200, {"A": "b\rC: d"}, "1", "HTTP/1.1 200 OK\r\nA: b C: d\r\nContent-Length: 1\r\n\r\n"),
    (200, {"A": "b\nC: d"}, "1", "HTTP/1.1 200 OK\r\nA: b C: d\r\nContent-Length: 1\r\n\r\n"),
    (200, {"A\r\nB": "\r\n\r\n{}"}, "1", "HTTP/1.1 200 OK\r\nA B:  {}\r\nContent-Length: 1\r\n\r\n"),
]


PIECES = (  # the pieces of a part; the first of each list is the usual one
    [HTTP, f"{HTTP}Content-Transfer-Encoding: binary\r\n", HTTP.lower(), "Content-Type: text/plain\r\n", ""],
    ["Content-ID: 1\r\n", "content-id:<a + 1>\n", "Content-ID: a  b\n", "Content-ID: a\n\tb\n", "Content-ID: ü\n", ""],
    ["\r\n", "\n", "\r\n\r\n", " folded\r\n\r\n", "X: y\r\n\r\n", ""],
    ["GET ", "POST ", "get ", "M-SEARCH  "],
    ["/", "/a/?b=c%20d", "//b", "a(7)", "/a#b", "/a\\b", "/a b", "/ü", "/\t", "HTTP/", "HTTP://a", "/" + "a" * 1_001],
    [" HTTP/1.1", " HTTP/1.0", " HTTP/1.1 ", "  HTTP/1.1", ""],
    ["\r\n", "\n", "\r\nA: b\r\n", "\nA: b\n c\n", "\nno header\n", "\nContent-ID: 2\n", "\nContent-Length: 1\n"],
    ["\r\n", "\n", ""],
    ["", "{}", "\r\n", "{}\r\n"],
)


def read(content: bytes, before: bytes = b"before") -> tuple[str, str, str, tuple[tuple[str, str], ...], bytes]:
    """The request in `content`, with another part `before` it."""
    reader = MessageReader(before + content + b"behind", base=BASE)
    with suppress(Malformed):
        reader.read((0, len(before)))
    content_id, method, url, is_path, headers, body = reader.read((len(before), len(before + content)))
    assert not is_path or local_path(url, base=BASE) == url
    return content_id, method, url, headers.with_body if body else headers.without_body, bytes(body)


@pytest.mark.parametrize(("content", "expected"), MESSAGES.items())
def test_request_is_read(content, expected):
    assert read(content.encode()) == expected


@pytest.mark.parametrize(("content", "expected"), [each for each in MESSAGES.items() if "\r\n" in each[0]])
def test_request_is_read_with_bare_line_feeds_too(content, expected):
    if expected[4] == b"a\r\n\n":
        content, expected = content.replace("Length: 4", "Length: 3"), (*expected[:4], b"a\n\n")
    assert read(content.encode().replace(b"\r\n", b"\n")) == expected


@pytest.mark.parametrize(("content", "detail"), NO_MESSAGES.items(), ids=lambda text: text[:50])
def test_part_without_a_request_is_refused(content, detail):
    with pytest.raises(Malformed, match=detail):
        read(content.encode())


@pytest.mark.parametrize("content", NOT_UTF8)
def test_headers_that_are_not_utf8_are_refused(content):
    with pytest.raises(Malformed, match="are not UTF-8"):
        read(content)


@pytest.mark.parametrize(("content", "length", "body"), BODIES)
def test_body_is_what_the_length_says_if_it_can_be_true(content, length, body):
    header = "" if length is None else f"Content-Length: {length}\r\n"
    assert read(f"POST / HTTP/1.1\r\n{header}\r\n".encode() + content)[4] == body


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "127.0.0.1"])
def test_host_may_be_without_the_port_of_the_batch(host):
    content = message("GET", "/", Host=host)
    assert MessageReader(content, base="http://127.0.0.1:8080/$batch").read((0, len(content)))[2] == "/"


def test_body_is_a_view_of_the_batch():
    content = b"POST / HTTP/1.1\r\n\r\nabc"
    *_, body = MessageReader(content, base=BASE).read((0, len(content)))
    assert isinstance(body, memoryview)
    assert body.obj is content


@given(body=st.binary(), method=st.sampled_from(["POST", "PUT", "PATCH"]))
def test_law_body_is_read_as_it_was_written(body, method):
    content = part(message(method, "/", body, Content_Type="application/octet-stream"), "1")
    assert read(content) == ("1", method, "/", (("content-type", "application/octet-stream"),), body)


@given(content=st.binary() | st.text(alphabet="GET /HTP1.:\r\n \tA").map(str.encode))
def test_law_whatever_a_part_holds_is_read_or_refused(content):
    with suppress(Malformed):
        read(content)


def parts_with_two_odd_pieces() -> Iterator[tuple[str, ...]]:
    for one, other in combinations(range(len(PIECES)), 2):
        for odd in product(PIECES[one], PIECES[other]):
            pieces = [first for first, *_ in PIECES]
            pieces[one], pieces[other] = odd
            yield tuple(pieces)


@pytest.mark.parametrize("before", PIECES[0])
def test_law_part_is_read_alike_whatever_is_before(before):
    for pieces in parts_with_two_odd_pieces():
        content = "".join(pieces).encode()
        alone = outcome(b"\r\n\r\n" + content, before=b"")
        assert outcome(content, before=f"{before}\r\nGET / HTTP/1.1\r\n\r\n".encode()) == alone


def outcome(content: bytes, before: bytes) -> object:
    try:
        return read(content, before)
    except Malformed as error:
        return error.detail.partition("begins with b")[0]


@pytest.mark.parametrize(("status", "headers", "length", "head"), HEADS)
def test_head_of_an_answer_is_strict(status, headers, length, head):
    assert answer_head(status, headers, length=length) == head


@given(
    status=st.integers(200, 599),
    headers=st.dictionaries(st.sampled_from(["A", "B-C", "Content-Type"]), st.text(st.characters(max_codepoint=255))),
    body=st.binary(max_size=9),
)
def test_law_answer_is_read_as_it_was_written_whatever_its_headers_hold(status, headers, body):
    head = answer_head(status, headers, length=str(len(body)))
    found = answer(head.encode("latin-1") + body)
    assert (found.status, found.body) == (status, body if status not in (204, 304) else b"")
    assert found.headers.keys() == {*headers, "Content-Length"}
