"""JSON text read into values, or an error that says where and why it cannot be read."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.json import Decoder

from django_batch.dialects.shared.json_text import masked, read, read_array, read_members, unknown_member
from django_batch.errors import Malformed, TooManyRequests

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


class Shelf(msgspec.Struct):
    name: str
    books: list[str] = []
    labels: dict[str, str] = {}


# text -> pointer, below "/shelf", to the mistake in it
FAULTS = {
    b"5": "",
    b"null": "",
    b"[]": "",
    b"{}": "",
    b'{"name":5}': "/name",
    b'{"name":"A","books":"B"}': "/books",
    b'{"name":"A","books":["B",7]}': "/books/1",
    b'{"name":"A","labels":{"B":7}}': "/labels",
    b'{"name":': "",
    b'{"name":"A"}}': "",
    b"{'name':'A'}": "",
    b'{"name":"\\ud800"}': "",
    b'{"name":"\\q"}': "",
    b'{"name":"\t"}': "",
    b'{"name":NaN}': "",
    b"": "",
    b"\xef\xbb\xbf{}": "",
}


@pytest.mark.parametrize(("text", "place"), FAULTS.items())
def test_wrong_text_is_malformed_at_its_place(text, place):
    with pytest.raises(Malformed) as caught:
        read(text, Decoder(Shelf), pointer="/shelf")
    assert caught.value.pointer == "/shelf" + place
    assert "$" not in caught.value.detail


@pytest.mark.parametrize("text", [b'{"a":' * 100_000, b'{"name":"A","unknown":' + b"[" * 100_000])
def test_text_nested_too_deeply_is_malformed(text):
    with pytest.raises(Malformed, match="nested too deeply"):
        read(text, Decoder(Shelf))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_array_within_the_limit_gives_its_elements(count):
    elements = [b"{}", b'{"a": 1.10}', b"7"][:count]
    text = b"[%b]" % b", ".join(elements)
    assert [bytes(each) for each in read_array(text, 3, commas=text.count(b","), pointer="")] == elements


def test_array_past_the_limit_is_too_many_requests():
    with pytest.raises(TooManyRequests, match="more than 3") as caught:
        read_array(b"[1,2,3,4]", 3, commas=3, pointer="/requests")
    assert caught.value.pointer == "/requests"


@pytest.mark.parametrize("text", [b"{}", b"null", b'"[]"', b"7"])
def test_other_value_than_an_array_is_malformed(text):
    with pytest.raises(Malformed, match="array"):
        read_array(text, 3, commas=0, pointer="/requests")


@given(st.lists(VALUES, max_size=8), st.integers(1, 8))
def test_array_is_read_as_the_json_module_reads_it(values, limit):
    text = json.dumps(values).encode()
    try:
        elements = [json.loads(bytes(each)) for each in read_array(text, limit, commas=text.count(b","), pointer="")]
    except TooManyRequests:
        assert len(values) > limit
    else:
        assert elements == values


def test_members_are_read_without_annotations():
    members = read_members(b'{"path":"/","@odata.type":"x","a@b":1,"c.d":2,"id":"a"}')
    assert {name: bytes(value) for name, value in members.items()} == {"path": b'"/"', "id": b'"a"'}


def test_repeated_member_is_refused_with_its_place():
    with pytest.raises(Malformed, match="The member 'id' appears twice") as caught:
        read_members(b'{"id":"a","\\u0069d":"b"}', pointer="/0")
    assert caught.value.pointer == "/0/id"


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (rb'"\ud83d"', b'"\xffud83d"'),
        (rb'"\uD83D\ude00"', rb'"\uD83D\ude00"'),
        (rb'"\ud83d\ud83d\ude00\ude00"', b'"\xffud83d\\ud83d\\ude00\xffude00"'),
        (rb'"\\ud83d"', rb'"\\ud83d"'),
        (rb'"\u00fc\n\udc00"', b'"\\u00fc\\n\xffudc00"'),
        (rb'"\ud83d', b'"\xffud83d'),
    ],
)
def test_lone_surrogates_are_masked(text, changed):
    assert masked(text) == changed


def test_too_many_lone_surrogates_are_refused():
    with pytest.raises(Malformed, match="more than 10000 lone surrogates"):
        masked(rb"\ud83d" * 10_001)


def test_mebibytes_of_escapes_are_looked_through_in_one_pass():
    assert masked(rb"\n\ud83d\ude00" * 2**18) == rb"\n\ud83d\ude00" * 2**18


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b" ", "This is empty"),
        (b'["a",]', "There is a comma before a closing bracket"),
        (b"[", "This is not valid JSON"),
        (b'["\xffud83d"]', "A lone surrogate"),
    ],
)
def test_text_that_is_no_json_is_told_why(text, sentence):
    with pytest.raises(Malformed, match=sentence):
        read(text, Decoder(list[str]))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("metod", "Did you mean 'method'?"),
        ("Path", "Did you mean 'path'?"),
        ("xyz", "The known members are path, method."),
        ("data", "The known members are path, method."),
        ("", "The known members are path, method."),
    ],
)
def test_unknown_member_is_answered_with_a_hint(name, hint):
    assert unknown_member(name, ["path", "method"], pointer="").detail == f"Unknown member {name!r}. {hint}"


def test_unknown_member_with_a_long_name_is_compared_by_its_beginning():
    assert "Did you mean" not in unknown_member("path" * 10**6, ["path"], pointer="").detail


def test_pointer_to_an_unknown_member_is_escaped():
    assert unknown_member("a/b~c", ["path"], pointer="/requests/0").pointer == "/requests/0/a~1b~0c"


@pytest.mark.parametrize(("name", "hint"), [("data", "'body'"), ("params", "'path'"), ("atomic", "'atomicity_group'")])
def test_member_that_items_have_elsewhere_is_told_its_place_here(name, hint):
    error = unknown_member(name, ["path", "body"], pointer="/0")
    assert hint in error.detail
    assert error.pointer == f"/0/{name}"


def test_json_in_a_string_is_told_as_what_it_is():
    with pytest.raises(Malformed, match="a string that contains JSON"):
        read_members(b'"[]"')
