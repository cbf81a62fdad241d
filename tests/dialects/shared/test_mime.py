"""Multipart messages, cut into parts as their senders meant them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from django_batch.dialects.shared.mime import boundary_of, cut, headers_of, multipart_in
from django_batch.errors import Malformed, TooManyRequests, UnsupportedMediaType
from tests.parts import multipart

# Content-Type -> the boundary that it names
BOUNDARIES = {
    "multipart/mixed; boundary=b": "b",
    "multipart/mixed;boundary=b": "b",
    "Multipart/Mixed; BOUNDARY=b": "b",
    "multipart/mixed; boundary = b ": "b",
    'multipart/mixed; boundary="b"': "b",
    "multipart/mixed; boundary=batch_a-1.2:3": "batch_a-1.2:3",
    "multipart/mixed; boundary====1==": "===1==",
    'multipart/mixed; boundary="===============1=="': "===============1==",
    'multipart/mixed; boundary="a b"': "a b",
    r'multipart/mixed; boundary="a\"b\\c"': 'a"b\\c',
    'multipart/mixed; charset=utf-8; boundary="b"; x=y': "b",
    'multipart/mixed; note="; boundary=a"; boundary=b': "b",
    "multipart/mixed; boundary=" + 200 * "b": 200 * "b",
}
NO_BOUNDARIES = [
    "multipart/mixed",
    "multipart/mixed;",
    "multipart/mixed; boundary",
    "multipart/mixed; boundary=",
    'multipart/mixed; boundary=""',
    'multipart/mixed; boundary="b',
    'multipart/mixed; boundary="b "',
    "multipart/mixed; boundary=b\xe4",
    "multipart/mixed; boundary=b\tb",
    "multipart/mixed; xboundary=b",
    "multipart/mixed; boundary=" + 201 * "b",
]
NO_MULTIPARTS = ["", "application/json", "text/plain; boundary=b", "multipart/form-data; boundary=b", "multipart; x=y"]
# a message with the boundary `b` -> its parts
CUT = {
    b"--b\r\none\r\n--b\r\ntwo\r\n--b--\r\n": [b"one", b"two"],
    b"--b\none\n--b\ntwo\n--b--\n": [b"one", b"two"],
    b"--b\r\none\n--b\ntwo\r\n--b--": [b"one", b"two"],
    b"\r\n--b\r\none\r\n--b--": [b"one"],
    b"\n\n--b\none\n--b--": [b"one"],
    b"preamble --b.\r\n--bc\r\n--b\r\none\r\n--b--\r\nepilogue\r\n--bc\r\n --b\r\n--b--": [b"one"],
    b"\xef\xbb\xbf--b\r\none\r\n--b--": [b"one"],
    b"\xef\xbb\xbf\r\n--b\r\none\r\n--b--": [b"one"],
    b"--b \t\r\none\r\n--b--\t \r\n": [b"one"],
    b"--b\r\n\r\none\r\n\r\n--b--": [b"\r\none\r\n"],
    b"--b\r\n\r\n--b--": [b""],
    b"--b\r\n--b\r\n--b--": [b"", b""],
    b"--b\r\none\r\n--bc\r\n--b \t.\r\n --b\r\n--b--c\r\n\r--b\r\n--b--": [
        b"one\r\n--bc\r\n--b \t.\r\n --b\r\n--b--c\r\n\r--b"
    ],
    b"--b\r\n\x00\xff\r\r\n--b--": [b"\x00\xff\r"],
    b"--bb\n--b\none\n--b--": [b"one"],
    b"--b--": [],
    b"--b--\r\n": [],
}
UNCLOSED = [b"", b"--", b"--b", b"--b\r\n", b"--b-", b"--b\r\none\r\n--b", b"--b\r\none--b--", b"one", b"--a\r\n--a--"]
_MIXED = b"Content-Type: multipart/mixed; boundary="
_LONGEST = b"c" * 200
# the head of a part -> the boundary and the text of the message in it
HEADS_OF_MESSAGES = {
    _MIXED + b"c\r\n\r\n": (b"c", b"--c--"),
    _MIXED + b"c\n\n": (b"c", b"--c--"),
    _MIXED + b"c\r\n\r\n\r\n\n": (b"c", b"--c--"),
    _MIXED + b"c\r\n": (b"c", b"--c--"),
    _MIXED + b"c\r\nA: b\r\n\r\n": (b"c", b"--c--"),
    _MIXED + b'"c d"\r\n\r\n': (b"c d", b"--c--"),
    _MIXED + b"c ;d=e\r\n\r\n": (b"c", b"--c--"),
    _MIXED + b"c\r\n ;d=e\r\n\r\n": (b"c", b"--c--"),
    _MIXED + b"c:d\r\n\r\n": (b"c:d", b"--c--"),
    _MIXED + b"\r\n\r\n": "refused",
    _MIXED + _LONGEST + b"\r\n\r\n": (_LONGEST, b"--c--"),
    _MIXED + _LONGEST + b"c\r\n\r\n": "refused",
    _MIXED.upper().replace(b" ", b"") + b"c\r\n\r\n": (b"c", b"--c--"),
    b"Content-Type: multipart/form-data; boundary=c\r\n\r\n": None,
    b"Content-Type: application/http\r\n\r\n": None,
}
HEADERS = {
    b"": {},
    b"A: b": {"a": "b"},
    b"\r\nA: b\r\nC:d\r": {"a": "b", "c": "d"},
    b"Content-ID:0.0\n": {"content-id": "0.0"},
    b"A:\t b \t\r\nA : c:d\r\n": {"a": "b, c:d"},
    b"Content-ID: <x\r\n + y>\r\n\tz": {"content-id": "<x + y> z"},
    "A: ö".encode(): {"a": "ö"},
    b"A:": {"a": ""},
    b"A: b\rC: d": {"a": "b\rC: d"},
}


def parts_of(content: bytes, *, limit: int = 100) -> list[bytes]:
    return [content[start:end] for start, end in cut(content, (0, len(content)), b"b", limit=limit)]


@pytest.mark.parametrize(("content_type", "boundary"), BOUNDARIES.items())
def test_boundary_is_what_the_type_names(content_type, boundary):
    assert boundary_of(content_type) == boundary.encode()


@pytest.mark.parametrize("content_type", NO_BOUNDARIES)
def test_type_without_a_boundary_is_refused(content_type):
    with pytest.raises(Malformed, match="has no valid boundary"):
        boundary_of(content_type)


@pytest.mark.parametrize("content_type", NO_MULTIPARTS)
def test_other_type_is_refused(content_type):
    with pytest.raises(UnsupportedMediaType):
        boundary_of(content_type)


@pytest.mark.parametrize(("content", "parts"), CUT.items())
def test_message_is_cut_at_its_delimiters(content, parts):
    assert parts_of(content) == parts


@pytest.mark.parametrize("content", UNCLOSED)
def test_message_that_is_not_closed_is_refused(content):
    with pytest.raises(Malformed, match="'--b--'"):
        parts_of(content)


@pytest.mark.parametrize(
    "content",
    [
        b" --b\r\none\r\n--b\r\ntwo\r\n--b--",
        b"\xc2\xa0--b\none\n--b\ntwo\n--b--",
        b"--b\r\none\r\n--b--\r\n--b\r\ntwo\r\n--b--",
        b"--b--\r\n--b\r\ntwo\r\n--b--",
        b"--b\none\n--b--\nepilogue\n--b \ntwo",
    ],
)
def test_part_that_nobody_would_read_is_not_lost_in_silence(content):
    with pytest.raises(Malformed, match="stands where no part is read"):
        parts_of(content)


def test_message_inside_a_message_is_cut_within_its_span():
    content = b"--a\n--b\none\n--b--\n--a\n--b\ntwo\n--b--\n--a--"
    spans = cut(content, (0, len(content)), b"a", limit=9)
    assert [[content[slice(*part)] for part in cut(content, span, b"b", limit=9)] for span in spans] == [
        [b"one"],
        [b"two"],
    ]


@pytest.mark.parametrize("head", HEADS_OF_MESSAGES, ids=lambda head: head[:60])
def test_law_message_in_a_part_is_found_alike_whatever_is_before(head):
    content = head + b"--c--"
    blank = b"\r\n"  # a head behind a blank line is read by the general expression
    found = message_in(blank + content)
    assert message_in(content) == found
    assert found == HEADS_OF_MESSAGES[head]


def message_in(part: bytes) -> tuple[bytes, bytes] | str | None:
    try:
        found = multipart_in(part, (0, len(part)))
    except Malformed:
        return "refused"
    return found and (found[0], part[slice(*found[1])])


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_message_with_too_many_parts_is_refused(limit):
    content = multipart([b"one"] * (limit + 1), "b")
    assert parts_of(content, limit=limit + 1) == [b"one"] * (limit + 1)
    with pytest.raises(TooManyRequests, match=f"more than {limit} "):
        parts_of(content, limit=limit)


def test_parts_past_the_limit_are_not_even_looked_at():
    with pytest.raises(TooManyRequests):
        parts_of(b"--b\r\n" * 3 + b"and no end", limit=1)


@given(parts=st.lists(st.binary() | st.sampled_from([b"--b", b"\r\n--", b"\r\n", b"\r", b"\n", b"--b--"])))
def test_law_parts_are_cut_as_they_were_joined(parts):
    assume(not any(b"\n--b" in b"\n" + part for part in parts))
    assert parts_of(multipart(parts, "b")) == parts


@pytest.mark.parametrize(("lines", "headers"), HEADERS.items())
def test_headers_are_read_by_name(lines, headers):
    assert headers_of(lines) == headers


@pytest.mark.parametrize(
    "lines", [b"A", b"A: b\r\nC", b"A: b\r\n\r\nC: d", b"A: b\n\x85C", b": b", b'{"a": 1}', "Ä: ö".encode(), b"A B: c"]
)
def test_line_that_is_no_header_is_refused(lines):
    with pytest.raises(Malformed):
        headers_of(lines)


@pytest.mark.parametrize("name", ["Authorization", "Content-ID", "Content-Length", "Content-Type", "Host"])
def test_header_that_cannot_be_joined_is_there_once(name):
    with pytest.raises(Malformed, match="appears twice"):
        headers_of(f"{name}: a\r\nB: c\r\n{name.upper()}: a\r\n".encode())


def test_number_of_headers_is_bounded():
    assert headers_of(b"A: b\r\n" * 100) == {"a": ", ".join("b" * 100)}
    with pytest.raises(Malformed, match="at most 100 headers"):
        headers_of(b"A: b\r\n" * 101)
