"""The native format in a form: the batch in one part, and the files that its items name in other parts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from django_batch.core.batch import Batch, File, Subrequest, Subresponse
from django_batch.core.references import Budget, fill
from django_batch.dialects.base import Envelope, Form
from django_batch.dialects.native import NativeDialect
from django_batch.errors import BatchError, Malformed, UnresolvedReference


def file(field: str, content: bytes = b"", name: str = "a.png") -> File:
    return File(field, name, "", len(content), lambda position, size: content[position : position + size])


A, B, TWICE = file("a"), file("b"), (file("c"), file("c"))
FILES = {"a": (A,), "b": (B,), "c": TWICE}
ITEM = {"path": "/", "method": "POST"}


def read(batch: object, files: object = None, **fields: str) -> Batch:
    text = batch if isinstance(batch, str) else json.dumps(batch)
    fields = {name: (value,) for name, value in {"batch": text, **fields}.items()}
    return parse(Form(fields, FILES if files is None else files))


def parse(form: Form) -> Batch:
    return NativeDialect().parse(Envelope(b"", "multipart/form-data; boundary=x", "http://testserver/", 100, form=form))


def items(*members: dict[str, Any]) -> list[dict[str, Any]]:
    """A sub-request with `members`, and one that names the other files."""
    return [*({**ITEM, **each} for each in members), {**ITEM, "files": {"x": ["a", "b", "c"]}}]


NAMED = [
    ({"f": "a"}, [("f", A)]),
    ({"f": "a", "g": "b"}, [("f", A), ("g", B)]),
    ({"f": ["a", "b"]}, [("f", A), ("f", B)]),
    ({"f": "c"}, [("f", TWICE[0]), ("f", TWICE[1])]),
    ({"f": []}, []),
    ({}, []),
]


@pytest.mark.parametrize(("files", "expected"), NAMED)
def test_item_has_the_files_that_it_names(files, expected):
    subrequest = read(items({"files": files})).subrequests[0]
    assert [(each.field, each.read) for each in subrequest.files] == [(name, each.read) for name, each in expected]


@pytest.mark.parametrize("layout", ["whole", "bare"])
def test_batch_is_a_field_or_a_file(layout):
    text = json.dumps([ITEM] if layout == "bare" else {"requests": [ITEM]})
    assert parse(Form({}, {"batch": (file("batch", text.encode()),)})) == read(text, {})
    assert read(text, {}).layout.bare == (layout == "bare")


@pytest.mark.parametrize(
    "form",
    [
        Form({}, {}),
        Form({"batch": ("[]", "[]")}, {}),
        Form({"batch": ("[]",)}, {"batch": (file("batch", b"[]"),)}),
        Form({"batch": ('[{"path": "/\ufffd"}]',)}, {}),
        Form({}, {"batch": (file("batch", b'[{"path": "/\xff"}]'),)}),
        Form({"batch": ("{",)}, {}),
    ],
)
def test_form_without_one_batch_in_it_is_refused(form):
    with pytest.raises(Malformed):
        parse(form)


FIELDS = [
    # a body, and the form that a view reads
    ({"a": "ü &=+", "b": ""}, {"a": ["ü &=+"], "b": [""]}),
    ({"a": 1.10, "b": True, "c": False, "ü&": -1}, {"a": ["1.1"], "b": ["true"], "c": ["false"], "ü&": ["-1"]}),
    ({"a": ["x", 1, True], "b": []}, {"a": ["x", "1", "true"]}),
    ({}, {}),
    ("OMITTED", {}),
]


@pytest.mark.parametrize(("body", "fields"), FIELDS)
def test_body_beside_files_is_their_form(body, fields):
    members = {"files": {"f": "a"}, **({} if body == "OMITTED" else {"body": body})}
    (subrequest, _) = read(items(members)).subrequests
    assert dict(QueryDict(subrequest.body).lists()) == fields


def test_number_in_a_form_keeps_its_text():
    text = '[{"path": "/", "method": "POST", "files": {"f": ["a", "b", "c"]}, "body": {"a": 1.10, "b": 1e400}}]'
    assert read(text).subrequests[0].body == b"a=1.10&b=1e400"


WRONG = [
    ({"files": {"f": "d"}}, "/0/files/f"),
    ({"files": {"f/~": ["a", "d"]}}, "/0/files/f~1~0"),
    ({"files": {"f": "batch"}}, "/0/files/f"),
    ({"files": {"f": "a", "g": "a"}}, "/0/files/g"),
    ({"files": {"f": ["c", "c"]}}, "/0/files/f"),
    ({"files": "a"}, "/0/files"),
    ({"files": {"f": 1}}, "/0/files"),
    ({"files": {"f": "a"}, "headers": {"content-type": "multipart/form-data"}}, "/0/headers"),
    ({"files": {"f": "a"}, "body_base64": ""}, "/0/body_base64"),
    ({"files": {"f": "a"}, "body": [1]}, "/0/body"),
    ({"files": {"f": "a"}, "body": "a=1"}, "/0/body"),
    ({"files": {"f": "a"}, "body": {"a/": None}}, "/0/body/a~1"),
    ({"files": {"f": "a"}, "body": {"a": {"b": 1}}}, "/0/body/a"),
    ({"files": {"f": "a"}, "body": {"a": ["x", ["y"]]}}, "/0/body/a/1"),
    ({"files": {"f": "a"}, "body": {"a": {"$ref": "x#/id"}}}, "/0/body/a"),
    ({"files": {"f": "a"}, "body": {"a": {"$ref": "x"}}, "depends_on": "x"}, "/0/body/a"),
    ({"files": {"f": "a"}, "body": {"a": {"b": {"$ref": "x#/id"}}}, "depends_on": "x"}, "/0/body/a"),
    ({"files": {"f": "a"}, "body": {"a": ["x"] * 1_001}}, "/0/body/a"),
    ({"files": {"f": "a"}, "body": {"a": ["x"] * 600, "b": ["x"] * 600}}, "/0/body"),
    ({"files": {"f": "a"}, "body": {f"a{number}": 1 for number in range(1_001)}}, "/0/body"),
]


@pytest.mark.parametrize(("members", "pointer"), WRONG)
def test_what_is_wrong_is_told_with_its_place(members, pointer):
    (fault,) = read(items(members)).faults
    assert fault.pointer == pointer


def test_file_without_a_form_is_told_where_files_are_sent():
    batch = NativeDialect().parse(
        Envelope(b'[{"path": "/", "files": {"f": "a"}}]', "application/json", "http://testserver/", 100)
    )
    assert "Files are sent in a form, beside the batch" in batch.faults[0].detail


def test_part_that_no_item_names_is_a_fault():
    faults = read([{**ITEM, "files": {"f": "a"}}], d="1").faults
    assert [(fault.pointer, fault.detail.split("'")[1]) for fault in faults] == [("", "d"), ("", "b"), ("", "c")]


def test_token_of_the_page_is_no_part_of_the_batch():
    assert not read([ITEM], {}, csrfmiddlewaretoken="x").faults


ANSWER = Subresponse(
    Subrequest("x", "GET", "/"),
    200,
    {"Content-Type": "application/json"},
    b'{"text": "\xc3\xbc &", "number": 1.10, "list": ["a", 2], "no": null, "object": {}, "empty": []}',
)
FILLED = [
    ({"a": {"$ref": "x#/body/text"}}, {"a": ["ü &"]}),
    (
        {"a": {"$ref": "x#/body/number"}, "b": "1", "c": {"$ref": "x#/status"}},
        {"a": ["1.10"], "b": ["1"], "c": ["200"]},
    ),
    ({"ü&": ["1", {"$ref": "x#/body/text"}, "2"]}, {"ü&": ["1", "ü &", "2"]}),
    ({"a": {"$ref": "x#/body/list"}, "b": "1"}, {"a": ["a", "2"], "b": ["1"]}),
    ({"a": {"$ref": "x#/body/empty"}, "b": "1"}, {"b": ["1"]}),
    ({"a": '{"$ref": "x#/body/text"}'}, {"a": ['{"$ref": "x#/body/text"}']}),
    ({"a": {"$ref": "x#/body/no"}}, None),
    ({"a": {"$ref": "x#/body/object"}}, None),
    ({"a": {"$ref": "x#/body/nothing"}}, None),
]


@pytest.mark.parametrize(("body", "fields"), FILLED)
def test_references_in_a_form_are_filled_in_as_fields(body, fields):
    (subrequest, _) = read(items({"files": {"f": "a"}, "body": body, "depends_on": "x"})).subrequests
    if fields is None:
        with pytest.raises(UnresolvedReference):
            fill(subrequest, {"x": [ANSWER]}, budget=Budget(1_000))
    else:
        filled = fill(subrequest, {"x": [ANSWER]}, budget=Budget(1_000))
        assert dict(QueryDict(filled.body).lists()) == fields


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just({"$ref": "x#/id"}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(body=JSON, files=JSON | st.dictionaries(st.sampled_from("fg"), st.sampled_from("abcd")), depends_on=JSON)
def test_whatever_stands_in_an_item_with_files_it_is_read_or_told(body, files, depends_on):
    for each in ({"body": body}, {"depends_on": "x", "body": body}, {"depends_on": depends_on}):
        try:
            batch = read([{**ITEM, "files": files, **each}])
        except BatchError:
            continue
        assert batch.faults or batch.subrequests
