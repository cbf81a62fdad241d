"""Answers as documents, and what JSON Pointers find in them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_batch.core.batch import Batch, Subrequest, Subresponse
from django_batch.core.documents import Number, document, pointer, to_json
from django_batch.dialects.native import NativeDialect

JSON = "application/json"
# content type and bytes of a body -> the JSON text that a reference to `/body` takes from it
BODIES = [
    (JSON, b'{"a": [1, {"b": null}]}', '{"a":[1,{"b":null}]}'),
    (JSON, b"[1.10, 1e2, 1E400, -0, 18446744073709551617, 0.1e-7]", "[1.10,1e2,1E400,-0,18446744073709551617,0.1e-7]"),
    (JSON, b'{"a": 1, "a": 2}', '{"a":2}'),
    (JSON, '"größe"'.encode(), '"gr\\u00f6\\u00dfe"'),
    (JSON, b"true", "true"),
    (JSON, b"null", "null"),
    (JSON, b"", "null"),
    ("application/problem+json; charset=utf-8", b'{"status": 400}', '{"status":400}'),
    (JSON, b'{"rating": NaN}', r'"{\"rating\": NaN}"'),
    (JSON, b"{", '"{"'),
    pytest.param(JSON, b"[" * 100_000, f'"{"[" * 100_000}"', id="deep"),
    ("text/plain", "Grüße".encode(), '"Gr\\u00fc\\u00dfe"'),
    ("text/plain; charset=iso-8859-1", "Grüße".encode("latin-1"), '"Gr\\u00fc\\u00dfe"'),
    ("image/png", b"\x89PNG", "null"),
    (JSON, b'"\xff"', "null"),
]
# RFC 6901 §5
RFC_DOCUMENT = {
    "foo": ["bar", "baz"],
    "": Number("0"),
    "a/b": Number("1"),
    "c%d": Number("2"),
    "e^f": Number("3"),
    "g|h": Number("4"),
    "i\\j": Number("5"),
    'k"l': Number("6"),
    " ": Number("7"),
    "m~n": Number("8"),
    "~1": Number("9"),
    "list": ["zero", {"one": True}],
}
POINTERS = {
    "/foo": '["bar","baz"]',
    "/foo/0": '"bar"',
    "/foo/1": '"baz"',
    "/": "0",
    "/a~1b": "1",
    "/c%d": "2",
    "/e^f": "3",
    "/g|h": "4",
    "/i\\j": "5",
    '/k"l': "6",
    "/ ": "7",
    "/m~0n": "8",
    "/~01": "9",
    "/list/1/one": "true",
}
NOT_FOUND = [
    "/no",
    "/foo/2",
    "/foo/-",
    "/foo/-1",
    "/foo/00",
    "/foo/01",
    "/foo/+1",
    "/foo/1_0",
    "/foo/\u0661",
    "/foo/bar",
]
NOT_FOUND += ["/foo/ 0", "/foo/0/0", "//0", "/a", pytest.param("/foo/" + "9" * 100_000, id="far")]
NO_POINTERS = ["foo", "#/foo", "0", " /foo", "/~", "/~2", "/a~", "/~~0"]

values = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5), children, max_size=4),
    max_leaves=20,
)


def answer(body: bytes = b"", content_type: str = JSON, status: int = 200, **headers: str) -> Subresponse:
    named = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Subresponse(Subrequest("a", "GET", "/"), status, named, body)


@pytest.mark.parametrize(("content_type", "body", "text"), BODIES)
def test_body_is_what_it_says_it_is(content_type, body, text):
    assert to_json(document(answer(body, content_type))["body"]) == text


@pytest.mark.parametrize(("content_type", "body", "text"), BODIES)
def test_document_is_what_the_native_format_shows(content_type, body, text):
    assert_shown(answer(body, content_type, 201, Location="/api/books/1/"))


@pytest.mark.parametrize("coding", ["identity", "Identity", "gzip"])
def test_encoded_document_is_what_the_native_format_shows(coding):
    assert_shown(answer(b"{}", Content_Encoding=coding))


@given(value=values, content_type=st.sampled_from([JSON, "application/hal+json", "text/plain", "image/png", ""]))
def test_law_document_is_what_the_native_format_shows(value, content_type):
    assert_shown(answer(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"), content_type))


def assert_shown(subresponse: Subresponse) -> None:
    batch = Batch((subresponse.subrequest,))
    [shown] = json.loads(NativeDialect().writer(batch).whole([subresponse]), parse_int=float)["responses"]
    assert document(subresponse) == shown


@given(value=values)
def test_value_taken_from_json_is_written_as_the_same_value(value):
    text = to_json(document(answer(json.dumps(value).encode()))["body"])
    assert text.isascii()
    assert json.loads(text) == value


def test_value_is_written_however_deeply_it_is_nested():
    value = []
    for _ in range(10_000):
        value = {"a": [value]}
    assert to_json(value) == '{"a":[' * 10_000 + "[]" + "]}" * 10_000


@given(number=st.from_regex(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", fullmatch=True))
def test_number_keeps_its_text(number):
    assert to_json(document(answer(number.encode()))["body"]) == number


def test_millions_of_numbers_have_no_dict_each():
    assert not hasattr(Number("1"), "__dict__")


@pytest.mark.parametrize(("text", "found"), POINTERS.items())
def test_pointer_finds_its_value(text, found):
    assert to_json(pointer(text)(RFC_DOCUMENT)) == found


def test_empty_pointer_is_the_whole_document():
    assert pointer("")(RFC_DOCUMENT) is RFC_DOCUMENT


@pytest.mark.parametrize("text", NOT_FOUND)
def test_pointer_to_nothing_finds_nothing(text):
    with pytest.raises(LookupError):
        pointer(text)(RFC_DOCUMENT)


@pytest.mark.parametrize("text", NO_POINTERS)
def test_text_that_is_no_pointer_is_refused(text):
    with pytest.raises(ValueError, match="JSON Pointer"):
        pointer(text)


@given(keys=st.lists(st.text(), max_size=5), value=values)
def test_any_member_can_be_pointed_at(keys, value):
    whole = value
    for key in reversed(keys):
        whole = {key: whole, key + "x": None}
    escaped = [key.replace("~", "~0").replace("/", "~1") for key in keys]
    assert pointer("".join(f"/{key}" for key in escaped))(whole) == value
