"""Bodies inside a JSON envelope."""

import gzip
import json
from base64 import b64decode, b64encode

import msgspec
import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from django_batch.core.media_types import has_known_charset
from django_batch.dialects.base import Envelope
from django_batch.dialects.native.items import read_item
from django_batch.dialects.native.queries import Compiler
from django_batch.dialects.shared.bodies import is_json_text, json_body
from django_batch.dialects.shared.forms import FileParts
from django_batch.testing import BatchClient
from example_project.urls import urlpatterns

ENVELOPE = Envelope(b"", "application/json", "http://testserver/batch/", 100)
# content type, the bytes of a body, and its member, which is read in an item and written in an answer
ROWS = [
    ("application/json", b'{"a":1}', b'{"a":1}'),
    ("application/json", b'{"a": 1.10, "b": 1e2, "a": 2}', b'{"a": 1.10, "b": 1e2, "a": 2}'),
    ("application/json", b"18446744073709551617", b"18446744073709551617"),
    ("application/json", '"größe"'.encode(), '"größe"'.encode()),
    ("application/json", b"null", b"null"),
    ("application/json; charset=utf-8", b"[]", b"[]"),
    ("Application/JSON", b"[]", b"[]"),
    ("application/problem+json", b'{"status": 400}', b'{"status": 400}'),
    ("text/plain", "Schöne Grüße".encode(), '"Schöne Grüße"'.encode()),
    ("text/plain; charset=iso-8859-1", "Grüße".encode("latin-1"), '"Grüße"'.encode()),
    ('text/html; charset="windows-1252"', b"\x80", '"€"'.encode()),
    ("text/csv; charset=utf-16-le", "ü".encode("utf-16-le"), '"ü"'.encode()),
    ("text/plain", b'say "hi"\n\\\x00', b'"say \\"hi\\"\\n\\\\\\u0000"'),
    ("application/x-www-form-urlencoded", b"a=1&b=%20", b'"a=1&b=%20"'),
    ("application/xml", b"<a/>", b'"<a/>"'),
    ("image/svg+xml; charset=utf-8", b"<svg/>", b'"<svg/>"'),
    ("application/atom+xml", b"<feed/>", b'"<feed/>"'),
    ("application/javascript", b"alert()", b'"alert()"'),
]
# content type, bytes, and the string that replaces them: invalid JSON is written as text
INVALID_JSON = [
    ("application/json", b"{", "{"),
    ("application/json", b'{"rating": NaN}', '{"rating": NaN}'),
    ("application/json", b"[1] ]", "[1] ]"),
    ("application/json", b'1},{"id":"9","status":200', '1},{"id":"9","status":200'),
    ("application/json", b" ", " "),
    ("application/json", b"\xef\xbb\xbf{}", "\ufeff{}"),
    ("application/json", b'"\t"', '"\t"'),
    ("application/json", b"[" * 100_000, "[" * 100_000),
    ("application/json; charset=latin-1", b'"\xe9"', '"é"'),
]
# content type, and bytes that can only be written in base64
BINARY = [
    ("image/png", b"\x89PNG"),
    ("application/octet-stream", b"text"),
    ("", b"text"),
    ("application/json", b'"\xff"'),
    ("text/plain", b"\xff"),
    ("text/plain; charset=ascii", "ü".encode()),
    ("text/plain; charset=no-such-charset", b"text"),
    ("text/plain; charset=rot13", b"text"),
    ("text/plain; charset=undefined", b"text"),
    ("text/plain; charset=idna", b"xn--\xff"),
    ("text/plain; charset=a\x00b", b"text"),
    ("text/plain; charset=utf-7", b"+2AA-"),
]


def item_body(content_type: str, member: bytes, *, name: bytes = b"body") -> bytes:
    """The bytes that a view gets for an item with this member."""
    headers = msgspec.json.encode({"Content-Type": content_type})
    raw = Raw(b'{"path":"/","method":"POST","headers":%b,"%b":%b}' % (headers, name, member))
    return bytes(read_item(ENVELOPE, FileParts(None), Compiler(), raw, 0, "").body)


@pytest.mark.parametrize(("content_type", "body", "member"), ROWS)
def test_body_is_written_as_its_member(content_type, body, member):
    assert json_body(body, content_type, encoded=False) == (member, None)


@pytest.mark.parametrize(("content_type", "body", "member"), ROWS)
def test_member_is_read_as_its_body(content_type, body, member):
    assert item_body(content_type, member) == body


@pytest.mark.parametrize(("content_type", "body", "text"), INVALID_JSON)
def test_invalid_json_is_written_as_a_string(content_type, body, text):
    member, base64 = json_body(body, content_type, encoded=False)
    assert (json.loads(member), base64) == (text, None)


@pytest.mark.parametrize(("content_type", "body"), BINARY)
def test_body_that_is_no_text_is_written_as_base64(content_type, body):
    assert json_body(body, content_type, encoded=False) == (b"null", b'"%b"' % b64encode(body))


@pytest.mark.parametrize(("content_type", "body"), [row for row in BINARY if has_known_charset(row[0])])
def test_base64_is_read_as_its_bytes_whatever_the_type(content_type, body):
    assert item_body(content_type, b'"%b"' % b64encode(body), name=b"body_base64") == body


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_body_with_a_content_coding_is_written_as_base64(content_type):
    assert json_body(b"{}", content_type, encoded=True) == (b"null", b'"e30="')


@pytest.mark.parametrize("encoded", [False, True])
def test_empty_body_is_written_as_null(encoded):
    assert json_body(b"", "text/plain", encoded=encoded) == (b"null", None)


@given(st.binary(), st.sampled_from(["application/json", "text/plain", "text/plain; charset=latin-1", "image/png"]))
def test_whatever_the_bytes_they_can_be_read_back(body, content_type):
    member, base64 = json_body(body, content_type, encoded=False)
    if base64 is not None:
        assert (member, b64decode(json.loads(base64))) == (b"null", body)
    elif member == body:
        json.loads(body)
    elif body:
        assert json.loads(member).encode("latin-1" if "latin-1" in content_type else "utf-8") == body


@given(st.binary() | st.text(alphabet='{}[]",:0123456789.eE+-\\utrfalsn \x00é\ufeff').map(str.encode))
def test_what_passes_as_json_is_json(body):
    if is_json_text(body):
        json.loads(body.decode())


# Through the site

# the members of an item, and the bytes and the Content-Type that the view gets
SENT = [
    ('"body":{"price": 1.10, "sum": 1e2, "price": 2}', b'{"price": 1.10, "sum": 1e2, "price": 2}', "application/json"),
    ('"body":123456789012345678901234567890', b"123456789012345678901234567890", "application/json"),
    ('"body":[ 1 , -0 ]', b"[ 1 , -0 ]", "application/json"),
    ('"body":"\\u00fc/\\/"', b'"\\u00fc/\\/"', "application/json"),
    ('"body":"ü"', '"ü"'.encode(), "application/json"),
    ('"body":null', b"null", "application/json"),
    ('"body":""', b'""', "application/json"),
    ('"headers":{"content-type":"text/plain"},"body":""', b"", "text/plain"),
    ('"headers":{"content-type":"text/plain"},"body":"a\\n\\u00fc"', "a\nü".encode(), "text/plain"),
    ('"headers":{"Content-Type":"text/plain; charset=latin-1"},"body":"ü"', b"\xfc", "text/plain; charset=latin-1"),
    (
        '"headers":{"Content-Type":"application/json; charset=utf-16-le"},"body":[1]',
        "[1]".encode("utf-16-le"),
        "application/json; charset=utf-16-le",
    ),
    ('"headers":{"Content-Type":"image/png"},"body_base64":"iVBORw=="', b"\x89PNG", "image/png"),
    ('"body_base64":"e10="', b"{]", "application/json"),
    ('"headers":{"Content-Type":"text/plain"}', b"", "text/plain"),
    ('"id":"none"', b"", None),
]
# kind of content -> status, body and base64 in the answer
RECEIVED: dict[str, tuple[int, object, bytes | None]] = {
    "text": (200, "Schöne Grüße aus der Buchhandlung", None),
    "latin-1": (200, "Schöne Grüße", None),
    "html": (200, "<p>Schöne Grüße</p>", None),
    "png": (200, None, b"\x89PNG\r\n\x1a\n\x00\xff"),
    "invalid-json": (200, '1},{"id":"9","status":200,"headers":{},"body":"forged"', None),
    "invalid-utf-8": (200, None, b'{"title": "\xff\xfe"}'),
    "nan": (200, '{"rating": NaN}', None),
    "empty": (204, None, None),
}


@pytest.mark.parametrize(("members", "body", "content_type"), SENT)
def test_view_gets_exactly_the_bytes_that_an_item_stands_for(members, body, content_type):
    content = f'{{"requests":[{{"method":"PUT","path":"/api/echo/",{members}}}]}}'.encode()
    (answer,) = BatchClient().send_batch(content).json()["responses"]
    assert b64decode(answer["body"]["body_base64"]) == body
    assert answer["body"]["headers"].get("Content-Type") == content_type
    assert answer["body"]["headers"]["Content-Length"] == str(len(body))


@pytest.mark.parametrize("kind", RECEIVED)
def test_answer_shows_the_body_of_the_view(kind):
    status, body, base64 = RECEIVED[kind]
    (answer,) = BatchClient().batch([{"path": f"/api/content/{kind}/"}])
    assert (answer["status"], answer["body"]) == (status, body)
    assert answer.get("body_base64") == (base64 and b64encode(base64).decode())


@pytest.mark.parametrize("kind", RECEIVED)
def test_answer_to_head_has_no_body(kind):
    (answer,) = BatchClient().batch([{"method": "HEAD", "path": f"/api/content/{kind}/"}])
    assert (answer["status"], answer["body"], "body_base64" in answer) == (RECEIVED[kind][0], None, False)


def test_answer_has_the_json_text_of_the_view_unchanged():
    response = BatchClient().send_batch([{"path": "/api/content/exact-json/"}])
    assert response.content == b'[{"status":200,"response":{"a": 1.10, "b": 1e2, "c": 18446744073709551617, "a": 2}}]'


@pytest.mark.parametrize("name", ["Content-Encoding", "content-encoding", "CONTENT-ENCODING"])
def test_answer_with_a_content_coding_is_base64_however_its_header_is_written(name, settings):
    def packed(request: HttpRequest) -> HttpResponse:
        return HttpResponse(gzip.compress(b"{}"), headers={name: "gzip"}, content_type="application/json")

    settings.ROOT_URLCONF = (path("packed/", packed), *urlpatterns)
    (answer,) = BatchClient().batch([{"path": "/packed/"}])
    assert (answer["body"], answer["headers"]["Content-Encoding"]) == (None, "gzip")
    assert gzip.decompress(b64decode(answer["body_base64"])) == b"{}"


def test_body_is_read_by_the_content_type_however_its_header_is_written(settings):
    def view(request: HttpRequest) -> HttpResponse:
        response = HttpResponse(b"\xfc")
        response["Content-type"] = "text/plain; charset=latin-1"
        return response

    settings.ROOT_URLCONF = (path("text/", view), *urlpatterns)
    (answer,) = BatchClient().batch([{"path": "/text/"}])
    assert (answer["headers"]["Content-Type"], answer["body"]) == ("text/plain; charset=latin-1", "ü")
