"""The native format: its two layouts, read and written."""

import json
import re
from base64 import b64decode
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from django_batch.core.batch import Batch, Subrequest, Subresponse
from django_batch.dialects.base import Envelope
from django_batch.dialects.native.dialect import NativeDialect, NativeLayout
from django_batch.errors import BatchError, BodyTooLarge, MethodNotAllowed, RolledBack, UnsupportedMediaType
from tests.markdown import ROOT

REFERENCE = (ROOT / "docs/reference/wire_format.md").read_text()
JSON = ("Content-Type", "application/json")
WHOLE, BARE = NativeLayout(), NativeLayout(bare=True)
# the bytes of a batch, and the batch that is read from them
BATCHES = [
    (
        b'{"requests":[{"path":"/"}]}',
        Batch((Subrequest("0", "GET", "/", pointer="/requests/0"),), layout=WHOLE),
    ),
    (
        b'[{"path":"/"}]',
        Batch((Subrequest("0", "GET", "/", pointer="/0"),), layout=BARE),
    ),
    (
        b' \r\n\t[ {"url":"/a","method":"head"} , {"url":"http://testserver/b?c=d","id":"b"} ] ',
        Batch(
            (Subrequest("0", "HEAD", "/a", pointer="/0"), Subrequest("b", "GET", "/b?c=d", pointer="/1")), layout=BARE
        ),
    ),
    (
        b'{"atomic":true,"continue_on_error":false,"dry_run":true,"parallel":true,"requests":[{"path":"/"}]}',
        Batch(
            (Subrequest("0", "GET", "/", pointer="/requests/0"),),
            atomic=True,
            continue_on_error=False,
            dry_run=True,
            parallel=True,
            layout=WHOLE,
        ),
    ),
    (
        b'[{"path":"/","method":"PUT","headers":{"If-Match":"\\"1\\""},"body":{"price": 1.10, "price": 1e2}}]',
        Batch(
            (
                Subrequest(
                    "0",
                    "PUT",
                    "/",
                    headers=(("If-Match", '"1"'), JSON),
                    body=b'{"price": 1.10, "price": 1e2}',
                    pointer="/0",
                ),
            ),
            layout=BARE,
        ),
    ),
    (
        b'[{"path":"/","method":"POST","headers":{"content-type":"text/plain"},"body":"\\u00fc\\n"}]',
        Batch(
            (Subrequest("0", "POST", "/", (("content-type", "text/plain"),), "ü\n".encode(), pointer="/0"),),
            layout=BARE,
        ),
    ),
    (
        b'[{"path":"/","method":"POST","body":null},{"path":"/","method":"POST","body_base64":"eyc="}]',
        Batch(
            (
                Subrequest("0", "POST", "/", (JSON,), b"null", pointer="/0"),
                Subrequest("1", "POST", "/", (JSON,), b"{'", pointer="/1"),
            ),
            layout=BARE,
        ),
    ),
    (
        b'[{"path":"/","id":"a","atomicity_group":"g"},{"path":"/","atomicityGroup":"g","dependsOn":["a","a"]},'
        b'{"path":"/","depends_on":"g","omit_body":true}]',
        Batch(
            (
                Subrequest("a", "GET", "/", atomicity_group="g", pointer="/0"),
                Subrequest("1", "GET", "/", atomicity_group="g", depends_on=("a",), pointer="/1"),
                Subrequest("2", "GET", "/", depends_on=("g",), omit_body=True, pointer="/2"),
            ),
            layout=BARE,
        ),
    ),
    (
        b'{"@context":5,"x.y":[],"requests":[{"path":"/","@odata.type":1,"a.b":{}}]}',
        Batch((Subrequest("0", "GET", "/", pointer="/requests/0"),), layout=WHOLE),
    ),
]
GET = Subrequest("book", "GET", "/")
# an answer, its whole form, and its short form
ANSWERS = [
    (
        Subresponse(GET, 200, {"Content-Type": "application/json", "ETag": '"1"'}, b'{"price": 1.10}'),
        b'{"id":"book","status":200,"headers":{"Content-Type":"application/json","ETag":"\\"1\\""},'
        b'"body":{"price": 1.10}}',
        b'{"status":200,"response":{"price": 1.10}}',
    ),
    (
        Subresponse(GET, 204),
        b'{"id":"book","status":204,"headers":{},"body":null}',
        b'{"status":204,"response":null}',
    ),
    (
        Subresponse(GET, 404, {"Content-Type": "text/html; charset=iso-8859-1"}, b"<p>\xfc"),
        '{"id":"book","status":404,"headers":{"Content-Type":"text/html; charset=iso-8859-1"},"body":"<p>ü"}'.encode(),
        '{"status":404,"response":"<p>ü"}'.encode(),
    ),
    (
        Subresponse(GET, 200, {"Content-Type": "image/png"}, b"\x89PNG"),
        b'{"id":"book","status":200,"headers":{"Content-Type":"image/png"},"body":null,"body_base64":"iVBORw=="}',
        b'{"status":200,"response":null,"response_base64":"iVBORw=="}',
    ),
    (
        Subresponse(GET, 200, {"Content-Type": "text/plain", "Content-Encoding": "gzip"}, b"\x1f\x8b"),
        b'{"id":"book","status":200,"headers":{"Content-Type":"text/plain","Content-Encoding":"gzip"},"body":null,'
        b'"body_base64":"H4s="}',
        b'{"status":200,"response":null,"response_base64":"H4s="}',
    ),
    (
        Subresponse(GET, 200, {"Content-Type": "text/plain", "Content-Encoding": "identity"}, b"ok"),
        b'{"id":"book","status":200,"headers":{"Content-Type":"text/plain","Content-Encoding":"identity"},"body":"ok"}',
        b'{"status":200,"response":"ok"}',
    ),
    (
        Subresponse(Subrequest('"\n', "GET", "/", atomicity_group="gr\\up"), 200),
        b'{"id":"\\"\\n","status":200,"headers":{},"body":null,"atomicity_group":"gr\\\\up"}',
        b'{"status":200,"response":null}',
    ),
    (
        Subresponse(replace(GET, omit_body=True), 201, {"Content-Type": "text/plain"}, b"left out"),
        b'{"id":"book","status":201,"headers":{"Content-Type":"text/plain"},"body":null}',
        b'{"status":201,"response":null}',
    ),
    (
        Subresponse(replace(GET, omit_body=True), 400, {"Content-Type": "text/plain"}, b"never left out"),
        b'{"id":"book","status":400,"headers":{"Content-Type":"text/plain"},"body":"never left out"}',
        b'{"status":400,"response":"never left out"}',
    ),
]
OF_WHOLE, OF_BARE = Batch((), layout=WHOLE), Batch((), layout=BARE)
HEADERS = st.dictionaries(st.text(st.characters(codec="ascii")), st.text(st.characters(codec="latin-1")), max_size=3)
CONTENT_TYPES = st.sampled_from(["application/json", "text/plain", "text/plain; charset=latin-1", "image/png", ""])


def parse(
    body: bytes, content_type: str = "application/json", max_requests: int = 100, headers: Mapping[str, str] = {}
) -> Batch:
    return NativeDialect().parse(Envelope(body, content_type, "http://testserver/batch/", max_requests, headers))


@pytest.mark.parametrize(("body", "batch"), BATCHES)
def test_batch_is_read_as_what_it_is(body, batch):
    assert parse(body) == batch


@pytest.mark.parametrize(("body", "batch"), BATCHES)
def test_batch_is_answered_in_its_own_layout(body, batch):
    answer = json.loads(
        NativeDialect().writer(parse(body)).whole([Subresponse(each, 200) for each in batch.subrequests])
    )
    answers = answer if batch.layout.bare else answer["responses"]
    assert [each["status"] for each in answers] == [200] * len(batch.subrequests)


@pytest.mark.parametrize(("subresponse", "whole", "bare"), ANSWERS)
def test_answer_is_written_in_both_forms(subresponse, whole, bare):
    assert NativeDialect().writer(OF_WHOLE).whole([subresponse]) == b'{"responses":[%b]}' % whole
    assert NativeDialect().writer(OF_BARE).whole([subresponse]) == b"[%b]" % bare


def test_answers_are_written_in_their_order():
    subresponses = [Subresponse(GET, status) for status in (200, 404, 204)]
    assert NativeDialect().writer(OF_BARE).whole(subresponses) == (
        b'[{"status":200,"response":null},{"status":404,"response":null},{"status":204,"response":null}]'
    )


def test_many_different_headers_are_each_those_of_their_own_answer():
    headers = [{"X-Number": str(number)} for number in range(200)]
    content = NativeDialect().writer(OF_WHOLE).whole([Subresponse(GET, 204, each) for each in [*headers, *headers]])
    assert [each["headers"] for each in json.loads(content)["responses"]] == [*headers, *headers]


def test_dry_run_is_told_in_the_answer():
    assert json.loads(NativeDialect().writer(replace(OF_WHOLE, dry_run=True)).whole([])) == {
        "dry_run": True,
        "responses": [],
    }


@pytest.mark.parametrize("error", [RolledBack("Rolled back."), MethodNotAllowed("No.", headers={"Allow": "GET"})])
def test_refusal_of_an_item_is_its_body(error):
    subresponse = Subresponse.refused(GET, error)
    assert json.loads(NativeDialect().writer(OF_WHOLE).whole([subresponse])) == {
        "responses": [
            {
                "id": "book",
                "status": error.status,
                "headers": {"Content-Type": "application/problem+json", **error.headers},
                "body": error.problem(),
            }
        ]
    }


@pytest.mark.parametrize("status", [200, 299, 404, 599])
def test_error_in_place_of_a_body_keeps_the_status_of_the_view(status):
    subresponse = Subresponse(GET, status, {"X-Total": "7"}, error=BodyTooLarge("Too large."))
    (answer,) = json.loads(NativeDialect().writer(OF_BARE).whole([subresponse]))
    assert (answer["status"], answer["response"]["status"]) == (status, status)
    assert answer["response"]["code"] == "body_too_large"


def test_refusal_of_a_batch_is_a_problem_document():
    error = UnsupportedMediaType("Send JSON.")
    assert json.loads(NativeDialect().write_error(error)) == {
        "type": "about:blank",
        "title": "Unsupported Media Type",
        "status": 415,
        "detail": "Send JSON.",
        "code": "unsupported_media_type",
        "errors": [{"pointer": "", "detail": "Send JSON."}],
    }


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json; charset=UTF-8", 'application/json;charset="utf8"'],
)
def test_json_in_utf_8_is_read(content_type):
    assert parse(b'[{"path":"/"}]', content_type).subrequests


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/jsonp", "application/vnd.api+json", "application/json; charset=utf-16", "*/*"],
)
def test_any_other_content_type_is_unsupported(content_type):
    with pytest.raises(UnsupportedMediaType):
        parse(b'[{"path":"/"}]', content_type)


@pytest.mark.parametrize("split", [0, 1, 2, 3])
def test_character_is_read_wherever_the_check_of_utf_8_pauses(split):
    body = '["{}€"]'.format("x" * (2**16 - 2 - split)).encode()
    assert parse(body).faults[0].pointer == "/0"


@given(st.binary(), st.integers(0, 5))
def test_whatever_the_bytes_they_are_a_batch_or_an_error(body, max_requests):
    for each in (body, b"[%b]" % body, b'{"requests":[%b]}' % body, b'[{"path":"/","body":%b}]' % body):
        try:
            batch = parse(each, max_requests=max_requests)
        except BatchError:
            continue
        assert batch.faults or 0 < len(batch.subrequests) <= max_requests


@given(st.lists(st.tuples(st.text(), st.integers(200, 599), HEADERS, CONTENT_TYPES, st.binary() | st.just(b"{}"))))
def test_whatever_is_written_can_be_read(answers):
    subresponses = [
        Subresponse(Subrequest(id_, "GET", "/"), status, {**headers, "Content-Type": content_type}, body)
        for id_, status, headers, content_type, body in answers
    ]
    written = json.loads(NativeDialect().writer(OF_WHOLE).whole(subresponses))["responses"]
    assert [each["id"] for each in written] == [each.subrequest.id for each in subresponses]
    assert [each["status"] for each in written] == [each.status for each in subresponses]
    assert [each["headers"] for each in written] == [each.headers for each in subresponses]
    for each, subresponse in zip(written, subresponses, strict=True):
        if "body_base64" in each:
            assert b64decode(each["body_base64"]) == subresponse.body
        elif isinstance(each["body"], str) and "json" not in subresponse.headers["Content-Type"]:
            charset = "latin-1" if "latin-1" in subresponse.headers["Content-Type"] else "utf-8"
            assert each["body"].encode(charset) == subresponse.body


# The reference in the docs


def table(heading: str) -> dict[str, str]:
    """The members in the first table under a heading, with their explanations."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## )", REFERENCE, re.MULTILINE | re.DOTALL)[1]
    rows = re.search(r"^\| member .*?(?=^$)", section, re.MULTILINE | re.DOTALL)[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", rows, re.MULTILINE))


def known_to(content: bytes) -> list[str]:
    """The members that are listed when an unknown member is refused."""
    return parse(content).faults[0].detail.partition("members are ")[2].rstrip(".").split(", ")


def test_reference_tells_of_every_member_of_a_batch():
    assert [*table("The batch")] == known_to(b'{"requests":[{"path":"/"}],"xyz":1}')


def test_reference_tells_of_every_member_of_an_item():
    assert [*table("Items")] == known_to(b'[{"path":"/","xyz":1}]')


def test_reference_tells_of_every_member_of_an_answer():
    subrequest = Subrequest("a", "GET", "/", atomicity_group="g")
    timed = Batch((), layout=NativeLayout(timing=True))
    written = json.loads(NativeDialect().writer(timed).whole([Subresponse(subrequest, 200, {}, b"\xff")]))
    assert [*table("Answers")] == [*written["responses"][0]]


def test_reference_tells_the_defaults():
    told = {**table("The batch"), **table("Items")}
    defaults = {name: found[1] for name, text in told.items() if (found := re.search(r"Default: `(\w+)`", text))}
    batch = parse(b'{"requests":[{"path":"/"}]}')
    assert defaults == {
        "atomic": json.dumps(batch.atomic),
        "continue_on_error": json.dumps(batch.continue_on_error),
        "dry_run": json.dumps(batch.dry_run),
        "read_only": json.dumps(batch.read_only),
        "parallel": json.dumps(batch.parallel),
        "timing": json.dumps(batch.layout.timing),
        "method": batch.subrequests[0].method,
        "omit_body": json.dumps(batch.subrequests[0].omit_body),
    }


# As lines


@pytest.mark.parametrize("media_type", ["application/jsonl", "application/x-ndjson"])
@pytest.mark.parametrize("body", [b'{"requests":[{"path":"/"}]}', b'[{"path":"/"}]'])
def test_batch_is_answered_in_lines_where_they_are_accepted(body, media_type):
    writer = NativeDialect().writer(parse(body, headers={"Accept": media_type}))
    assert (writer.content_type, writer.status, writer.streamed, writer.in_order) == (media_type, 207, True, False)
    first, last, rest = writer.whole([Subresponse(GET, 404, {"Content-Type": "text/plain"}, b"x")]).split(b"\n")
    assert first == b'{"id":"book","status":404,"headers":{"Content-Type":"text/plain"},"body":"x"}'
    assert (last, rest) == (b'{"done":true,"responses":1,"failed":1}', b"")


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "text/html", "application/jsonl;q=0.9, */*"])
def test_batch_is_answered_whole_where_lines_are_not_preferred(accept):
    writer = NativeDialect().writer(parse(b'[{"path":"/"}]', headers={"Accept": accept}))
    assert (writer.content_type, writer.streamed) == ("application/json", False)


def test_last_line_tells_of_a_dry_run():
    writer = NativeDialect().writer(parse(b'{"dry_run":true,"requests":[]}', headers={"Accept": "application/jsonl"}))
    assert writer.whole([]) == b'{"done":true,"dry_run":true,"responses":0,"failed":0}\n'


@given(st.lists(st.text(max_size=3), min_size=1), st.sampled_from(["\n", "\r\n", "\t", "\x85", "\u2028", "\u2029"]))
def test_answer_is_one_line_for_every_reader(texts, separator):
    body = json.dumps([text + separator for text in texts], ensure_ascii=False, indent=1).encode()
    subresponse = Subresponse(GET, 200, dict([JSON]), body.replace(b"\n", b"\r\n"))
    writer = NativeDialect().writer(Batch((), layout=NativeLayout(media_type="application/jsonl")))
    (line,) = writer.write(subresponse).decode().splitlines()
    assert json.loads(line)["body"] == json.loads(body)


def test_duration_is_told_in_milliseconds_where_that_is_asked_for():
    for headers in ({}, {"Accept": "application/jsonl"}):
        writer = NativeDialect().writer(parse(b'{"timing":true,"requests":[{"path":"/"}]}', headers=headers))
        answer = json.loads(writer.write(Subresponse(GET, 204, duration=0.0015)))
        assert answer == {"id": "book", "status": 204, "headers": {}, "body": None, "duration": 1.5}
