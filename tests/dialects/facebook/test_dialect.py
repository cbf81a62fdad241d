"""Facebook's format: how operations are read, and how answers are written."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from django_batch.core.batch import Batch, File, Subrequest, Subresponse
from django_batch.core.documents import document
from django_batch.core.plan import plan
from django_batch.core.references import Budget, fill
from django_batch.dialects.base import Envelope, Form
from django_batch.dialects.facebook import FacebookBatch
from django_batch.dialects.facebook.references import compile_path
from django_batch.errors import (
    BatchError,
    BodyTooLarge,
    FailedDependency,
    HeaderNotAllowed,
    Malformed,
    NotRun,
    TooManyRequests,
    UnresolvedReference,
    UnsupportedMediaType,
)

JSON, FORM, UPLOAD = "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
URL = "http://testserver/v6.0/"
AS_TEXT = (("content-type", "text/plain"), ("If-Match", "a:b"))
AS_FORM, AS_JSON = ("Content-Type", FORM), ("Content-Type", JSON)


def file(field: str, content: bytes = b"") -> File:
    return File(field, "a.png", "", len(content), lambda position, size: content[position : position + size])


FILES = {"a": (file("a"),), "b": (file("b"),)}


def envelope(body: bytes = b"", content_type: str = JSON, form: Form | None = None, query: str = "") -> Envelope:
    return Envelope(body, content_type, URL, max_requests=50, form=form, query=query)


def read(*operations: Any, dialect: FacebookBatch | None = None, **parameters: Any) -> Batch:
    """The batch that is read from a form with `operations`."""
    fields = {name: (value,) for name, value in {"batch": json.dumps(operations), **parameters}.items()}
    return (dialect or FacebookBatch()).parse(envelope(content_type=UPLOAD, form=Form(fields, FILES)))


def one(**members: Any) -> Subrequest:
    """The first of two operations. The other one is named mk."""
    batch = read({"relative_url": "x", **members}, {"relative_url": "mk", "name": "mk"})
    plan(batch)
    return batch.subrequests[0]


# The place of the batch in its request

OPERATIONS = json.dumps([{"relative_url": "me"}])
CARRIED = [
    envelope(b'{"batch": %b}' % OPERATIONS.encode()),
    envelope(b'{"access_token": 7, "batch": %b, "x": {}}' % json.dumps(OPERATIONS).encode()),
    envelope(content_type=FORM, form=Form({"batch": (OPERATIONS,), "x": ("y",)}, {})),
    envelope(content_type=UPLOAD, form=Form({}, {"batch": (file("batch", OPERATIONS.encode()),)})),
    envelope(content_type=FORM, form=Form({}, {}), query=f"batch={quote(OPERATIONS)}"),
    envelope(b"", "", query=f"a=&batch={quote_plus(OPERATIONS)}"),
    *(
        envelope(f"a=b&batch={quote_plus(OPERATIONS)}".encode(), content_type, query="batch=[]&a=c")
        for content_type in ("", "text/plain", "text/plain; charset=utf-8")
    ),
    envelope(b'{"batch": %b}' % OPERATIONS.encode(), query="batch=[]"),
    envelope(content_type=FORM, form=Form({"batch": (OPERATIONS,)}, {}), query="batch=[]"),
]


@pytest.mark.parametrize("carrier", CARRIED)
def test_batch_is_found_wherever_it_stands(carrier):
    (subrequest,) = FacebookBatch().parse(carrier).subrequests
    assert subrequest.path.partition("?")[0] == "/me"


REFUSED = [
    (envelope(b"{}"), Malformed),
    (envelope(b"[]"), Malformed),
    (envelope(b'{"batch": {}}'), Malformed),
    (envelope(b'{"batch": []}'), Malformed),
    (envelope(b'{"batch": "x"}'), Malformed),
    (envelope(b'{"batch": [{"relative_url": "\xff"}]}'), Malformed),
    (envelope(b'{"batch": [{"relative_url": "x"}], "access_token": "\\ud800"}'), Malformed),
    (envelope(b"", ""), Malformed),
    (envelope(b"x", ""), Malformed),
    (envelope(b"batch=[]&x=\xff", "text/plain"), Malformed),
    (envelope(b"batch=[]", "application/xml"), UnsupportedMediaType),
    (envelope(b"{}", "application/json; charset=utf-16"), UnsupportedMediaType),
    (envelope(content_type=FORM, form=Form({}, {})), Malformed),
    (envelope(content_type=FORM, form=Form({"batch": ("[", "[")}, {})), Malformed),
    (envelope(content_type=UPLOAD, form=Form({}, {"batch": (file("batch", b'["\xff"]'),)})), Malformed),
    (envelope(b"", "", query="a&" * 1_001), Malformed),
    (envelope(b'{"batch": [%b]}' % b",".join([b"{}"] * 51)), TooManyRequests),
    (envelope(b"batch=[%b]" % b"%2C".join([b"{}"] * 51), ""), TooManyRequests),
]


@pytest.mark.parametrize(("carrier", "error"), REFUSED)
def test_what_carries_no_batch_is_refused(carrier, error):
    with pytest.raises(error):
        plan(FacebookBatch().parse(carrier))


@pytest.mark.parametrize(
    ("parameters", "has_headers"),
    [
        ({}, True),
        ({"include_headers": "true"}, True),
        ({"include_headers": "False"}, False),
        ({"include_headers": "0"}, False),
    ],
)
def test_headers_are_left_out_if_nobody_wants_them(parameters, has_headers):
    batch = read({"relative_url": "x"}, **parameters)
    (answer,) = json.loads(FacebookBatch().writer(batch).whole([Subresponse(batch.subrequests[0], 200)]))
    assert ("headers" in answer) is has_headers
    as_json = b'{"batch": %b, "include_headers": %b}' % (OPERATIONS.encode(), json.dumps(has_headers).encode())
    assert FacebookBatch().parse(envelope(as_json)).layout is has_headers


# Operations

READ = [
    ({"relative_url": "me"}, Subrequest("0", "GET", "/me", pointer="/batch/0")),
    ({"relative_url": "/me/?a=b"}, Subrequest("0", "GET", "/me/?a=b", pointer="/batch/0")),
    ({"relative_url": ""}, Subrequest("0", "GET", "/", pointer="/batch/0")),
    ({"relative_url": "x?q=C# \\"}, Subrequest("0", "GET", "/x?q=C%23%20%5C", pointer="/batch/0")),
    ({"relative_url": "x", "headers": []}, Subrequest("0", "GET", "/x", pointer="/batch/0")),
    ({"relative_url": "?ids=1,2"}, Subrequest("0", "GET", "/?ids=1,2", pointer="/batch/0")),
    ({"relative_url": "HTTP://testserver/a"}, Subrequest("0", "GET", "/a", pointer="/batch/0")),
    ({"relative_url": "x", "method": "delete", "body": ""}, Subrequest("0", "DELETE", "/x", pointer="/batch/0")),
    (
        {"relative_url": "x", "body": None, "name": None, "@unknown": [{}]},
        Subrequest("0", "GET", "/x", pointer="/batch/0"),
    ),
    (
        {"relative_url": "x", "method": "POST", "body": "name=a%20b&tags=%5B%22x%22%5D&ü"},
        Subrequest("0", "POST", "/x", (AS_FORM,), "name=a%20b&tags=%5B%22x%22%5D&ü".encode(), pointer="/batch/0"),
    ),
    (
        {"relative_url": "x", "method": "POST", "body": {"a": [1.0]}},
        Subrequest("0", "POST", "/x", (AS_JSON,), b'{"a": [1.0]}', pointer="/batch/0"),
    ),
    (
        {"relative_url": "x", "method": "POST", "body": '{"a": 1}'},
        Subrequest("0", "POST", "/x", (AS_JSON,), b'{"a": 1}', pointer="/batch/0"),
    ),
    (
        {"relative_url": "x", "method": "POST", "body": "{a=1"},
        Subrequest("0", "POST", "/x", (AS_FORM,), b"{a=1", pointer="/batch/0"),
    ),
    *(
        (
            {"relative_url": "x", "method": "POST", "body": "{", "headers": headers},
            Subrequest(
                "0", "POST", "/x", (("content-type", "text/plain"), ("If-Match", "a:b")), b"{", pointer="/batch/0"
            ),
        )
        for headers in (
            [{"name": "content-type", "value": "text/plain"}, {"name": "If-Match", "value": "a:b"}],
            ["content-type: text/plain", "If-Match:a:b"],
            {"content-type": "text/plain", "If-Match": "a:b"},
        )
    ),
]


@pytest.mark.parametrize(("operation", "subrequest"), READ)
def test_operation_is_read_as_what_it_is(operation, subrequest):
    batch = read(operation)
    assert batch.faults == ()
    assert batch.subrequests == (subrequest,)


TOKENS = [
    # the members of an operation, and its path if the batch has the token "o&o"
    ({"relative_url": "x"}, "/x?access_token=o%26o"),
    ({"relative_url": "x?a=b"}, "/x?a=b&access_token=o%26o"),
    ({"relative_url": "x?access_token=own"}, "/x?access_token=own"),
    ({"relative_url": "x?a&access_token=own"}, "/x?a&access_token=own"),
    ({"relative_url": "x", "body": "a=1&access_token=own"}, "/x"),
    ({"relative_url": "x", "body": "access_token=own"}, "/x"),
    ({"relative_url": "x", "body": "no_access_token=own"}, "/x?access_token=o%26o"),
    ({"relative_url": "x", "access_token": "own"}, "/x?access_token=own"),
]


@pytest.mark.parametrize(("members", "path"), TOKENS)
def test_access_token_is_a_parameter_of_each_operation_without_one(members, path):
    assert read(members, access_token="o&o").subrequests[0].path == path
    as_json = json.dumps({"access_token": "o&o", "batch": [members]}).encode()
    assert FacebookBatch().parse(envelope(as_json)).subrequests[0].path == path
    assert FacebookBatch().parse(envelope(as_json, query="access_token=x")).subrequests[0].path == path


@pytest.mark.parametrize(("root", "path"), [("/", "/x"), ("/api", "/api/x"), ("/api/v1/", "/api/v1/x"), ("", "/x")])
def test_relative_url_goes_on_from_the_root(root, path):
    for url in ("x", "/x"):
        assert read({"relative_url": url}, dialect=FacebookBatch(root=root)).subrequests[0].path == path


VERSIONED = [
    # a relative URL, and its path with and without the version
    ("/v19.0/x", "/v19.0/x", "/x"),
    ("v2.10/{result=mk:$.id}/v2.10/", "/v2.10/{result=mk:$.id}/v2.10/", "/{result=mk:$.id}/v2.10/"),
    ("v2/x", "/v2/x", "/v2/x"),
    ("x/v19.0/", "/x/v19.0/", "/x/v19.0/"),
    ("http://testserver/v19.0/x", "/v19.0/x", "/v19.0/x"),
]


@pytest.mark.parametrize(("url", "path", "without"), VERSIONED)
def test_version_before_a_relative_url_is_left_out_where_the_site_says_so(url, path, without):
    for dialect, expected in ((FacebookBatch(), path), (FacebookBatch(versioned=True), without)):
        assert read({"relative_url": url}, dialect=dialect).subrequests[0].path == expected


ATTACHED = [
    ({"attached_files": "a"}, ["a"]),
    ({"attached_files": " a , b,"}, ["a", "b"]),
    ({"attachedFiles": "b"}, ["b"]),
    ({"attached_files": ["a", "b", "a"]}, ["a", "b"]),
    ({"attached_files": {"x": "a", "y": "b"}}, ["x", "y"]),
    ({"attached_files": ""}, []),
    ({}, []),
]


@pytest.mark.parametrize(("members", "fields"), ATTACHED)
def test_files_are_those_that_are_named(members, fields):
    assert [each.field for each in one(**members).files] == fields


def test_object_beside_files_is_their_form():
    subrequest = one(attached_files="a", body={"a": "ü&", "b": 1.50, "c": [1, "x"], "d": None})
    assert subrequest.headers == (AS_FORM,)
    assert subrequest.body == b"a=%C3%BC%26&b=1.5&c=%5B1%2C+%22x%22%5D&d=null"


def test_string_beside_files_is_their_form_whatever_the_headers_say():
    subrequest = one(attached_files="a", body="a=1", headers={"Accept": "x", "Content-Type": JSON})
    assert subrequest.body == b"a=1"


WRONG = [
    ({"relative_url": 7}, "/batch/0/relative_url"),
    ({"relative_url": "//evil.example/"}, "/batch/0/relative_url"),
    ({"relative_url": "http://evil.example/"}, "/batch/0/relative_url"),
    ({"relative_url": "a b"}, "/batch/0/relative_url"),
    ({"relative_url": "{result=mk:$x}"}, "/batch/0/relative_url"),
    ({"relative_url": "{result=mk"}, "/batch/0/relative_url"),
    ({"relative_url": "a{result=mk:$.a}" * 101}, "/batch/0/relative_url"),
    ({"body": "a={result=mk:$[x]}"}, "/batch/0/body"),
    ({"body": "a={result=mk:$.a}&" * 101}, "/batch/0/body"),
    ({"body": "a=%7bresult=mk:$.a}" + "&b" * 1_000}, "/batch/0/body"),
    ({"body": "a=%7Bresult%3d" + "b" * 2**20}, "/batch/0/body"),
    ({"body": {"a": ["result="] * 1_001}}, "/batch/0/body"),
    ({"relative_url": "a{result=mk:$" + ".a" * 500 + "}"}, "/batch/0/relative_url"),
    ({"body": 7}, "/batch/0/body"),
    ({"body": True}, "/batch/0/body"),
    ({"body": [1], "attached_files": "a"}, "/batch/0/body"),
    ({"method": 7}, "/batch/0/method"),
    ({"headers": 7}, "/batch/0/headers"),
    ({"headers": [7]}, "/batch/0/headers/0"),
    ({"headers": [{"name": "a"}]}, "/batch/0/headers/0/value"),
    ({"headers": {f"X-{number}": "" for number in range(101)}}, "/batch/0/headers"),
    ({"attached_files": "c"}, "/batch/0/attached_files/c"),
    ({"attached_files": {"x": "a", "y": "a"}}, "/batch/0/attached_files/y"),
    ({"depends_on": 7}, "/batch/0/depends_on"),
    ({"depends_on": "gone"}, "/batch/0/depends_on"),
    ({"depends_on": ["mk", "gone"]}, "/batch/0/depends_on"),
    ({"body": "a={result=gone:$.a}"}, "/batch/0/depends_on"),
    ({"name": "mk", "depends_on": "mk"}, "/batch/0/depends_on"),
    ({"omit_response_on_success": "yes"}, "/batch/0/omit_response_on_success"),
    ({"access_token": 7}, "/batch/0/access_token"),
    ({"unknown": 1}, "/batch/0/unknown"),
    ({"headers": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, "/batch/0/headers"),
    ({"headers": [{"name": "A", "value": "1", "x": "2"}]}, "/batch/0/headers/0"),
]


@pytest.mark.parametrize(("members", "pointer"), WRONG)
def test_what_is_wrong_is_told_with_its_place(members, pointer):
    with pytest.raises(BatchError) as raised:
        plan(read({"relative_url": "x", **members}, {"relative_url": "mk", "name": "mk"}))
    assert {error.pointer.removesuffix("/value") for error in raised.value.errors} == {pointer.removesuffix("/value")}


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ('{"batch": [{"relative_url": "x", "relative_url": "y"}]}', "/batch/0/relative_url"),
        ('{"batch": [{"relative_url": "x", "headers": {"A": "1", "A": "2"}}]}', "/batch/0/headers/A"),
        ('{"batch": [], "batch": [{"relative_url": "x"}]}', "/batch"),
        ('{"access_token": "a", "access_token": "b", "batch": []}', "/access_token"),
    ],
)
def test_member_that_is_there_twice_is_refused(text, pointer):
    with pytest.raises(BatchError) as raised:
        plan(FacebookBatch().parse(Envelope(text.encode(), "application/json", "http://testserver/", 50)))
    assert pointer in {error.pointer for error in raised.value.errors}


@pytest.mark.parametrize("operation", [7, None, [], "x", {}, {"name": 7}, {"name": "a", "relative_url": None}])
def test_what_is_no_operation_is_told(operation):
    batch = read(operation, {"relative_url": "x", "depends_on": "a"}, {"relative_url": "x", "name": "a"})
    assert batch.faults[0].pointer.startswith("/batch/0")


def test_names_stand_for_positions_and_may_be_repeated_if_nobody_means_them():
    first, *_, last = read(
        {"relative_url": "x", "depends_on": "b"},
        {"relative_url": "x", "name": "a"},
        {"relative_url": "x", "name": "a"},
        {"relative_url": "x", "name": "b", "depends_on": []},
    ).subrequests
    assert (first.depends_on, last.id) == (("3",), "3")


# References

ANSWER = {
    "id": 7,
    "price": 1.5,
    "name": "ü /&",
    "quote": 'a"b',
    "path": "/a/b?c",
    "dots": "..",
    "url": "http://testserver/next?page=2",
    "data": [{"id": 1, "tags": ["x", "y"]}, {"id": "2"}, {}, 3],
    "by": {"a": {"id": 1}, "b": {"id": 2}},
    "*": {"a.b": True},
    "none": None,
    "0": "zero",
}
SELECTED = [
    ("$.id", [7]),
    ("$.data.*.id", [1, "2"]),
    ("$.data[*].id", [1, "2"]),
    ("$.data.id", [1, "2"]),
    ("$.data[0].id", [1]),
    ("$.data.1.id", ["2"]),
    ("$.data[1]['id']", ["2"]),
    ("$.data.*.tags", [["x", "y"]]),
    ("$.data.*.tags.*", ["x", "y"]),
    ("$.by.*.id", [1, 2]),
    ('$["*"]["a.b"]', [True]),
    ("$['*']['a.b']", [True]),
    ("$.0", ["zero"]),
    ("$.none", [None]),
    ("$.data[9]", LookupError),
    ("$.missing", LookupError),
    ("$.id.x", LookupError),
    ("$.none.*", LookupError),
    ("$x", ValueError),
    ("$..id", ValueError),
    ("$.", ValueError),
    ("$.a[", ValueError),
    ("$.a[-1]", ValueError),
    ("$.a[1:2]", ValueError),
    ("$.a[?(@.b)]", ValueError),
    ("$.a['b]", ValueError),
]


@pytest.mark.parametrize(("path", "expected"), SELECTED)
def test_path_selects_what_it_says(path, expected):
    if expected in (LookupError, ValueError):
        with pytest.raises(expected):
            compile_path(path)({"body": ANSWER})
    else:
        assert compile_path(path)({"body": ANSWER}) == expected


def test_whole_answer_can_be_meant():
    assert compile_path("$")({"body": [1, 2]}) == [[1, 2]]


def test_path_does_not_look_at_more_than_its_share():
    assert len(compile_path("$.*")({"body": list(range(20_000))})) == 20_000
    with pytest.raises(LookupError):
        compile_path("$.id")({"body": [{}] * 20_001})


def filled(**members: Any) -> Subrequest:
    answer = Subresponse(Subrequest("1", "GET", "/"), 200, {"Content-Type": JSON}, json.dumps(ANSWER).encode())
    return fill(one(**members), {"1": [answer]}, budget=Budget(10_000))


URLS = [
    ("x/{result=mk:$.id}/", "/x/7/"),
    ("{result=mk:$.id}/x", "/7/x"),
    ("{result=mk:$.id}?a=b", "/7?a=b"),
    ("?ids={result=mk:$.data.*.id}&x={result=mk:$.data.*.tags}", "/?ids=1,2&x=x,y"),
    ("x?q={result=mk:$.name}", "/x?q=%C3%BC%20%2F%26"),
    ("{result=mk:$.path}", "/a/b?c"),
    ("{result=mk:$.url}", "http://testserver/next?page=2"),
    ("{result=mk:$.url}&a=b", "http://testserver/next?page=2&a=b"),
    ("http://testserver/x/{result=mk:$.id}", "http://testserver/x/7"),
    ("x/{result=mk:$.dots}/", "/x/%2E%2E/"),
    ("{result=mk:$.name}/", None),
    ("x/{result=mk:$.name}/", None),
    ("x/{result=mk:$.by}/", None),
    ("x/{result=mk:$.none}/", None),
    ("x/{result=mk:$.missing}/", None),
]


@pytest.mark.parametrize(("url", "path"), URLS)
def test_references_in_urls_are_filled_in(url, path):
    if path is None:
        with pytest.raises(UnresolvedReference):
            filled(relative_url=url)
    else:
        assert filled(relative_url=url).path == path


def test_access_token_follows_a_url_that_is_filled_in():
    batch = read({"relative_url": "{result=mk:$.next}"}, {"relative_url": "x", "name": "mk"}, access_token="t")
    for url, path in (("/a?b", "/a?b&access_token=t"), (7, "/7?access_token=t")):
        body = json.dumps({"next": url}).encode()
        answer = Subresponse(batch.subrequests[1], 200, {"Content-Type": JSON}, body)
        assert fill(batch.subrequests[0], {"1": [answer]}, budget=Budget(100)).path == path


BODIES = [
    ("a={result=mk:$.id}&b=c", b"a=7&b=c"),
    ("a=%7Bresult%3Dmk%3A%24.name%7D", b"a=%C3%BC+%2F%26"),
    ("a=x+%C3%BC%7Bresult=mk:$.data.*.id%7D%FF&b=%C3%BC+", b"a=x+%C3%BC1%2C2%FF&b=%C3%BC+"),
    ({"a": "{result=mk:$.id}", "b": "no"}, b'{"a": 7, "b": "no"}'),
    ({"a": ["{result=mk:$.by.a}"]}, b'{"a": [{"id":1}]}'),
    ({"a": "{result=mk:$.none}", "{result=mk:$.id}": 1}, b'{"a": null, "{result=mk:$.id}": 1}'),
    ({"a": "{result=mk:$.data.*.id}"}, b'{"a": "1,2"}'),
    ({"a": "x\n{result=mk:$.quote}ü{result=mk:$.id}"}, b'{"a": "x\\na\\"b\\u00fc7"}'),
    ('{"a": "\\u007bresult=mk:$.id}"}', b'{"a": 7}'),
    ("a=1", b"a=1"),
    ("a=x%3Fresult=y+z&b={result=mk:$.id}", b"a=x%3Fresult=y+z&b=7"),
    ("{result=mk:$.id}=1", b"{result=mk:$.id}=1"),
]


@pytest.mark.parametrize(("body", "expected"), BODIES)
def test_references_in_bodies_are_filled_in(body, expected):
    assert filled(body=body, depends_on="mk").body == expected


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/plain", "a {result=mk:$.name} b", "a ü /& b"),
        (JSON, "not JSON {result=mk:$.id}", "not JSON 7"),
        (JSON, '["{result=mk:$.id}"]', "[7]"),
        (f"{FORM}; charset=utf-8", "a=%7Bresult=mk:$.id%7D", "a=7"),
    ],
)
def test_type_of_a_body_says_how_references_are_filled_in(content_type, body, expected):
    assert filled(body=body, headers={"Content-Type": content_type}).body.decode() == expected


def test_references_beside_files_are_filled_in():
    assert filled(body={"a": "{result=mk:$.name}"}, attached_files="a").body == b"a=%C3%BC+%2F%26"


@pytest.mark.parametrize("path", ["$.by", "$.none", "$.missing"])
def test_what_is_no_text_cannot_stand_in_a_form(path):
    with pytest.raises(UnresolvedReference):
        filled(body=f"a={{result=mk:{path}}}")


def test_answer_that_is_no_json_has_no_parts():
    answer = Subresponse(Subrequest("1", "GET", "/"), 200, {"Content-Type": "text/plain"}, b"text")
    assert compile_path("$")(document(answer)) == ["text"]
    with pytest.raises(LookupError):
        compile_path("$.a")(document(answer))


REFERRING, DEPENDENT = {"relative_url": "x?{result=mk:$.id}"}, {"relative_url": "x", "depends_on": "mk"}
OMITTED = [
    ({}, "relative_url", True, [False, True]),
    ({}, "depends_on", True, [False, False]),
    ({"omit_response_on_success": False}, "relative_url", True, [False, False]),
    ({"omit_response_on_success": True}, "depends_on", True, [False, True]),
    ({}, "relative_url", False, [False, False]),
    ({"omit_response_on_success": True}, "depends_on", False, [False, True]),
]


@pytest.mark.parametrize(("members", "how", "omit_referred", "omitted"), OMITTED)
def test_operation_that_another_refers_to_is_left_out_unless_it_says_otherwise(members, how, omit_referred, omitted):
    first = (
        {"relative_url": "x?{result=mk:$.id}"} if how == "relative_url" else {"relative_url": "x", "depends_on": "mk"}
    )
    dialect = FacebookBatch(omit_referred=omit_referred)
    batch = read(first, {"relative_url": "x", "name": "mk", **members}, dialect=dialect)
    assert [each.omit_body for each in batch.subrequests] == omitted


# Answers

GET = Subrequest("0", "GET", "/")
OMIT = replace(GET, omit_body=True)
HTML = {"Content-Type": "text/html; charset=iso-8859-1"}
AS_IT_IS = FacebookBatch(plain_success=False, fill_empty=False, wrap_errors=False)


def error(status: int, message: str, kind: str, data: object) -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "code": status, "error_data": data}}


PROBLEM = error(400, "No.", "BadRequest", HeaderNotAllowed("No.").problem())
ANSWERS = [
    # an answer, its code and body for Facebook's clients, and its own code and body
    (Subresponse(GET, 200, {"Content-Type": JSON}, b'{"a": 1.10}'), (200, '{"a": 1.10}'), (200, '{"a": 1.10}')),
    (Subresponse(GET, 201, {"Content-Type": JSON}, b"[1]"), (200, "[1]"), (201, "[1]")),
    (Subresponse(GET, 204), (200, '{"success":true}'), (204, "")),
    (Subresponse(GET, 302, {"Location": "/"}), (302, ""), (302, "")),
    (Subresponse(GET, 200, HTML, b"<p>\xfc"), (200, "<p>ü"), (200, "<p>ü")),
    (Subresponse(GET, 200, {"Content-Type": "image/png"}, b"\x89PNG"), (200, "iVBORw=="), (200, "iVBORw==")),
    (Subresponse(GET, 200, {"Content-Type": "text/plain"}, b"\xff"), (200, "/w=="), (200, "/w==")),
    (Subresponse(GET, 200, {**HTML, "Content-Encoding": "gzip"}, b"\x1f"), (200, "Hw=="), (200, "Hw==")),
    (
        Subresponse(GET, 404, {"Content-Type": JSON}, b'{"detail": "Gone."}'),
        (404, error(404, "Gone.", "NotFound", {"detail": "Gone."})),
        (404, '{"detail": "Gone."}'),
    ),
    (
        Subresponse(GET, 400, {"Content-Type": JSON}, b'{"detail": ["a"]}'),
        (
            400,
            error(400, "Bad Request", "BadRequest", {"detail": ["a"]}),
        ),
        (400, '{"detail": ["a"]}'),
    ),
    (
        Subresponse(GET, 499, {"Content-Type": JSON}, b'["a"]'),
        (
            499,
            error(499, "Unknown Status Code", "UnknownStatusCode", ["a"]),
        ),
        (499, '["a"]'),
    ),
    (
        Subresponse(GET, 400, {"Content-Type": JSON}, b'{"error": {"code": 1}}'),
        (400, '{"error": {"code": 1}}'),
        (400, '{"error": {"code": 1}}'),
    ),
    (
        Subresponse(GET, 500, HTML, b"<h1>"),
        (
            500,
            error(500, "Internal Server Error", "InternalServerError", "<h1>"),
        ),
        (500, "<h1>"),
    ),
    (
        Subresponse(GET, 403, {"Content-Type": "image/png"}, b"\xff"),
        (403, error(403, "Forbidden", "Forbidden", None)),
        (403, "/w=="),
    ),
    (
        Subresponse(GET, 400, {"Content-Type": JSON}, b"{no"),
        (400, error(400, "Bad Request", "BadRequest", "{no")),
        (400, "{no"),
    ),
    (Subresponse.refused(GET, HeaderNotAllowed("No.")), (400, PROBLEM), (400, PROBLEM)),
    (Subresponse.refused(GET, FailedDependency("No.")), None, None),
    (Subresponse.refused(GET, UnresolvedReference("No.")), None, None),
    (Subresponse.refused(GET, NotRun("No.")), None, None),
    (Subresponse(OMIT, 200, {"Content-Type": JSON}, b"1"), None, None),
    (Subresponse(OMIT, 404, {"Content-Type": "text/plain"}, b"x"), (404, ...), (404, "x")),
]


@pytest.mark.parametrize(("subresponse", "plain", "as_it_is"), ANSWERS)
def test_answer_is_written_for_the_clients_of_facebook_or_as_it_is(subresponse, plain, as_it_is):
    for dialect, expected in ((FacebookBatch(), plain), (AS_IT_IS, as_it_is)):
        (answer,) = json.loads(dialect.writer(Batch((), layout=True)).whole([subresponse]))
        if expected is None:
            assert answer is None
            continue
        code, body = expected
        assert (answer["code"], isinstance(answer["body"], str)) == (code, True)
        if body is not ...:
            assert answer["body"] == body or json.loads(answer["body"]) == body


def headers_of(subresponse: Subresponse) -> dict[str, str]:
    (answer,) = json.loads(FacebookBatch().writer(Batch((), layout=True)).whole([subresponse]))
    return {header["name"]: header["value"] for header in answer["headers"]}


def test_headers_speak_of_what_is_in_the_body():
    headers = {"Content-Type": "text/plain", "Content-Length": "1", "ETag": '"1"'}
    assert headers_of(Subresponse(GET, 200, headers, b"x")) == headers
    assert headers_of(Subresponse(GET, 404, headers, b"x")) == {"Content-Type": JSON, "ETag": '"1"'}
    assert headers_of(Subresponse(GET, 204, {"ETag": '"1"'})) == {"Content-Type": JSON, "ETag": '"1"'}
    assert headers_of(Subresponse(GET, 200, {**headers, "Content-Type": "image/png"}, b"x")) == {
        **headers,
        "Content-Type": "image/png",
        "Content-Transfer-Encoding": "base64",
    }


def test_body_that_is_too_large_is_an_error():
    subresponse = Subresponse(GET, 200, {"Content-Type": "text/plain"}, error=BodyTooLarge("Too large."))
    (answer,) = json.loads(FacebookBatch().writer(Batch((), layout=False)).whole([subresponse]))
    assert (answer["code"], json.loads(answer["body"])["error"]["message"]) == (200, "Too large.")


def test_answers_are_an_array_in_their_order():
    writer = FacebookBatch().writer(Batch((), layout=False))
    assert (writer.status, writer.content_type) == (200, JSON)
    subresponses = [Subresponse(GET, 200, HTML, b"1"), Subresponse(OMIT, 200), Subresponse(GET, 200, HTML, b"2")]
    assert writer.whole(subresponses) == b'[{"code":200,"body":"1"},null,{"code":200,"body":"2"}]'


def test_refusal_of_a_batch_is_an_error():
    error = Malformed("No.", pointer="/batch")
    assert json.loads(FacebookBatch().write_error(error)) == {
        "error": {"message": "No.", "type": "BadRequest", "code": 400, "error_data": error.problem()}
    }


# Random batches

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from(["{result=a:$.b}", "a", "x={result=a:$}&y=%7B"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "value", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)
MEMBERS = [
    "relative_url",
    "method",
    "name",
    "headers",
    "body",
    "depends_on",
    "omit_response_on_success",
    "attached_files",
]
SENT = st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, VALUES)) | VALUES


@given(st.lists(SENT, max_size=4))
def test_whatever_the_operations_they_are_read_or_refused(operations):
    try:
        batch = read(*operations)
    except BatchError:
        return
    assert batch.faults or len(batch.subrequests) == len(operations)


@given(st.binary(), st.text())
def test_whatever_the_bytes_they_are_a_batch_or_an_error(body, query):
    for each in (body, b'{"batch": %b}' % body, b'{"batch": [{"relative_url": %b}]}' % body):
        try:
            FacebookBatch().parse(envelope(each, query=query))
        except BatchError:
            continue


@given(
    st.integers(100, 599),
    st.sampled_from([JSON, "text/plain", "text/plain; charset=latin-1", "image/png", "", "text/plain; charset=hex"]),
    st.binary() | st.sampled_from([b"{}", b'{"detail": "x"}', b'{"error":1}', b"[" * 5_000]),
    st.booleans(),
)
def test_whatever_is_answered_can_be_read(status, content_type, body, plain):
    dialect = FacebookBatch() if plain else AS_IT_IS
    subresponse = Subresponse(GET, status, {"Content-Type": content_type}, body)
    (answer,) = json.loads(dialect.writer(Batch((), layout=True)).whole([subresponse]))
    assert isinstance(answer["body"], str)
    if plain and status >= 400:
        assert "error" in json.loads(answer["body"])
