"""Google's batches, read and written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from django_batch.core.batch import Batch, Subrequest, Subresponse
from django_batch.dialects.base import Envelope, Writer
from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.odata import ODataMultipart
from django_batch.dialects.shared.parts import PartsLayout
from django_batch.errors import (
    BodyTooLarge,
    Malformed,
    MethodNotAllowed,
    NestedBatch,
    TooManyRequests,
    UnsupportedMediaType,
)
from tests.parts import Answer, answers, message, multipart, part

JSON = ("content-type", "application/json")
# the body of a batch, and its sub-requests and Content-IDs; bodies as Google's documentation and its clients write them
BATCHES: list[tuple[bytes, tuple[Subrequest, ...], dict[str, str]]] = [
    (
        multipart([part(message("GET", "/api/items/7/"), "<item1>")]),
        (Subrequest("0", "GET", "/api/items/7/", pointer="/0"),),
        {"0": "<response-item1>"},
    ),
    (
        b"--batch\nContent-Type: application/http\nContent-ID: r7\n\nGET /api/items/7/\n\n"
        b"--batch\nContent-Type: application/http\n\nPOST /api/items/\nContent-Type: application/json;\n\n"
        b'{"name":"x"}\n--batch--',
        (
            Subrequest("0", "GET", "/api/items/7/", pointer="/0"),
            Subrequest(
                "1",
                "POST",
                "/api/items/",
                headers=(("content-type", "application/json;"),),
                body=b'{"name":"x"}',
                pointer="/1",
            ),
        ),
        {"0": "response-r7"},
    ),
    (
        b"--batch\nContent-Type: application/http\nMIME-Version: 1.0\nContent-Transfer-Encoding: binary\n"
        b"Content-ID: <7d0a + create%20one%2Btwo>\n\nPOST /api/items/?alt=json HTTP/1.1\n"
        b"Content-Type: application/json\nMIME-Version: 1.0\naccept: application/json\n"
        b"accept-encoding: gzip, deflate\nuser-agent: (gzip)\n"
        b"content-length: 2\nHost: testserver\n\n{}\n--batch--\n",
        (
            Subrequest(
                "0",
                "POST",
                "/api/items/?alt=json",
                headers=(JSON, ("accept", "application/json"), ("user-agent", "(gzip)")),
                body=b"{}",
                pointer="/0",
            ),
        ),
        {"0": "<response-7d0a + create%20one%2Btwo>"},
    ),
    (
        multipart([part(message("patch", "http://testserver/api/items/7/", b"\0\xff", If_Match="*"), "2")] * 2),
        tuple(
            Subrequest(
                str(place),
                "PATCH",
                "/api/items/7/",
                headers=(JSON, ("if-match", "*")),
                body=b"\0\xff",
                pointer=f"/{place}",
            )
            for place in range(2)
        ),
        {"0": "response-2", "1": "response-2"},
    ),
]
# the body of a batch that is refused, and where it is wrong
FAULTS = [
    (b"--batch--", [""]),
    (multipart([b"{}", part(message("GET", "/")), part(b"")]), ["/0", "/2"]),
    (multipart([part(message("GET", "/"))] * 2 + [part(message("GET", "//evil.example/"))]), ["/2"]),
    (multipart([part(message("GET", "/", Host="evil.example"))]), ["/0"]),
    (multipart([part(message("GET", f"/{place}#")) for place in range(100)]), [f"/{place}" for place in range(100)]),
]
# the URL of a part -> its path, where the batch is sent to /batch
PATHS = {
    "/": "/",
    "/api/items/7/?a=b": "/api/items/7/?a=b",
    "http://testserver/api/": "/api/",
    "HTTP://TESTSERVER:80/api/": "/api/",
    "/api/?q=C# \\x": "/api/?q=C%23%20%5Cx",
    "Items(7)": "/Items(7)",
    "Items%287%29": "/Items%287%29",
    "Items(id='a:b')": "/Items(id='a:b')",
    "?a": "/?a",
}
NO_PATHS = ["//evil.example/", "http://evil.example/", "https://testserver/", "http:/x y", "/#", "\\", "a b", "http://"]
GET, HEAD = Subrequest("0", "GET", "/"), Subrequest("0", "HEAD", "/")
ERROR = {"domain": "global", "reason": "nested_batch", "message": "No.", "location": "/0"}
# an answer, and the answer that a client reads, with the length of its body
ANSWERS = [
    (Subresponse(GET, 200, {"A": "b"}, b"\0\r\n--x"), 200, {"A": "b"}, b"\0\r\n--x"),
    (Subresponse(GET, 204), 204, {}, b""),
    (Subresponse(GET, 304, {"ETag": '"7"'}), 304, {"ETag": '"7"'}, b""),
    (Subresponse(GET, 200, {"Content-Length": "7"}, b"{}"), 200, {}, b"{}"),
    (Subresponse(GET, 299, {"A": "b\r\n\r\n{}"}), 299, {"A": "b {}"}, b""),
    (
        Subresponse.refused(GET, NestedBatch("No.", pointer="/0")),
        403,
        {"Content-Type": "application/json"},
        json.dumps({"error": {"code": 403, "message": "No.", "errors": [ERROR]}}, separators=(",", ":")).encode(),
    ),
    (
        Subresponse(GET, 200, {"Content-Type": "image/png"}, error=BodyTooLarge("Big.")),
        200,
        {"Content-Type": "application/json"},
        b'{"error":{"code":200,"message":"Big.","errors":'
        b'[{"domain":"global","reason":"body_too_large","message":"Big.","location":""}]}}',
    ),
]


def envelope(content: bytes, content_type: str = "multipart/mixed; boundary=batch", limit: int = 100) -> Envelope:
    return Envelope(content, content_type, "http://testserver/batch", limit)


def read(writer: Writer, *subresponses: Subresponse) -> list[Answer | list[Answer]]:
    """The answer as a client reads it."""
    pieces = [writer.begin(), *map(writer.write, subresponses), writer.end()]
    assert writer.whole(subresponses) == b"".join(pieces)
    return answers(b"".join(pieces), writer.content_type)


@pytest.mark.parametrize(("content", "subrequests", "content_ids"), BATCHES)
def test_batch_is_read(content, subrequests, content_ids):
    batch = GoogleMultipart().parse(envelope(content))
    assert batch == Batch(subrequests, layout=PartsLayout(content_ids))


@pytest.mark.parametrize("dialect", [GoogleMultipart(), ODataMultipart()])
def test_body_in_a_content_coding_is_refused(dialect):
    sent = replace(envelope(b"\x1f\x8b"), headers={"Content-Encoding": "GZip"})
    with pytest.raises(UnsupportedMediaType, match="the content coding 'GZip'"):
        dialect.parse(sent)
    assert dialect.parse(replace(envelope(BATCHES[0][0]), headers={"Content-Encoding": "Identity"})).faults == ()


@pytest.mark.parametrize("dialect", [GoogleMultipart(), ODataMultipart()])
def test_body_that_did_not_arrive_is_refused_with_what_to_do(dialect):
    with pytest.raises(Malformed, match="send Content-Length"):
        dialect.parse(envelope(b""))


@pytest.mark.parametrize(("content", "pointers"), FAULTS)
def test_batch_that_is_wrong_tells_of_every_fault(content, pointers):
    assert [fault.pointer for fault in GoogleMultipart().parse(envelope(content)).faults] == pointers


@pytest.mark.parametrize(("url", "path"), PATHS.items())
def test_url_is_absolute_on_the_host_or_relative_to_the_batch(url, path):
    batch = GoogleMultipart().parse(envelope(multipart([part(message("GET", url))])))
    assert batch.subrequests[0].path == path


@pytest.mark.parametrize("url", NO_PATHS)
def test_url_of_another_host_or_of_none_is_refused(url):
    batch = GoogleMultipart().parse(envelope(multipart([part(message("GET", url))])))
    assert [fault.pointer for fault in batch.faults] == ["/0"]


@pytest.mark.parametrize("content", [content for content, *_ in BATCHES])
def test_batch_that_is_cut_off_is_refused(content):
    end = content.rindex(b"--batch--") + len(b"--batch--")
    for length in range(end):
        with pytest.raises(Malformed, match=r"a part may be missing|The batch is empty"):
            GoogleMultipart().parse(envelope(content[:length]))
    for length in range(end, len(content) + 1):
        assert not GoogleMultipart().parse(envelope(content[:length])).faults


def test_batch_with_too_many_parts_is_refused():
    content = multipart([part(message("GET", "/"))] * 5)
    assert len(GoogleMultipart().parse(envelope(content, limit=5)).subrequests) == 5
    with pytest.raises(TooManyRequests):
        GoogleMultipart().parse(envelope(content, limit=4))


def test_number_of_requests_is_an_option():
    assert GoogleMultipart().max_requests == 1_000
    assert GoogleMultipart(max_requests=50).max_requests == 50
    assert GoogleMultipart(max_requests=None).max_requests is None


@given(content=st.binary() | st.lists(st.binary()).map(lambda parts: multipart(map(part, parts))))
def test_law_whatever_is_sent_is_read_or_refused(content):
    try:
        batch = GoogleMultipart().parse(envelope(content))
    except Malformed:
        return
    assert batch.faults or batch.subrequests


bodies = st.binary() | st.sampled_from([b"--batch", b"\r\n--batch \r\n", b"\r\n", b"--batchresponse_"])


@given(sent=st.lists(bodies, min_size=1))
def test_law_bodies_go_in_and_out_as_they_are(sent):
    boundary = "x" * 200
    content = multipart([part(message("POST", "/", body), f"<{place}>") for place, body in enumerate(sent)], boundary)
    batch = GoogleMultipart().parse(envelope(content, f"multipart/mixed; boundary={boundary}"))
    assert [bytes(each.body) for each in batch.subrequests] == sent
    found = read(
        GoogleMultipart().writer(batch), *(Subresponse(each, 200, {}, bytes(each.body)) for each in batch.subrequests)
    )
    assert [(each.content_id, each.body) for each in found] == [
        (f"<response-{place}>", body) for place, body in enumerate(sent)
    ]


@pytest.mark.parametrize(("subresponse", "status", "headers", "body"), ANSWERS)
def test_answer_is_read_by_a_strict_client(subresponse, status, headers, body):
    writer = GoogleMultipart().writer(Batch((GET,), layout=PartsLayout({})))
    assert writer.status == 200
    (found,) = read(writer, subresponse)
    assert (found.status, found.headers, found.body) == (status, {**headers, "Content-Length": str(len(body))}, body)


@pytest.mark.parametrize(
    ("subresponse", "length"),
    [
        (Subresponse(HEAD, 200, {"Content-Length": "77"}), b"Content-Length: 77\r\n"),
        (Subresponse(HEAD, 200), b"Content-Length: 0\r\n"),
        (Subresponse.refused(HEAD, MethodNotAllowed("No.")), b"Content-Length: 129\r\n"),
    ],
)
def test_answer_to_head_keeps_the_length_of_what_is_not_sent(subresponse, length):
    assert length in GoogleMultipart().writer(Batch((HEAD,), layout=PartsLayout({}))).write(subresponse)


@pytest.mark.parametrize(
    ("options", "headers", "status", "content_ids"),
    [
        ({}, {}, 200, ["<response-a>", "response-b"]),
        ({}, {"x-ms-version": "2026-04-06"}, 202, ["<a>", "b"]),
        ({"status": 202}, {}, 202, ["<response-a>", "response-b"]),
        ({"status": 200, "id_prefix": "x"}, {"x-ms-version": "2026-04-06"}, 200, ["<xa>", "xb"]),
        ({"id_prefix": ""}, {}, 200, ["<a>", "b"]),
    ],
)
def test_answer_is_as_google_writes_it_or_azure(options, headers, status, content_ids):
    content = multipart([part(message("GET", "/"), "<a>"), part(message("GET", "/"), "b")])
    dialect = GoogleMultipart(**options)
    batch = dialect.parse(replace(envelope(content), headers=headers))
    writer = dialect.writer(batch)
    found = read(writer, *(Subresponse(each, 200) for each in batch.subrequests))
    assert (writer.status, [each.content_id for each in found]) == (status, content_ids)


def test_boundary_is_another_each_time():
    first, second = (GoogleMultipart().writer(Batch((), layout=PartsLayout({}))).content_type for _ in range(2))
    assert first != second
    assert first.startswith("multipart/mixed; boundary=batchresponse_")


def test_bodies_are_joined_into_the_answer_without_another_copy():
    body = b"x" * 10
    pieces = GoogleMultipart().writer(Batch((GET,), layout=PartsLayout({}))).pieces(Subresponse(GET, 200, {}, body))
    assert any(piece is body for piece in pieces)


def test_refusal_is_in_googles_form():
    fault = Malformed("Two.", pointer="/1")
    error = Malformed("One.", errors=[fault, Malformed("Three.", pointer="/2")])
    assert json.loads(GoogleMultipart().write_error(error)) == {
        "error": {
            "code": 400,
            "message": "One.",
            "errors": [
                {"domain": "global", "reason": "malformed", "message": "Two.", "location": "/1"},
                {"domain": "global", "reason": "malformed", "message": "Three.", "location": "/2"},
            ],
        }
    }
    assert GoogleMultipart.error_content_type == "application/json"
