"""OData's JSON format and Microsoft Graph's: reading, writing and refusals."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from inspect import signature

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from django_batch.core.batch import Batch, Subrequest, Subresponse
from django_batch.core.plan import plan
from django_batch.dialects.base import Envelope
from django_batch.dialects.native import NativeDialect
from django_batch.dialects.odata import ODataJSON
from django_batch.dialects.odata.items import ItemReader
from django_batch.dialects.odata.urls import ServiceRoot
from django_batch.errors import BatchError, BodyTooLarge, FailedDependency, RolledBack, UnsupportedMediaType
from tests.markdown import ROOT

REFERENCE = (ROOT / "docs/reference/dialects.md").read_text()
BATCH = "http://h/svc/$batch"
JSON = ("content-type", "application/json")
# an item, and the sub-request that is read from it
ITEMS = [
    *(
        (f'{{"id":"1","method":"get","url":"x","headers":{headers}}}', Subrequest("1", "GET", "/svc/x"))
        for headers in ("[]", "null", '{"A":null}')
    ),
    ('{"id":"1","method":"get","url":"Items(7)"}', Subrequest("1", "GET", "/svc/Items(7)")),
    ('{"id":"1","method":"GET","url":"/api/items/"}', Subrequest("1", "GET", "/api/items/")),
    ('{"id":"ü","method":"Delete","url":"http://h/x?y"}', Subrequest("ü", "DELETE", "/x?y")),
    ('{"id":"1","method":"p\\u017fst","url":"x"}', Subrequest("1", "p\u017fst", "/svc/x")),
    (
        '{"id":"1","method":"get","url":"x","headers":{},"body":null,"dependsOn":[],"atomicityGroup":"g"}',
        Subrequest("1", "GET", "/svc/x", atomicity_group="g"),
    ),
    (
        '{"id":"1","method":"get","url":"x","headers":null,"dependsOn":null,"atomicityGroup":null,"if":null}',
        Subrequest("1", "GET", "/svc/x"),
    ),
    (
        '{"id":"1","method":"get","url":"x","@type":"#batch","a.b":1,"id@x":[]}',
        Subrequest("1", "GET", "/svc/x"),
    ),
    (
        '{"id":"1","method":"get","url":"x","dependsOn":["a","b","a"]}',
        Subrequest("1", "GET", "/svc/x", depends_on=("a", "b")),
    ),
    ('{"id":"1","method":"get","url":"x","depends_on":["a"]}', Subrequest("1", "GET", "/svc/x", depends_on=("a",))),
    (
        '{"id":"1","method":"get","url":"x","dependsOn":"a","depends_on":["b"]}',
        Subrequest("1", "GET", "/svc/x", depends_on=("a", "b")),
    ),
    (
        '{"id":"1","method":"post","url":"x","headers":{"content-type":"application/json"},"body":{"n": 1.10, "n":[]}}',
        Subrequest("1", "POST", "/svc/x", (JSON,), b'{"n": 1.10, "n":[]}'),
    ),
    (
        '{"id":"1","method":"post","url":"x","headers":{"Prefer":"return=minimal"},"body":"x"}',
        Subrequest("1", "POST", "/svc/x", (("Prefer", "return=minimal"), ("Content-Type", "application/json")), b'"x"'),
    ),
    (
        '{"id":"1","method":"post","url":"x","headers":{"Content-Type":"text/plain;charset=latin-1"},"body":"\\u00fc"}',
        Subrequest("1", "POST", "/svc/x", (("Content-Type", "text/plain;charset=latin-1"),), b"\xfc"),
    ),
]
# the type of a body, its JSON text, and the bytes that the view gets
BODIES = [
    ("application/json", '"WzEsIDJd"', b"[1, 2]"),
    ("application/json;odata.metadata=minimal", '"WzEsIDJd"', b"[1, 2]"),
    ("application/json", '"WzEs"', b'"WzEs"'),
    ("application/json", '"Well"', b'"Well"'),
    ("application/json", '"W[]"', b'"W[]"'),
    ("application/json", '"eyJhIjoxfQ=="', b'"eyJhIjoxfQ=="'),
    ("application/json", '"MTIz"', b'"MTIz"'),
    ("application/vnd.x+json", '{"a": 1}', b'{"a": 1}'),
    ("application/json", "0", b"0"),
    ("text/html", '"<p>"', b"<p>"),
    ("image/png", '"iVBORw0KGgo"', b"\x89PNG\r\n\x1a\n"),
    ("image/png", '"iVBORw0KGgo="', b"\x89PNG\r\n\x1a\n"),
    ("image/png", '"-_-_"', b"\xfb\xff\xbf"),
    ("image/png", '"+/+/"', b"\xfb\xff\xbf"),
    ("image/png", '""', b""),
    ("application/xml", '"PGE-"', b"<a>"),
    ("application/x-www-form-urlencoded", '"YT1i"', b"a=b"),
    ("", '"YT1i"', b"a=b"),
    (None, '"WzEsIDJd"', b"[1, 2]"),
    (None, '"eyJhIjoxfQ"', b'{"a":1}'),
    (None, '"eyJhIjox"', b'"eyJhIjox"'),
    (None, '"e[]"', b'"e[]"'),
    (None, '"MTIz"', b'"MTIz"'),
]
# an item that cannot be read, and the place of the mistake in it
WRONG = [
    ("1", ""),
    ("[]", ""),
    ("null", ""),
    ("{}", ""),
    ('{"method":"get","url":"x"}', ""),
    ('{"id":"1","url":"x"}', ""),
    ('{"id":"1","method":"get"}', ""),
    ('{"id":1,"method":"get","url":"x"}', "/id"),
    ('{"id":null,"method":"get","url":"x"}', "/id"),
    ('{"id":"1","method":null,"url":"x"}', "/method"),
    ('{"id":"1","method":"get","url":["x"]}', "/url"),
    ('{"id":"1","method":"get","url":"//other/x"}', "/url"),
    ('{"id":"1","method":"get","url":"http://other/x"}', "/url"),
    ('{"id":"1","method":"get","url":"x#y"}', "/url"),
    ('{"id":"1","method":"get","url":"x","headers":["a"]}', "/headers"),
    ('{"id":"1","method":"get","url":"x","url":"y"}', "/url"),
    ('{"id":"1","method":"get","url":"x","u\\u0072l":"y"}', "/url"),
    ('{"id":"1","method":"get","url":"x","headers":{"a":"1","a":"2"}}', "/headers/a"),
    ('{"id":"1","method":"put","url":"x","body":{"a":1,"a":2},"body":{}}', "/body"),
    ('{"id":"1","method":"get","url":"x","headers":{"a":1}}', "/headers"),
    (json.dumps({"id": "1", "method": "get", "url": "x", "headers": {f"x{n}": "" for n in range(101)}}), "/headers"),
    ('{"id":"1","method":"get","url":"x","dependsOn":[1]}', "/dependsOn/0"),
    ('{"id":"1","method":"get","url":"x","dependsOn":{}}', "/dependsOn"),
    ('{"id":"1","method":"get","url":"x","atomicityGroup":1}', "/atomicityGroup"),
    ('{"id":"1","method":"get","url":"x","if":true}', "/if"),
    ('{"id":"1","method":"get","url":"x","if":"$a/$succeeded"}', "/if"),
    ('{"id":"1","method":"get","url":"x","dependson":[]}', "/dependson"),
    ('{"id":"1","method":"get","url":"x","path":"x"}', "/path"),
    ('{"id":"1","method":"post","url":"x","headers":{"content-type":"image/png"},"body":{}}', "/body"),
    ('{"id":"1","method":"post","url":"x","headers":{"content-type":"image/png"},"body":"a"}', "/body"),
    ('{"id":"1","method":"post","url":"x","headers":{"content-type":"image/png"},"body":"ä==="}', "/body"),
    ('{"id":"1","method":"post","url":"x","headers":{"content-type":"text/plain"},"body":1}', "/body"),
    (
        '{"id":"1","method":"post","url":"x","headers":{"content-type":"text/plain;charset=no"},"body":""}',
        "/headers/content-type",
    ),
    (json.dumps({"id": "1", "method": "put", "url": "x", "dependsOn": ["a"], "body": ["$a"] * 1001}), ""),
]
GET = {"method": "get", "url": "x"}
# the items of a batch, and the code and place of the mistake
FAULTS = [
    ([{"id": "1", **GET}, {"id": "1", **GET}], [("DuplicateId", "/requests/0/id"), ("DuplicateId", "/requests/1/id")]),
    ([{"id": "g", "atomicityGroup": "g", **GET}], [("DuplicateId", "/requests/0/id")]),
    ([{"id": "1", "dependsOn": ["2"], **GET}], [("UnknownDependency", "/requests/0/dependsOn")]),
    (
        [{"id": "1", "dependsOn": ["2"], **GET}, {"id": "2", **GET}],
        [("Malformed", "/requests/0/dependsOn")],
    ),
    (
        [{"id": "1", "dependsOn": ["g"], **GET}, {"id": "2", "atomicityGroup": "g", **GET}],
        [("Malformed", "/requests/0/dependsOn")],
    ),
    ([{"id": "1", "dependsOn": ["1"], **GET}], [("DependencyCycle", "/requests/0/dependsOn")]),
    (
        [{"id": "1", "atomicityGroup": "g", **GET}, {"id": "2", **GET}, {"id": "3", "atomicityGroup": "g", **GET}],
        [("Malformed", "/requests/2/atomicityGroup")],
    ),
    ([{"id": "1", "method": "get", "url": "$2/x"}], [("UnknownDependency", "/requests/0/dependsOn")]),
    (
        [{"id": "1", **GET}, {"id": "2", "headers": {"if-match": "$1"}, **GET}],
        [("UnknownDependency", "/requests/1/dependsOn")],
    ),
    (
        [{"id": "1", "atomicityGroup": "g", **GET}, {"id": "2", "method": "get", "url": "$g", "dependsOn": ["g"]}],
        [("UnknownDependency", "/requests/1/dependsOn")],
    ),
    (
        [{"id": "0", **GET}, GET, {"id": "2", "dependsOn": ["0"], **GET}, {"id": "3", "x": 1}],
        [("Malformed", "/requests/1"), ("Malformed", "/requests/3/x")],
    ),
]
# a text that is not a batch, and the place of the mistake
NO_BATCHES = [
    (b"", ""),
    (b"{", ""),
    (b"[]", ""),
    (b'[{"id":"1","method":"get","url":"x"}]', ""),
    (b"{}", "/requests"),
    (b'{"requests":{}}', "/requests"),
    (b'{"requests":null}', "/requests"),
    (b'{"requests":[]}', "/requests"),
    (b'{"requests":[{"id":"1","method":"get","url":"\xff"}]}', ""),
    (b'{"requests":[{"id":"1","method":"get","url":"x"}],"request":1}', "/request"),
    (b"[" * 100_000, ""),
]
ONE = Subrequest("1", "GET", "/")
# an answer, and the item that is written for it
ANSWERS = [
    (
        Subresponse(ONE, 200, {"Content-Type": "application/json", "ETag": '"1"'}, b'{"n": 1.10}'),
        b'{"id":"1","status":200,"headers":{"Content-Type":"application/json","ETag":"\\"1\\""},"body":{"n": 1.10}}',
    ),
    (Subresponse(ONE, 204), b'{"id":"1","status":204,"headers":{},"body":null}'),
    (
        Subresponse(replace(ONE, id='"ü', atomicity_group="g\\"), 201, {"Location": "/x"}),
        '{"id":"\\"ü","atomicityGroup":"g\\\\","status":201,"headers":{"Location":"/x"},"body":null}'.encode(),
    ),
    (
        Subresponse(ONE, 404, {"Content-Type": "text/html; charset=iso-8859-1"}, b"<p>\xfc"),
        '{"id":"1","status":404,"headers":{"Content-Type":"text/html; charset=iso-8859-1"},"body":"<p>ü"}'.encode(),
    ),
    (
        Subresponse(ONE, 200, {"Content-Type": "image/png"}, b"\xfb\xff\xbf\x00"),
        b'{"id":"1","status":200,"headers":{"Content-Type":"image/png"},"body":"-_-_AA=="}',
    ),
    (
        Subresponse(ONE, 200, {"Content-Type": "application/xml; charset=utf-8"}, b"<a>"),
        b'{"id":"1","status":200,"headers":{"Content-Type":"application/xml; charset=utf-8"},"body":"PGE-"}',
    ),
    (
        Subresponse(ONE, 200, {"Content-Type": "text/plain; charset=utf-8"}, b"\xff"),
        b'{"id":"1","status":200,"headers":{"Content-Type":"text/plain; charset=utf-8"},"body":"_w=="}',
    ),
    (
        Subresponse(ONE, 200, {"Content-Type": "application/json"}, b'{"n": NaN}'),
        b'{"id":"1","status":200,"headers":{"Content-Type":"application/json"},"body":"{\\"n\\": NaN}"}',
    ),
    (
        Subresponse(ONE, 200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"\x1f\x8b"),
        b'{"id":"1","status":200,"headers":{"Content-Type":"application/json","Content-Encoding":"gzip"},"body":"H4s="}',
    ),
    (
        Subresponse.refused(ONE, FailedDependency("Not run.")),
        b'{"id":"1","status":424,"headers":{"Content-Type":"application/json"},"body":{"error":{"code":"FailedDependency",'
        b'"message":"Not run.","details":[{"code":"FailedDependency","message":"Not run."}]}}}',
    ),
    (
        Subresponse(ONE, 200, {"X-Total": "7"}, error=BodyTooLarge("Long.")),
        b'{"id":"1","status":200,"headers":{"Content-Type":"application/json","X-Total":"7"},"body":{"error":{'
        b'"code":"BodyTooLarge","message":"Long.","details":[{"code":"BodyTooLarge","message":"Long."}]}}}',
    ),
]


def parse(
    body: bytes, headers: Mapping[str, str] | None = None, dialect: ODataJSON | None = None, max_requests: int = 100
) -> Batch:
    envelope = Envelope(body, "application/json", BATCH, max_requests, headers or {})
    return (dialect or ODataJSON()).parse(envelope)


def batch_of(*items: object) -> bytes:
    return json.dumps({"requests": items}).encode()


def read(text: str) -> Subrequest:
    return ItemReader(ServiceRoot(), BATCH, values=True).read(Raw(text.encode()), 0, "")


@pytest.mark.parametrize(("text", "subrequest"), ITEMS, ids=lambda value: str(value)[:60])
def test_item_is_read_as_what_it_is(text, subrequest):
    assert read(text) == subrequest


@pytest.mark.parametrize(("content_type", "text", "body"), BODIES)
def test_body_is_read_by_its_type(content_type, text, body):
    headers = json.dumps({} if content_type is None else {"content-type": content_type})
    found = read(f'{{"id":"1","method":"put","url":"x","headers":{headers},"body":{text}}}')
    assert bytes(found.body) == body


@pytest.mark.parametrize(("text", "place"), WRONG, ids=lambda value: str(value)[:60])
def test_item_that_is_wrong_tells_where(text, place):
    with pytest.raises(BatchError) as caught:
        read(text)
    assert (caught.value.code, caught.value.pointer) == ("malformed", place)


@pytest.mark.parametrize(("items", "faults"), FAULTS, ids=lambda value: str(value)[:60])
def test_batch_that_cannot_be_run_is_refused_with_all_that_is_wrong(items, faults):
    with pytest.raises(BatchError) as caught:
        plan(parse(batch_of(*items)))
    error = json.loads(ODataJSON().write_error(caught.value))["error"]
    assert [(each["code"], each["target"]) for each in error["details"]] == faults
    assert (error["code"], error["target"]) == faults[0]


@pytest.mark.parametrize(("body", "place"), NO_BATCHES, ids=lambda value: str(value)[:40])
def test_what_is_no_batch_tells_where(body, place):
    with pytest.raises(BatchError) as caught:
        plan(parse(body))
    assert (caught.value.status, caught.value.code, caught.value.pointer) == (400, "malformed", place)


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/mixed", "application/json;charset=utf-16"])
def test_batch_of_another_type_is_unsupported(content_type):
    with pytest.raises(UnsupportedMediaType):
        ODataJSON().parse(Envelope(batch_of({"id": "1", **GET}), content_type, BATCH, 100))


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json;odata.metadata=minimal;IEEE754Compatible=true",
        "Application/JSON; charset=UTF-8",
    ],
)
def test_parameters_of_the_type_do_not_matter(content_type):
    assert ODataJSON().parse(Envelope(batch_of({"id": "1", **GET}), content_type, BATCH, 100)).subrequests


def test_too_many_items_are_refused_before_any_is_read():
    with pytest.raises(BatchError) as caught:
        parse(b'{"requests":[1,2,3,4]}', max_requests=3)
    assert caught.value.code == "too_many_requests"


def test_annotations_of_a_batch_are_no_members():
    batch = parse(b'{"@context":"x","a.b":1,"requests":[{"id":"1","method":"get","url":"x"}]}')
    assert (batch.faults, len(batch.subrequests)) == ((), 1)


def test_url_with_a_slash_is_under_the_root_if_there_is_one():
    dialect = ODataJSON(service_root="/v1.0/", host_relative=("/api/",))
    items = [{"id": url, "method": "get", "url": url} for url in ("/me", "me", "/api/x", "http://h/y")]
    paths = [each.path for each in parse(batch_of(*items), dialect=dialect).subrequests]
    assert paths == ["/v1.0/me", "/v1.0/me", "/api/x", "/y"]


def test_service_root_without_slashes_is_an_error_at_once():
    with pytest.raises(ValueError, match=r"'v1\.0' must begin and end with a slash"):
        ODataJSON(service_root="v1.0")


def test_who_depends_on_a_group_can_refer_to_its_members():
    items = [
        {"id": "a", "atomicityGroup": "g", **GET},
        {"id": "b", "atomicityGroup": "g", **GET},
        {"id": "c", "method": "post", "url": "$a/x", "dependsOn": ["g"], "if": "$b/$succeeded", "body": ["$b", "$c"]},
    ]
    found = parse(batch_of(*items)).subrequests[-1]
    assert [(each.place, each.id) for each in found.references] == [("path", "a"), ("body", "b")]
    assert found.depends_on == ("g", "a", "b")
    assert found.condition({"a": True, "b": False, "g": True}) is False


@pytest.mark.parametrize("url", ["$1", "/svc/$1", "http://h/svc/$1"])
def test_url_in_a_body_may_have_the_service_root_before_its_reference(url):
    item = {"id": "2", **GET, "method": "POST", "dependsOn": ["1"], "body": {"parent@odata.bind": url}}
    dialect = ODataJSON(service_root="/svc/", value_references=False)
    found = parse(batch_of({"id": "1", **GET}, item), dialect=dialect).subrequests[1].references
    assert [(each.place, each.id) for each in found] == [("body", "1")]


def test_without_value_references_strings_are_left_alone():
    item = {"id": "2", "method": "post", "url": "x?y=$1/z", "dependsOn": ["1"], "body": {"x": "$1", "y@bind": "$1"}}
    [reference] = (
        parse(batch_of({"id": "1", **GET}, item), dialect=ODataJSON(value_references=False)).subrequests[1].references
    )
    assert reference.place == "body"
    assert reference.text == "$1"
    assert reference.start == len('{"x": "$1", "y@bind": ')


@pytest.mark.parametrize(
    ("prefer", "continue_on_error"),
    [(None, True), ("continue-on-error", True), ("continue-on-error=false", False), ("respond-async", True)],
)
def test_batch_goes_on_unless_its_sender_prefers_otherwise(prefer, continue_on_error):
    headers = {} if prefer is None else {"Prefer": prefer}
    assert parse(batch_of({"id": "1", **GET}), headers).continue_on_error is continue_on_error


@pytest.mark.parametrize(("version", "told"), [(None, "4.01"), ("4.0", "4.0"), ("4.01", "4.01")])
def test_answer_is_in_the_version_of_the_request(version, told):
    headers = {} if version is None else {"OData-Version": version}
    writer = ODataJSON().writer(parse(batch_of({"id": "1", **GET}), headers))
    assert (writer.status, writer.content_type, writer.headers) == (200, "application/json", {"OData-Version": told})


@pytest.mark.parametrize(("subresponse", "item"), ANSWERS)
def test_answer_has_all_its_members(subresponse, item):
    writer = ODataJSON().writer(Batch((), layout="4.01"))
    assert writer.whole([subresponse]) == b'{"responses":[%b]}' % item


def test_answers_are_written_in_their_order():
    subresponses = [Subresponse(replace(ONE, id=id_), 204) for id_ in ("b", "a")]
    written = json.loads(ODataJSON().writer(Batch((), layout="4.01")).whole(subresponses))
    assert [each["id"] for each in written["responses"]] == ["b", "a"]


def test_headers_are_in_lower_case_if_the_site_says_so():
    writer = ODataJSON(lower_case_headers=True).writer(Batch((), layout="4.01"))
    answers = [Subresponse(ONE, 200, {"ETag": "x"}), Subresponse.refused(ONE, RolledBack("No."))]
    written = json.loads(writer.whole(answers))["responses"]
    assert [each["headers"] for each in written] == [{"etag": "x"}, {"content-type": "application/json"}]


@pytest.mark.parametrize(
    ("options", "body"), [({}, "-_8="), ({"base64": "url"}, "-_8="), ({"base64": "standard"}, "+/8=")]
)
def test_bytes_are_in_the_alphabet_that_the_site_says(options, body):
    writer = ODataJSON(**options).writer(Batch((), layout="4.01"))
    (written,) = json.loads(writer.whole([Subresponse(ONE, 200, {"Content-Type": "image/png"}, b"\xfb\xff")]))[
        "responses"
    ]
    assert written["body"] == body
    (read_back,) = parse(
        batch_of({"id": "1", **GET, "method": "put", "headers": {"Content-Type": "image/png"}, "body": body}),
    ).subrequests
    assert read_back.body == b"\xfb\xff"


def test_alphabet_that_is_none_is_refused():
    with pytest.raises(ValueError, match="must be 'url' or 'standard'"):
        ODataJSON(base64="base64")


# The reference in the docs


def rows(heading: str) -> dict[str, str]:
    """The first column of the first table under a heading of the reference -> the second."""
    section = re.search(rf"^##+ {heading}\n(.*?)(?=^##)", REFERENCE, re.MULTILINE | re.DOTALL)[1]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))


def test_reference_tells_of_every_option_and_its_default():
    options = {name: f"`{each.default}`" for name, each in signature(ODataJSON).parameters.items()}
    assert rows("`ODataJSON`") == options


def test_reference_tells_of_every_member_of_an_item():
    with pytest.raises(BatchError) as caught:
        read('{"id":"1","method":"get","url":"x","xyz":1}')
    known = caught.value.detail.partition("members are ")[2].rstrip(".").split(", ")
    assert sorted(rows("Items of `ODataJSON`")) == sorted(known)


# Laws

texts = st.text(max_size=8) | st.sampled_from(["1", "$1", "$1/x", "g", "/x", "http://h/y", "$1/$succeeded", "W10"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(texts, children, max_size=3),
    max_leaves=8,
)
MEMBERS = ["id", "method", "url", "headers", "body", "dependsOn", "atomicityGroup", "if", "depends_on", "@x", "x"]
items = st.dictionaries(st.sampled_from(MEMBERS), json_values) | st.builds(
    lambda item, id_: {"method": "post", "url": "x", **item, "id": id_},
    st.fixed_dictionaries(
        {}, optional={"url": texts, "body": json_values, "if": texts, "headers": st.dictionaries(texts, texts)}
    ),
    st.sampled_from("123"),
)


@given(st.lists(items | json_values, max_size=4) | json_values)
def test_whatever_the_items_they_are_a_plan_or_an_error(items):
    try:
        assert plan(parse(json.dumps({"requests": items}).encode())).steps
    except BatchError as error:
        refused = error
    else:
        return
    assert refused.status == 400
    assert json.loads(ODataJSON().write_error(refused))["error"]["details"]


@given(st.binary())
def test_whatever_the_bytes_they_are_a_batch_or_an_error(body):
    for each in (
        body,
        b'{"requests":[%b]}' % body,
        b'{"requests":[{"id":"1","method":"put","url":"x","body":%b}]}' % body,
    ):
        try:
            batch = parse(each)
        except BatchError:
            continue
        assert batch.faults or batch.subrequests


@given(
    value=json_values.filter(lambda value: not str(value).startswith("W")),  # an array in base64 starts with a W
    indent=st.none() | st.integers(0, 3),
    as_ascii=st.booleans(),
)
def test_law_body_without_dependencies_is_taken_byte_for_byte(value, indent, as_ascii):
    body = json.dumps(value, indent=indent, ensure_ascii=as_ascii)
    found = read(f'{{"id":"1","method":"put","url":"x","body":{body}}}')
    assert bytes(found.body) == (b"" if value is None else body.encode())


@st.composite
def batches(draw):
    """Items as tuples of id, method, path, headers, body, dependencies and group."""
    groups = sorted(draw(st.lists(st.sampled_from([None, None, "g", "h"]), min_size=1, max_size=5)), key=str)
    return [
        (
            str(place),
            draw(st.sampled_from(["get", "POST", "Patch", "delete"])),
            draw(st.sampled_from(["/", "/api/items/7/?a=b", "http://h/x", "/%2e"])),
            draw(st.dictionaries(st.sampled_from(["Prefer", "If-Match", "Accept"]), st.sampled_from(["*", "x"]))),
            draw(st.none() | st.dictionaries(st.text(), st.integers() | st.lists(st.booleans()), max_size=2)),
            draw(st.lists(st.sampled_from([str(earlier) for earlier in range(place)]), max_size=2)) if place else [],
            group,
        )
        for place, group in enumerate(groups)
    ]


def written(item, path, depends_on, group):
    """`item` as JSON, in a dialect with these names of members."""
    values = dict(zip(("id", "method", path, "headers", "body", depends_on, group), item, strict=True))
    return {name: value for name, value in values.items() if value is not None}


@given(batches(), st.booleans())
def test_law_batch_means_what_the_same_means_in_the_native_format(items, goes_on):
    native = {"requests": [written(item, "path", "depends_on", "atomicity_group") for item in items]}
    envelope = Envelope(json.dumps({**native, "continue_on_error": goes_on}).encode(), "application/json", BATCH, 100)
    same = NativeDialect().parse(envelope)
    odata = [written(item, "url", "dependsOn", "atomicityGroup") for item in items]
    found = parse(batch_of(*odata), {"Prefer": f"continue-on-error={goes_on}".lower()})
    assert found == replace(same, layout="4.01")


CONTENT_TYPES = st.sampled_from(["application/json", "text/plain", "text/plain; charset=latin-1", "image/png", ""])
answers = st.tuples(st.text(), st.integers(200, 599), CONTENT_TYPES, st.binary() | st.just(b'{"a": [1]}'))


@given(st.lists(answers))
def test_whatever_is_written_can_be_read(answers):
    subresponses = [
        Subresponse(Subrequest(id_, "GET", "/"), status, {"Content-Type": content_type}, body)
        for id_, status, content_type, body in answers
    ]
    written = json.loads(ODataJSON().writer(Batch((), layout="4.01")).whole(subresponses))["responses"]
    for each, (id_, status, content_type, body) in zip(written, answers, strict=True):
        assert [*each] == ["id", "status", "headers", "body"]
        assert (each["id"], each["status"], each["headers"]) == (id_, status, {"Content-Type": content_type})
        if content_type in ("image/png", "") and body:
            assert urlsafe_b64decode(each["body"]) == body
        elif not body:
            assert each["body"] is None
