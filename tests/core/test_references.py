"""References: where they are found, and that nothing else of a sub-request ever changes."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from django_batch.core.batch import Reference, Subrequest, Subresponse
from django_batch.core.documents import pointer
from django_batch.core.references import Budget, fill, in_body, in_text, masked, referred
from django_batch.errors import UnresolvedReference

MIB = 2**20
# JSON text -> the references in it, as they were written
IN_BODIES = {
    '{"$ref": "a#/body/id"}': ["a#/body/id"],
    '{"author": {"$ref":"a#/body/id"}, "tags": [1, {"$ref":"b#"}]}': ["a#/body/id", "b#"],
    ' [\n{\t"$ref"\r:\n"a#/x" }\n] ': ["a#/x"],
    '[{"$ref":"a#/x"},{"$ref":"a#/x"}]': ["a#/x", "a#/x"],
    '{"$ref": "a#\\/b\\u006fdy\\"\\\\"}': ['a#/body"\\'],
    '{"$ref": "größe#/body/ü"}': ["größe#/body/ü"],
    '{"$ref": "a#/b#c"}': ["a#/b#c"],
    '{"$ref": {"$ref": "a#/x"}}': ["a#/x"],
    '{"$ref": "a#/x", "other": 1}': [],
    '{"other": 1, "$ref": "a#/x"}': [],
    '{"$ref": "a#/x", "$ref": "b#/x"}': [],
    '{"$ref": 1}': [],
    '{"$ref": ["a#/x"]}': [],
    '{"$REF": "a#/x"}': [],
    '{"\\u0024ref": "a#/x"}': [],
    '["$ref", "a#/x"]': [],
    '"{\\"$ref\\": \\"a#/x\\"}"': [],
    '"\\\\\\"{\\"$ref\\":\\"a#/x\\"}"': [],
    '{"{\\"$ref\\"": "a#/x"}': [],
    '["\\\\", {"$ref":"a#/x"}]': ["a#/x"],
    '["", "{", "}", "\\"", {"$ref":"a#/x"}, "{"]': ["a#/x"],
    "{}": [],
    "null": [],
}
# a path or header value -> the references in it, as they were written
IN_TEXTS = {
    "/books/{a#/body/id}/": ["a#/body/id"],
    "{a#/headers/Location}": ["a#/headers/Location"],
    "/{a#/x}{b#/y}?q={c#}": ["a#/x", "b#/y", "c#"],
    "/{a#/b#c}": ["a#/b#c"],
    "/{a b#/first name}": ["a b#/first name"],
    "/{{a#/x}}": ["a#/x"],
    "/{open{a#/x}": ["a#/x"],
    "/books/1/": [],
    "/{a}/{}": [],
    "/{#/x}": [],
    "/{a#/x": [],
    "/a#/x}": [],
    "": [],
}
UNREADABLE = {
    '{"$ref": "a"}': "'a' does not have the form ID#POINTER",
    '{"$ref": ""}': "'' does not have the form ID#POINTER",
    '{"$ref": "a#id"}': "'a#id' cannot be read: a JSON Pointer starts with a slash",
    '{"$ref": "a#/~"}': "'a#/~' cannot be read: in a JSON Pointer, `~` is written `~0`",
}
AWKWARD = '/?#%&=+;.{}"\\\r\n\0 é'
NUMBERS = ["0", "-0", "1.10", "1e2", "1E+400", "18446744073709551617", "0.1e-7", "9" * 500]
NO_TEXTS = {"null": None, "object": {}, "list": [1], "half a character": "x\ud800"}

texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(AWKWARD + "\ud800"), max_size=8)
look_alikes = st.sampled_from(
    ['{"$ref":"a#/body"}', "$ref", "a#/body", "{a#/body}", '"}', '\\"', "\\", "{", '{"$ref":']
)
strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | look_alikes
blanks = st.text(" \t\r\n", max_size=2)


def answered(value: object) -> dict[str, list[Subresponse]]:
    """The answer "a" with the body `value`. Bytes are taken as JSON text."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return {"a": [Subresponse(Subrequest("a", "GET", "/"), 200, {"Content-Type": "application/json"}, body)]}


def subrequest(path: str = "/", body: str = "", headers: Mapping[str, str] = MappingProxyType({})) -> Subrequest:
    """A sub-request that depends on "a", with all references that are found in it."""
    references = [*in_text("path", path, pointer), *in_body(body.encode(), pointer)]
    for name, value in headers.items():
        references += in_text(f"headers/{name}", value, pointer)
    return Subrequest(
        id="b",
        method="POST",
        path=path,
        headers=tuple(headers.items()),
        body=memoryview(body.encode()),
        depends_on=("a",),
        references=tuple(references),
    )


def filled(value: object, *args: Any, **kwargs: Any) -> Subrequest:
    return fill(subrequest(*args, **kwargs), answered(value), budget=Budget(10 * MIB))


# Where references are found.


@pytest.mark.parametrize(("body", "found"), IN_BODIES.items())
def test_reference_in_a_body_is_an_object_alone(body, found):
    assert [each.text for each in in_body(body.encode(), pointer)] == found


@pytest.mark.parametrize(("text", "found"), IN_TEXTS.items())
def test_reference_in_a_text_is_in_braces(text, found):
    assert [each.text for each in in_text("path", text, pointer)] == found


@pytest.mark.parametrize(("body", "message"), UNREADABLE.items())
def test_reference_that_cannot_be_read_is_quoted(body, message):
    with pytest.raises(ValueError, match=f"^the reference {re.escape(message)}$"):
        list(in_body(body.encode(), pointer))


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/books/{a#/x}/?q={a#/y}", "/books/x/?q=x"),
        ("{a#/body/next}", ""),
        ("/{a#/x}", "/x"),
        ("{a#/x}{a#/y}", ""),
        ("{a#/headers/Location}notes/", ""),
        ("//{a#/x}", "//x"),
        ("/books/", "/books/"),
    ],
)
def test_masked_path_is_what_is_known_of_it(path, known):
    assert masked(path, subrequest(path).references) == known


@pytest.mark.parametrize(
    "body",
    [
        '"' + "x" * MIB + '"',
        '"' + '\\"{' * MIB + '"',
        '["' + '","'.join(["{"] * MIB) + '"]',
        "[" + " " * MIB + "]",
        '{"$ref"' + " " * MIB + ":1}",
        '{"$ref":"' + "a" * MIB + '","x":1}',
        '{"$ref":1},' * 100_000,
        '{"$ref":' * 100_000,
        '"' + "\\" * MIB,
        "{ " * MIB,
    ],
    ids=["string", "quotes", "strings", "blanks", "blanks inside", "long", "many", "nested", "open string", "open"],
)
def test_mebibyte_without_a_reference_is_read_in_one_pass(body):
    assert list(in_body(body.encode(), pointer)) == []


@pytest.mark.parametrize("text", ["{" * MIB, "{a" * MIB, "{a#" * MIB, "{a#" + "x" * MIB], ids=range(4))
def test_mebibyte_of_braces_is_read_in_one_pass(text):
    assert list(in_text("path", text, pointer)) == []


# In a body.

VALUE = '[1.10,"\\u00fc",null]'  # as it is written

plain = (strings | st.integers() | st.booleans() | st.none()).map(json.dumps)
references = st.builds('{{{}"$ref"{}:{}"a#/body"{}}}'.format, blanks, blanks, blanks, blanks)


def nested(texts):
    """A list or object around pairs of JSON texts: one with references, one with the value in the place of each."""
    objects = st.lists(st.tuples(strings.map(json.dumps), texts), min_size=2, max_size=4)
    return st.builds(
        joined, st.just("[]"), blanks, st.lists(texts.map(lambda pair: ("", pair)), max_size=4)
    ) | st.builds(
        joined, st.just("{}"), blanks, objects.map(lambda members: [(f"{name}:", pair) for name, pair in members])
    )


def joined(brackets, blank, children):
    return tuple(
        brackets[0] + blank + ",".join(name + pair[version] for name, pair in children) + brackets[1]
        for version in (0, 1)
    )


bodies = st.recursive(plain.map(lambda text: (text, text)) | references.map(lambda text: (text, VALUE)), nested)


@given(body=bodies)
def test_law_only_the_spans_of_references_change(body):
    written, expected = body
    assert bytes(filled(VALUE.encode(), body=written).body).decode() == expected


def test_subrequest_without_references_is_the_same_object():
    plain = subrequest("/books/", '{"title": "x"}')
    assert fill(plain, {}, budget=Budget(0)) is plain


@pytest.mark.parametrize("value", ["a", 1, True, None, [], {"a": [None]}, "\ud800", '"}, {"$ref": "a#/body"}'])
def test_value_in_a_body_keeps_its_type(value):
    assert json.loads(filled(value, body='{"x": {"$ref": "a#/body"}}').body) == {"x": value}


@pytest.mark.parametrize("number", NUMBERS)
def test_number_keeps_its_text_everywhere(number):
    whole = filled(number.encode(), "/{a#/body}?q={a#/body}", '{"$ref":"a#/body"}', {"Prefer": "wait={a#/body}"})
    quoted = number.replace("+", "%2B")
    assert (whole.path, whole.body) == (f"/{quoted}?q={quoted}", number.encode())
    assert whole.headers == (("Prefer", f"wait={number}"),)


def test_status_and_headers_can_be_referred_to():
    whole = filled(0, body='[{"$ref":"a#/status"},{"$ref":"a#/headers/Content-Type"},{"$ref":"a#/id"}]')
    assert whole.body == b'[200,"application/json","a"]'


# In a path.


def stays_apart(value: str) -> bool:
    """Whether a server can be told `value` as one segment."""
    return "/" not in value and not re.search("[\ud800-\udfff]", value)


@given(value=texts)
@example(value=AWKWARD)
@example(value=AWKWARD.replace("/", ""))
def test_law_value_in_a_path_is_one_segment(value):
    path = "/books/{a#/body}/price/"
    if stays_apart(value):
        assert [unquote(segment) for segment in filled(value, path).path.split("/")] == [
            "",
            "books",
            value,
            "price",
            "",
        ]
    else:
        with pytest.raises(UnresolvedReference):
            filled(value, path)


@given(value=texts.filter(lambda value: "\ud800" not in value))
@example(value=AWKWARD)
def test_law_value_in_a_query_is_one_value(value):
    path, _, query = filled(value, "/books/?a={a#/body}&{a#/body}=b&c=d").path.partition("?")
    assert path == "/books/"
    assert parse_qsl(query, keep_blank_values=True) == [("a", value), (value, "b"), ("c", "d")]


@given(value=texts.filter(stays_apart))
@example(value=AWKWARD.replace("/", ""))
def test_filled_path_is_written_in_characters_that_mean_nothing(value):
    assert re.fullmatch(r"/([A-Za-z0-9_.~-]|%[0-9A-F]{2})*/x", filled(value, "/{a#/body}/x").path)


@pytest.mark.parametrize(("value", "segment"), [("..", "%2E%2E"), (".", "%2E"), ("a.b", "a.b"), ("ü", "%C3%BC")])
def test_dots_alone_are_no_way_up(value, segment):
    assert filled(value, "/{a#/body}/").path == f"/{segment}/"


@pytest.mark.parametrize(
    "path", ["/{a#/body/v}", "/x/{a#/body/v}?next=/x", "/{a#/body/?}{a#/body/v}", "/{a#/body/v}{a#/id}"]
)
def test_slash_in_a_path_is_refused(path):
    with pytest.raises(UnresolvedReference, match="slash"):
        filled({"v": "1/price", "?": 1}, path)


def test_value_at_the_start_of_a_path_is_taken_as_it_is():
    assert filled("/books/?page=2&q=%2F", "{a#/body}").path == "/books/?page=2&q=%2F"
    assert filled("/books/1/", "{a#/body}price/?of={a#/body}").path == "/books/1/price/?of=%2Fbooks%2F1%2F"


def test_value_is_written_as_its_reference_says():
    def write(value: object) -> str:
        return f"<{value}>"

    places = [("path", 6, 7), ("path", 9, 10), ("headers/Prefer", 0, 1), ("body", 1, 2)]
    references = tuple(Reference(*place, "a", pointer("/body"), "a", write) for place in places)
    answers = {"a": [Subresponse(Subrequest("a", "GET", "/"), 200, {"Content-Type": "text/plain"}, b"v")]}
    request = Subrequest("b", "GET", "/book/_?_=_", (("Prefer", "_"),), b"[_]", ("a",), references=references)
    written = fill(request, answers, budget=Budget(100))
    assert (written.path, written.headers, written.body) == ("/book/<v>?_<v>_", (("Prefer", "<v>"),), b"[<v>]")


def test_segment_that_is_written_with_a_slash_is_refused():
    reference = Reference("path", 1, 2, "a", pointer("/body"), "a", lambda value: "1,2/3")
    request = Subrequest("b", "GET", "/_", depends_on=("a",), references=(reference,))
    with pytest.raises(UnresolvedReference, match="slash"):
        fill(request, {"a": [Subresponse(Subrequest("a", "GET", "/"), 200)]}, budget=Budget(100))


@pytest.mark.parametrize("value", [True, False])
def test_truth_is_written_as_in_json(value):
    whole = filled(value, "/{a#/body}", headers={"Prefer": "{a#/body}"})
    assert (whole.path, whole.headers) == (f"/{str(value).lower()}", (("Prefer", str(value).lower()),))


@pytest.mark.parametrize("value", NO_TEXTS.values(), ids=NO_TEXTS)
@pytest.mark.parametrize(
    "place", [{"path": "/{a#/body}"}, {"path": "{a#/body}"}, {"headers": {"Prefer": "{a#/body}"}}], ids=str
)
def test_value_that_is_no_text_is_refused_in_a_path_or_header(value, place):
    with pytest.raises(UnresolvedReference, match="cannot stand in a path or a header"):
        filled(value, **place)


# In a header.


@given(value=texts.filter(lambda value: "\ud800" not in value))
def test_value_in_a_header_is_not_encoded(value):
    assert filled(value, headers={"Prefer": "x={a#/body}"}).headers == (("Prefer", f"x={value}"),)


def test_headers_named_like_other_places_have_their_own_references():
    headers = {"path": "{a#/body/y}", "body": "{a#/body/y}{a#/body/x}"}
    whole = filled({"x": 1, "y": 2}, "/{a#/body/x}", '{"$ref":"a#/body/x"}', headers)
    assert (whole.path, whole.headers, whole.body) == ("/1", (("path", "2"), ("body", "21")), b"1")


# References that find nothing, or would cost too much.


def test_what_is_not_found_is_named():
    with pytest.raises(UnresolvedReference, match="'a#/body/id' is not found in the answer that it refers to"):
        filled({}, "/{a#/body/id}")


@pytest.mark.parametrize(
    "sent",
    [
        {"body": "[" + ",".join(['{"$ref":"a#/body"}'] * 1000) + "]"},
        {"path": "/{a#/body}" * 1000},
        {"headers": {"Prefer": "{a#/body}" * 1000}},
    ],
    ids=lambda sent: next(iter(sent)),
)
def test_values_that_multiply_are_refused_as_soon_as_they_are_too_large(sent):
    bomb, answers = subrequest(**sent), answered("x" * MIB)
    tracemalloc.start()
    try:
        with pytest.raises(UnresolvedReference, match=r"more than \d+ bytes"):
            fill(bomb, answers, budget=Budget(2 * MIB))
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


def test_value_that_is_found_many_times_is_refused_as_soon_as_it_is_too_large():
    reference = Reference("body", 0, 1, id="a", query=lambda document: [document] * 1000, text="a#$..x")
    bomb, answers = replace(subrequest(body="0"), references=(reference,)), answered("x" * MIB)
    tracemalloc.start()
    try:
        with pytest.raises(UnresolvedReference, match=r"more than \d+ bytes"):
            fill(bomb, answers, budget=Budget(2 * MIB))
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


def test_filled_body_may_be_exactly_as_large_as_allowed():
    sent = subrequest(body='{"$ref":"a#/body"}')
    assert len(fill(sent, answered("x" * 98), budget=Budget(100)).body) == 100
    with pytest.raises(UnresolvedReference):
        fill(sent, answered("x" * 99), budget=Budget(100))


def test_body_with_many_references_is_filled_in_one_pass():
    count = 10_000
    body = filled(7, body="[" + ",".join(['{"$ref":"a#/body"}'] * count) + "]").body
    assert body == b"[" + b",".join([b"7"] * count) + b"]"


# The budget that all references of a batch share.


def test_answer_is_decoded_once_for_all_that_refer_to_it():
    budget, [answer] = Budget(100), answered("x" * 50)["a"]
    assert budget.document(answer) is budget.document(answer)


def test_answer_larger_than_a_batch_cannot_be_referred_to():
    with pytest.raises(UnresolvedReference, match="has 102 bytes, but references read at most 100") as caught:
        fill(subrequest("/{a#/status}"), answered("x" * 100), budget=Budget(100))
    assert caught.value.pointer == "/path"


def test_answers_that_were_decoded_make_room_for_others():
    budget, answers = Budget(100), [answered("x" * 58)["a"][0] for _ in range(3)]
    first = budget.document(answers[0])
    budget.document(answers[1])
    assert budget.document(answers[1])["body"] == "x" * 58
    assert budget.document(answers[0]) is not first
    with pytest.raises(ValueError, match="read more than 200 bytes"):
        budget.document(answers[2])


def test_references_of_all_items_write_no_more_than_twice_a_batch():
    budget, answers = Budget(100), answered("x" * 38)
    sent = subrequest(body='{"$ref":"a#/body"}')
    assert [len(fill(sent, answers, budget=budget).body) for _ in range(2)] == [40, 40]
    for _ in range(2):
        with pytest.raises(UnresolvedReference, match="write more than 200 bytes"):
            fill(sent, answers, budget=budget)


def test_queries_of_all_items_look_at_so_many_values():
    document = Budget(100).document(answered(1)["a"][0])
    document.look_at(1_000_000)
    with pytest.raises(LookupError, match="look at more than 1000000 values"):
        document.look_at(1)


@pytest.mark.parametrize("error", [TypeError, AttributeError, OverflowError, RecursionError, AssertionError])
def test_whatever_a_query_raises_is_the_fault_of_its_own_item(error):
    def fail(document: object) -> object:
        raise error

    reference = Reference("headers/A/B", 0, 1, "a", fail, "a")
    with pytest.raises(UnresolvedReference, match=error.__name__) as caught:
        fill(replace(subrequest(), references=(reference,)), answered(1), budget=Budget(100))
    assert caught.value.pointer == "/headers/A~1B"


def test_reference_longer_than_a_header_is_refused():
    with pytest.raises(ValueError, match="has 8195 characters, but may have at most 8192"):
        list(in_body(b'{"$ref":"a#/%b"}' % (b"x" * 8192), pointer))


def test_ids_are_found_in_references_that_cannot_be_read():
    assert list(referred(b'[{"$ref":"a#nope"},{"$ref":"b"},{"$ref":"#/c"},{"$ref":1}]')) == ["a", ""]
