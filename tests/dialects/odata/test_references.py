"""OData's references: where they are found, which values replace them, and that ordinary text never is one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from django_batch.core.batch import Subrequest, Subresponse
from django_batch.core.references import Budget, fill
from django_batch.dialects.odata.references import references
from django_batch.errors import Malformed, UnresolvedReference

MANY = 2**18
ROOTS = ("http://h/svc/", "/svc/")
JSON = ("Content-Type", "application/json")
CREATED = Subresponse(
    Subrequest("a", "POST", "/svc/Items"),
    201,
    {"Content-Type": "application/json", "Location": "http://h/svc/Items(9)", "ETag": 'W/"1"'},
    b'{"id": 9, "name": "O\'Neil & Co", "price": 1.10, "none": null, "tags": ["x"], "a~b": {"c": true},'
    b' "@odata.id": "i"}',
)


def filled(path="/", headers=(JSON,), body=b"", answer=CREATED, values=True, method="PATCH") -> Subrequest:
    """An item that depends on "a", with its references filled in from `answer`."""
    found = references(method, path, headers, body, {"a"}, values=values, pointer="", roots=ROOTS)
    subrequest = Subrequest("b", method, path, tuple(headers), body, ("a",), references=found)
    return fill(subrequest, {"a": (answer,)}, budget=Budget(10_000))


# the path of an item, and the path with its references filled in
PATHS = [
    ("$a", "http://h/svc/Items(9)"),
    ("%24a", "http://h/svc/Items(9)"),
    ("$a/Notes", "http://h/svc/Items(9)/Notes"),
    ("$a/Notes?$filter=$a/price", "http://h/svc/Items(9)/Notes?$filter=1.10"),
    ("$a?$select=id", "http://h/svc/Items(9)?$select=id"),
    ("/Items?id=$a/id", "/Items?id=9"),
    ("/Items?name=$a/name&x=1", "/Items?name=O%27Neil%20%26%20Co&x=1"),
    ("/Items?$filter=name%20eq%20$a/name", "/Items?$filter=name%20eq%20%27O%27%27Neil%20%26%20Co%27"),
    ("/Items?$filter=price+gt+$a/price+and+flag+eq+$a/a~b/c", "/Items?$filter=price+gt+1.10+and+flag+eq+true"),
    ("/Items?$filter=none%20eq%20$a/none", "/Items?$filter=none%20eq%20null"),
    ("/Items?$filter=id in ($a/id,$a/id)".replace(" ", "%20"), "/Items?$filter=id%20in%20(9,9)"),
    ("/Items?id=$a/tags/0", "/Items?id=x"),
    # texts
    ("/Items/$a/id", "/Items/$a/id"),
    ("/$a", "/$a"),
    ("/Items?q=$a", "/Items?q=$a"),
    ("/Items?q=$$a/id", "/Items?q=$$a/id"),
    ("/Items?q=US$a/id", "/Items?q=US$a/id"),
    ("/Items?q=$b/id", "/Items?q=$b/id"),
    ("/Items?$a/id=1", "/Items?$a/id=1"),
]
# the path of the first request, the Location in its answer, the path of the item, and that path filled in
URLS = [
    ("/svc/Items(7)", None, "$a", "/svc/Items(7)"),
    ("/svc/Items(7)?$select=id", None, "$a/Notes", "/svc/Items(7)/Notes"),
    ("/svc/Items", "Items(9)", "$a/Notes", "/svc/Items(9)/Notes"),
    ("/svc/Items", "/api/items/9/", "$a", "/api/items/9/"),
    ("/svc/Items", "/api/items/9/", "$a/notes/", "/api/items/9/notes/"),
    ("/svc/Items", "/api/items/9/", "$a?x=1", "/api/items/9/?x=1"),
    ("/svc/Items", "/api/items/?id=9", "$a", "/api/items/?id=9"),
]
# a JSON text, and the text with its references filled in
BODIES = [
    ('{"item": "$a/id"}', '{"item": 9}'),
    ('{"item" : "$a/price" , "n":1.0}', '{"item" : 1.10 , "n":1.0}'),
    ('["$a/tags", "$a/a~b/c", "$a/none"]', '[["x"], true, null]'),
    ('"$a/id"', "9"),
    ('{"x": "\\u0024a\\/id"}', '{"x": 9}'),
    ('{"@odata.id": "$a/@odata.id"}', '{"@odata.id": "http://h/svc/Items(9)/@odata.id"}'),
    ('{"x": "$a/@odata.id"}', '{"x": "i"}'),
    ('{"parent@odata.bind": "$a"}', '{"parent@odata.bind": "http://h/svc/Items(9)"}'),
    ('{"parent@odata.bind": "/svc/$a"}', '{"parent@odata.bind": "http://h/svc/Items(9)"}'),
    ('{"parent@odata.bind": "\\/svc\\/$a"}', '{"parent@odata.bind": "http://h/svc/Items(9)"}'),
    ('{"@odata.id": "http://h/svc/$a/Owner"}', '{"@odata.id": "http://h/svc/Items(9)/Owner"}'),
    ('{"m@bind": ["/svc/$a", "/svc/Items(1)"]}', '{"m@bind": ["http://h/svc/Items(9)", "/svc/Items(1)"]}'),
    ('{"parent@bind":"$a"}', '{"parent@bind":"http://h/svc/Items(9)"}'),
    ('{"p": {"@id": "$a"}}', '{"p": {"@id": "http://h/svc/Items(9)"}}'),
    ('{"@odata.id": "$a/Owner"}', '{"@odata.id": "http://h/svc/Items(9)/Owner"}'),
    (
        '{"m@odata.bind": ["$a", "x", "$a"]}',
        '{"m@odata.bind": ["http://h/svc/Items(9)", "x", "http://h/svc/Items(9)"]}',
    ),
    ('{"m@odata.bind": [], "x": ["$a/id"]}', '{"m@odata.bind": [], "x": [9]}'),
    (
        '{"x@odata.bind": {}, "y": [{"x@odata.bind": 1}, "$a/id"]}',
        '{"x@odata.bind": {}, "y": [{"x@odata.bind": 1}, 9]}',
    ),
]
# JSON texts without a reference
TEXTS = [
    '{"text": "costs $a/id"}',
    '{"text": "$a/id "}',
    '{"text": "/svc/$a"}',
    '{"x@odata.bind": "/other/$a"}',
    '{"x@odata.bind": "http://elsewhere/svc/$a"}',
    '{"x@odata.bind": "/svc//svc/$a"}',
    '{"text": "$a/"}',
    '{"text": "$a//id"}',
    '{"text": " $a"}',
    '{"text": "$"}',
    '{"text": "$$a"}',
    '{"text": "$b"}',
    '{"text": "$A/id"}',
    '{"text": "$aa"}',
    '{"$a": 1, "$a/id" : 2}',
    '{"text": "\\"$a/id\\""}',
    '{"text": "\\\\\\"$a/id"}',
    '{"x@odata.bind": "/Items(9)", "text": "x", "@odata.id": null}',
    '{"x@odata.bind": "$b", "n": [1, true]}',
    '"\\ud800"',
    "[]",
    "",
    # texts that are not JSON, which the view will refuse
    '{"text": "$a',
    '"$a/\\x"',
    '"$a/\x00"',
    '{"\\x@odata.bind": "costs $a"}',
]


@pytest.mark.parametrize(("path", "becomes"), PATHS)
def test_path_is_filled_in_where_the_standard_has_references(path, becomes):
    assert filled(path).path == becomes


@pytest.mark.parametrize(("asked", "location", "path", "becomes"), URLS)
def test_entity_is_at_its_location_or_where_it_was_asked_for(asked, location, path, becomes):
    answer = Subresponse(Subrequest("a", "GET", asked), 200, {"LOCATION": location} if location else {})
    assert filled(path, answer=answer).path == becomes


SENT = ["POST $a", "POST $a?x=1", "POST $a/Notes", "GET $a", "HEAD $a/9", "DELETE $a", "PATCH $a"]
# the method and the body of a request whose answer has no Location -> the requests that may be sent to its URL
LOCATED = [
    ("POST", b'{"id": 9}', SENT[:2]),
    ("GET", b"[]", [*SENT[:2], "GET $a", "HEAD $a/9"]),
    ("GET", b'{"value": []}', [*SENT[:2], "GET $a", "HEAD $a/9"]),
    ("PATCH", b"", SENT),
    ("GET", b'{"id": 7, "value": 1}', SENT),
]


@pytest.mark.parametrize(("asked", "body", "sent"), LOCATED)
def test_nothing_but_a_post_or_a_look_goes_to_a_collection(asked, body, sent):
    answer = Subresponse(Subrequest("a", asked, "/svc/X"), 200, {"Content-Type": "application/json"}, body)
    for method, path in map(str.split, sent):
        assert filled(path, method=method, answer=answer).path.startswith("/svc/X")
    for method, path in map(str.split, {*SENT} - {*sent}):
        with pytest.raises(UnresolvedReference, match="it has no Location"):
            filled(path, method=method, answer=answer)


@pytest.mark.parametrize(("asked", "body"), [("POST", b'{"id": 9}'), ("GET", b"[]"), ("GET", b'{"value": []}')])
def test_nothing_is_bound_to_a_collection(asked, body):
    answer = Subresponse(Subrequest("a", asked, "/svc/X"), 200, {"Content-Type": "application/json"}, body)
    with pytest.raises(UnresolvedReference, match="it has no Location"):
        filled(body=b'{"x@odata.bind": "$a"}', answer=answer, method="POST")


@pytest.mark.parametrize("name", ["If-Match", "if-none-match", "IF-MATCH"])
def test_etag_is_filled_into_a_precondition(name):
    assert filled(headers=((name, "$a"),)).headers == ((name, 'W/"1"'),)


@pytest.mark.parametrize("header", [("If-Match", '"$a"'), ("If-Match", "*"), ("X-Etag", "$a"), ("If-Range", "$a")])
def test_other_headers_are_left_as_they_are(header):
    assert filled(headers=(header,)).headers == (header,)


@pytest.mark.parametrize(("body", "becomes"), BODIES)
@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_body_is_filled_in_where_a_string_is_a_reference(kind, body, becomes):
    assert filled(body=kind(body.encode())).body == becomes.encode()


@pytest.mark.parametrize("body", TEXTS)
def test_text_is_no_reference(body):
    assert references("POST", "/", [JSON], body.encode(), {"a"}, values=True, pointer="") == ()


@pytest.mark.parametrize(("body", "becomes"), BODIES)
def test_without_values_only_urls_are_filled_in(body, becomes):
    has_entity = "http://h/" in becomes
    assert filled(body=body.encode(), values=False).body == (becomes if has_entity else body).encode()


@pytest.mark.parametrize("path", ["/Items?id=$a/id", "/Items?$filter=id%20eq%20$a/id"])
def test_without_values_a_query_is_left_as_it_is(path):
    assert filled(path, values=False).path == path


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/octet-stream", "application/json; charset=utf-16", ""]
)
def test_no_other_body_than_json_is_read(content_type):
    assert filled(headers=[("content-type", content_type)], body=b'"$a/id"').body == b'"$a/id"'


def test_without_dependencies_no_body_and_no_query_is_read():
    assert references("POST", "/?q=$a/id", [JSON], b'["$a/id"]', (), values=True, pointer="") == ()


@pytest.mark.parametrize(("path", "headers"), [("$x/Notes", ()), ("/", [("If-Match", "$x")])])
def test_url_and_etag_of_what_is_no_dependency_are_references_all_the_same(path, headers):
    assert [each.id for each in references("GET", path, headers, b"", (), values=True, pointer="")] == ["x"]


@pytest.mark.parametrize(
    ("item", "answer"),
    [
        ({"path": "/?q=$a/no"}, CREATED),
        ({"path": "/?q=$a/tags"}, CREATED),
        ({"body": b'["$a/no"]'}, CREATED),
        ({"headers": [("If-Match", "$a")]}, replace(CREATED, headers={})),
        ({"path": "$a/Notes"}, replace(CREATED, headers={"Location": "/items/?id=9"})),
        ({"path": "$a?x=1"}, replace(CREATED, headers={"Location": "/items/?id=9"})),
        ({"path": "$a"}, replace(CREATED, headers={"Location": "http://["})),
    ],
)
def test_what_is_not_there_is_not_made_up(item, answer):
    with pytest.raises(UnresolvedReference):
        filled(**item, answer=answer)


def test_thousand_references_are_taken_and_no_more():
    def found(number: int) -> int:
        body = json.dumps(["$a/id"] * number).encode()
        return len(references("POST", "/?q=$a/id", [JSON], body, {"a"}, values=True, pointer="/requests/0"))

    assert found(999) == 1000
    with pytest.raises(Malformed, match="at most 1000 references") as caught:
        found(1000)
    assert caught.value.pointer == "/requests/0"


texts = st.text().filter(lambda text: not text.startswith("$a/"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | st.sampled_from(["$a", "$a/id", "$b/id", '"$a"', "$a/id,"]),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(texts | st.sampled_from(["$a", "x@bind"]), children)
    ),
    max_leaves=10,
)


def replaced(value: object, member: str = "") -> object:
    """The value that is expected once the references in a JSON value are filled in."""
    match value:
        case dict():
            return {name: replaced(child, name) for name, child in value.items()}
        case list():  # a list of URLs, as long as it holds only strings
            ends = next((place for place, child in enumerate(value) if isinstance(child, list | dict)), len(value))
            return [replaced(child, member if place <= ends else "") for place, child in enumerate(value)]
        case "$a" | "$a/id" if member.endswith("@bind"):
            return "http://h/svc/Items(9)" + value[2:]
        case "$a":
            return json.loads(CREATED.body)
        case "$a/id":
            return 9
    return value


@given(value=json_values, indent=st.none() | st.integers(0, 3), as_ascii=st.booleans())
def test_law_strings_that_are_references_are_filled_in_and_nothing_else(value, indent, as_ascii):
    body = json.dumps(value, indent=indent, ensure_ascii=as_ascii).encode(errors="surrogatepass")
    assert json.loads(filled(body=body).body) == replaced(value)


@pytest.mark.parametrize(
    "body",
    [
        b'["$a/id' + rb"\"" * MANY,
        b'"' * MANY + b'$a"',
        b'{"' + b"k" * MANY + b'@bind":[' + b'"$b",' * MANY,
        b'"\\u0024' * MANY,
    ],
    ids=["unending", "only quotes", "long name", "escapes"],
)
def test_long_body_is_passed_once(body):  # this would take hours if any part of it were searched repeatedly
    assert references("POST", "/", [JSON], body, {"a"}, values=True, pointer="") == ()


@given(body=st.binary() | st.lists(st.sampled_from([b'"', b"$a", b"\\", b"{", b":", b"@bind", b" "])).map(b"".join))
def test_whatever_the_bytes_they_are_searched(body):
    assert all(each.id == "a" for each in references("POST", "/", [JSON], body, {"a"}, values=True, pointer=""))
