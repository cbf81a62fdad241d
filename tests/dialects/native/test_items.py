"""Items: their dependencies, and the places where references are looked for and where they are not."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from django_batch.core.batch import Subrequest
from django_batch.dialects.base import Envelope
from django_batch.dialects.native.items import read_item
from django_batch.dialects.native.queries import Compiler
from django_batch.dialects.shared.forms import FileParts
from django_batch.errors import Malformed

ENVELOPE = Envelope(b"", "application/json", "http://testserver/batch/", 100)
REFERENCE = {"$ref": "a#/body/id"}
# the members of an item -> its dependencies
DEPENDENCIES = [
    ({}, ()),
    ({"depends_on": []}, ()),
    ({"depends_on": None, "dependsOn": None}, ()),
    ({"depends_on": "a"}, ("a",)),
    ({"depends_on": ["b", "a"]}, ("b", "a")),
    ({"depends_on": ["a", "b", "a"]}, ("a", "b")),
    ({"dependsOn": "a"}, ("a",)),
    ({"dependsOn": ["a"]}, ("a",)),
]
# the members of an item that depends on "a" -> the places and texts of its references
FOUND = [
    ({"path": "/books/{a#/body/id}/?q={a#/id}"}, [("path", "a#/body/id"), ("path", "a#/id")]),
    ({"url": "{a#/body/next}"}, [("path", "a#/body/next")]),
    ({"headers": {"If-Match": "{a#/headers/ETag}"}}, [("headers/If-Match", "a#/headers/ETag")]),
    ({"body": {"x": [REFERENCE]}}, [("body", "a#/body/id")]),
    ({"body": REFERENCE, "headers": {"Content-Type": "application/hal+json"}}, [("body", "a#/body/id")]),
    ({"body": '{"$ref":"a#/x"}'}, []),
    ({"body": "{a#/x}", "headers": {"Content-Type": "text/plain"}}, []),
    ({"body": REFERENCE, "headers": {"Content-Type": "application/json; charset=utf-16"}}, []),
    ({"path": "/", "body_base64": "eyIkcmVmIjoiYSMveCJ9", "headers": {"Content-Type": "application/json"}}, []),
]
# the members of an item that depends on "a" -> the place of the mistake in it
WRONG = [
    ({"path": "/{a#x}"}, "/path"),
    ({"url": "/{a#x}"}, "/url"),
    ({"path": "/{a#/x} /"}, "/path"),
    ({"path": "//{a#/x}"}, "/path"),
    ({"path": "x{a#/x}"}, "/path"),
    ({"path": "http://{a#/x}/"}, "/path"),
    ({"path": "http://testserver{a#/x}/"}, "/path"),
    ({"path": "http://testserver:{a#/x}/"}, "/path"),
    ({"headers": {"A/B~C": "{a#x}"}}, "/headers/A~1B~0C"),
    ({"body": {"$ref": "a"}}, "/body"),
    ({"depends_on": ["a", 1]}, "/depends_on/1"),
    ({"dependsOn": "a"}, "/dependsOn"),
    ({"omit_body": 1}, "/omit_body"),
    ({"body": [REFERENCE] * 1001}, ""),
    ({"path": "/{a#/x}" * 500, "body": [REFERENCE] * 501}, ""),
    ({"body": [{"$ref": "a#$.body.id"}] * 11}, "/body"),
]


def read(members: dict[str, object], **more: object) -> Subrequest:
    path = {} if "url" in members else {"path": "/"}
    return read_text(json.dumps({**path, **members, **more}))


def read_text(text: str) -> Subrequest:
    return read_item(ENVELOPE, FileParts(None), Compiler(), Raw(text.encode()), 0, "")


@pytest.mark.parametrize("more", [{}, {"body": 1, "depends_on": "a"}, {"body_base64": "", "dependsOn": "a"}])
def test_empty_list_of_headers_is_an_empty_object(more):
    assert read({"headers": [], **more}) == read({"headers": {}, **more})


def test_list_of_headers_is_refused():
    with pytest.raises(Malformed, match="must be an object") as refused:
        read({"headers": [["Accept", "*/*"]]})
    assert refused.value.pointer == "/headers"


@pytest.mark.parametrize(("members", "depends_on"), DEPENDENCIES)
def test_item_depends_on_a_name_or_a_list_of_names(members, depends_on):
    assert read(members).depends_on == depends_on


@pytest.mark.parametrize(("members", "found"), FOUND)
def test_references_are_found_in_path_headers_and_json(members, found):
    references = read(members, depends_on="a").references
    assert [(each.place, each.text) for each in references] == found


@pytest.mark.parametrize("members", [members for members, found in FOUND if found and found[0][0] != "path"])
@pytest.mark.parametrize("without", [{}, {"depends_on": []}], ids=["none", "empty"])
def test_references_are_not_looked_for_without_dependencies(members, without):
    assert read(members, **without).references == ()


def test_reference_in_a_path_without_dependencies_is_refused():
    with pytest.raises(Malformed):
        read({"path": "/books/{a#/body/id}/"})


@pytest.mark.parametrize(("members", "place"), WRONG, ids=lambda value: str(value)[:50])
def test_item_that_is_wrong_tells_where(members, place):
    with pytest.raises(Malformed) as caught:
        read({"depends_on": "a", **members})
    assert caught.value.pointer == place


def test_reference_by_json_path_is_read():
    [reference] = read({"body": {"$ref": "a#$.body[*].id"}, "depends_on": "a"}).references
    assert reference.query({"body": [{"id": 1}, {"id": 2}]}) == [1, 2]


def test_thousand_references_are_taken():
    assert len(read({"body": [REFERENCE] * 1000, "depends_on": "a"}).references) == 1000


def test_path_with_references_is_left_as_it_is():
    assert (
        read({"path": "/b\u00fccher/{a#/x y}/?{a#/\u00fc}", "depends_on": "a"}).path
        == "/b\u00fccher/{a#/x y}/?{a#/\u00fc}"
    )


def test_body_can_be_omitted_from_the_answer():
    assert (read({}).omit_body, read({"omit_body": True}).omit_body) == (False, True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just('{"$ref":"a#/x"}') | st.just("{a#/x}"),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text() | st.just("$ref"), children, max_size=3)
    ),
    max_leaves=10,
)


@given(value=json_values, indent=st.none() | st.integers(0, 3), as_ascii=st.booleans())
def test_law_body_without_dependencies_is_taken_byte_for_byte(value, indent, as_ascii):
    body = json.dumps(value, indent=indent, ensure_ascii=as_ascii)
    assert bytes(read_text(f'{{"method": "POST", "path": "/", "body":{body}}}').body) == body.strip().encode()


def calls(function: Callable[..., object], *args: object) -> Counter[str]:
    """The number of calls of each Python or C function while `function` runs."""
    counts: Counter[str] = Counter()

    def count(frame, event, arg):
        if event == "call":
            counts[frame.f_code.co_qualname] += 1
        elif event == "c_call":
            counts[arg.__qualname__] += 1

    sys.setprofile(count)
    try:
        function(*args)
    finally:
        sys.setprofile(None)
    return counts


def item(body: str, rest: str = "") -> str:
    return f'{{"path":"/","body":{body}{rest}}}'


BODY = json.dumps([{"title": "x" * 100, "author": REFERENCE, "price": 1.5}] * 50)


def test_body_without_dependencies_is_never_decoded():
    small, large = calls(read_text, item('{"a":1}')), calls(read_text, item(BODY))
    assert large == small  # only the item itself is decoded, and its names
    assert not {"in_body", "loads", "Pattern.finditer"} & large.keys()


def test_body_with_dependencies_is_searched_and_only_its_references_are_decoded():
    large = calls(read_text, item(BODY, ',"depends_on":"a"'))
    assert large["in_body"] > 0
    assert (large["Decoder.decode"], large["loads"]) == (3, 50)  # the item, and twice its names
