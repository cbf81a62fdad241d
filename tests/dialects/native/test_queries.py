"""The part of a reference behind its `#`: a JSON Pointer, or a JSONPath if the extra is installed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_batch.core.batch import Subrequest, Subresponse
from django_batch.core.documents import document, to_json
from django_batch.dialects.native import queries
from django_batch.dialects.native.queries import Compiler, compile_query

BOOKS = b"""{"results": [
    {"id": 1, "title": "The Last Harbour", "price": 18.50, "stock": 10, "tags": []},
    {"id": 2, "title": "Gr\\u00fcn", "price": 31.90, "stock": 0, "tags": ["sea", "match"]},
    {"id": 18446744073709551617, "title": "x", "price": 5.00, "stock": 1, "tags": ["sea"]}
]}"""
# JSONPath -> the list of values that it selects, as JSON text
SELECTED = {
    "$.body.results[*].id": "[1,2,18446744073709551617]",
    "$.body.results[1].price": "[31.90]",
    "$['body']['results'][-1:]['title']": '["x"]',
    "$..title": '["The Last Harbour","Gr\\u00fcn","x"]',
    "$.body.results[?@.stock > 0].price": "[18.50,5.00]",
    "$.body.results[?@.title == 'Grün'].id": "[2]",
    "$.body.results[?@.price < 20 && @.stock > 1].id": "[1]",
    "$.body.results[?count(@.tags[*]) > 1].id": "[2]",
    "$.body.results[?length(@.title) == 1].stock": "[1]",
    "$.body.results[?value(@.tags[0]) == 'sea'].id": "[2,18446744073709551617]",
    "$.body.results[0,1].stock": "[10,0]",
    "$.status": "[200]",
    "$.headers['Content-Type']": '["application/json"]',
    "$.body.nothing": "[]",
    "$.body.results[7]": "[]",
}
NO_PATHS = [
    "$.",
    "$[",
    "$.body[",
    "$.a ",
    "$.body.results[?@.id ==]",
    "$.body.results[?nothing(@.id)]",
    "$$",
    "$[" + "9" * 30,
]
# Functions that run a regular expression of the sender, which can take any time
PATTERNS = ["$..[?match(@.title, '(a+)+b')]", "$..[?search(@.title, '(a+)+b')]", "$..[?@.title =~ /(a+)+b/]"]
# Operators that could multiply the work
MULTIPLYING = {
    "$..*..*": "at most 1 of '..'",
    "$..[?count(@..*) > 1]": "at most 1 of '..'",
    "$[?@[?@[?@.a]]]": "at most 1 of '?'",
    "$.body[?@.a == $.body.b]": "at most 1 of '$'",
    "$[*,*,*,*,*,*]": "at most 4 of ','",
    "$" + ".a" * 100: "at most 200 characters here, but this one has 201",
    "$" + "?" * 10_000_000: "at most 1 of '?'",
}


def answer(body: bytes) -> dict[str, object]:
    return document(Subresponse(Subrequest("a", "GET", "/"), 200, {"Content-Type": "application/json"}, body))


@pytest.fixture
def without_jsonpath(monkeypatch):
    monkeypatch.setattr(queries, "find_spec", lambda name: None)


@pytest.mark.parametrize(("path", "selected"), SELECTED.items())
def test_json_path_selects_a_list(path, selected):
    assert to_json(compile_query(path)(answer(BOOKS))) == selected


def test_what_starts_with_a_slash_is_a_pointer():
    assert to_json(compile_query("/body/results/1/price")(answer(BOOKS))) == "31.90"


@pytest.mark.parametrize("path", [*NO_PATHS, *PATTERNS])
def test_text_that_is_no_json_path_is_refused_in_one_line(path):
    with pytest.raises(ValueError, match=r"\A.+\Z"):
        compile_query(path)


@pytest.mark.parametrize(("path", "limit"), MULTIPLYING.items(), ids=range(len(MULTIPLYING)))
def test_json_path_that_could_multiply_its_work_is_refused(path, limit):
    with pytest.raises(ValueError, match=f"^a JSONPath may have {re.escape(limit)}( here)?$"):
        compile_query(path)


def test_answer_with_too_many_values_is_not_searched():
    path = "$.body[?@.id == 1]"
    limit = 250_000 // len(path)
    values = b"[" + b",".join([b"1"] * limit) + b"]"
    with pytest.raises(LookupError, match=f"too many for a JSONPath of {len(path)} characters"):
        compile_query(path)(answer(values))
    assert compile_query(path)(answer(values.replace(b"1,", b"", 100))) == []


def test_longer_path_may_search_fewer_values():
    values = answer(b"[" + b",".join([b"1"] * 10_000) + b"]")
    assert compile_query("$.body[7]")(values) == [1]
    with pytest.raises(LookupError):
        compile_query("$.body[?@.a || @.b || @.c]")(values)


def test_path_that_selects_too_much_finds_nothing():
    with pytest.raises(LookupError, match="more than 1000 values"):
        compile_query("$.body[*]")(answer(b"[" + b",".join([b"1"] * 1001) + b"]"))


def test_path_into_what_is_nested_too_deeply_finds_nothing():
    with pytest.raises(LookupError, match=r"\Athe JSONPath failed: recursion limit exceeded\Z"):
        compile_query("$..a")(answer(b"[" * 300 + b"]" * 300))


@pytest.mark.parametrize("path", ["$.body[?count(@) < 5]", "$.body[?@ <= value(@)]", "$.body[?value(@) == 1]"])
def test_path_that_compares_what_cannot_be_compared_finds_nothing(path):
    with pytest.raises(LookupError):
        compile_query(path)({"body": {"id": 1}})


def test_paths_of_one_answer_do_not_disturb_each_other():
    first, second = compile_query("$..[?@.stock > 0].id"), compile_query("$..[?@.stock == 0].id")
    found = [to_json(path(answer(BOOKS))) for path in (first, second, first)]
    assert found == ["[1,18446744073709551617]", "[2]", "[1,18446744073709551617]"]


@given(text=st.text("$.[]?@*'\"()&|!=<>:,-0123abc \\\n", max_size=30).map("$".__add__))
def test_whatever_the_text_it_is_refused_or_gives_a_list(text):
    try:
        query = compile_query(text)
    except ValueError:
        return
    try:
        assert isinstance(query(answer(BOOKS)), list)
    except LookupError:
        return


def test_without_the_extra_a_json_path_is_refused_with_its_name(without_jsonpath):
    with pytest.raises(ValueError, match=re.escape("needs the extra django-batch[jsonpath] on the server")):
        compile_query("$.body.id")


def test_without_the_extra_pointers_work(without_jsonpath):
    assert compile_query("/status")(answer(BOOKS)) == 200


FAILING = ["$.body[?count(@) < 5]", "$.body[?@ <= value(@)]", "$.body[?value(@) == 1]"]


@pytest.mark.parametrize("path", FAILING)
def test_path_that_fails_in_its_library_finds_nothing(path):
    with pytest.raises(LookupError, match="the JSONPath failed"):
        compile_query(path)(answer(b'{"id": 1}'))


@pytest.mark.parametrize("path", ["$[?@.a==1e400]", "$[?@.a==1E999999]", "$[1e400]"])
def test_number_that_no_float_holds_is_no_json_path(path):
    with pytest.raises(ValueError, match="this is not a JSONPath"):
        compile_query(path)


def test_text_is_compiled_once_in_a_batch():
    compiler = Compiler()
    assert compiler("$.body.id") is compiler("$.body.id")
    assert compiler("/body/id") is compiler("/body/id")


def test_json_paths_of_an_item_are_counted_before_they_are_compiled():
    compiler = Compiler()
    for _ in range(10):
        compiler("$.body.id")
    with pytest.raises(ValueError, match="an item can have at most 10"):
        compiler("$[")
    compiler.begin_item()
    assert compiler("$.body.id")


def test_different_json_paths_of_a_batch_are_counted():
    compiler = Compiler()
    for number in range(100):
        compiler.begin_item()
        compiler(f"$.body[{number}]")
    compiler.begin_item()
    with pytest.raises(ValueError, match="at most 100 different JSONPaths"):
        compiler("$.body[100]")


def test_references_of_a_batch_are_counted():
    compiler = Compiler()
    for _ in range(10_000):
        compiler("/body")
    with pytest.raises(ValueError, match="a batch can have at most 10000 references"):
        compiler("/body")
