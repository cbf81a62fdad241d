"""The `if` of an item: the supported expressions, and when they hold."""

from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_batch.dialects.odata.conditions import compile_condition

A, B = "$a/$succeeded", "$b/$succeeded"
# an expression, and the same expression in Python
UNDERSTOOD = [
    (A, "a"),
    (f"not {A}", "not a"),
    (f"not({A})", "not a"),
    (f"not not {A}", "a"),
    (f"{A} eq true", "a"),
    (f"{A} eq false", "not a"),
    (f"{A} ne false", "a"),
    (f"true eq {A}", "a"),
    (f"{A} eq {B}", "a == b"),
    (f"{A} and {B}", "a and b"),
    (f"{A} or {B}", "a or b"),
    (f"{A} or {B} and not {A}", "a or (b and not a)"),
    (f"{A} and {B} or not {B}", "(a and b) or not b"),
    (f"({A} or {B}) and not {A}", "(a or b) and not a"),
    (f"not {A} and {B}", "(not a) and b"),
    (f"not ({A} and {B})", "not (a and b)"),
    (f"{A} eq false and {B} eq true", "(not a) and b"),
    (f"{A} eq ({B} or {A})", "a == (a or b)"),
    (f"  ( ( {A} ) )  ", "a"),
    (f"{A} EQ False", "not a"),
    ("true", "True"),
    ("false or true and false", "False"),
    ("(" * 4_990 + A + ")" * 4_990, "a"),
    ("not " * 2_001 + A, "not a"),
]
NOT_UNDERSTOOD = [
    "",
    " ",
    "()",
    "not",
    "and",
    f"{A} and",
    f"and {A}",
    f"{A} {B}",
    f"{A} not {B}",
    f"{A}(",
    f"({A}",
    f"{A})",
    f")({A})(",
    "$a",
    "$a/name eq 'x'",
    "$a/$succeeded/x",
    "$a/$succeededx",
    "a/$succeeded",
    "$/$succeeded",
    f"{A}eq true",
    f"{A} eq 1",
    f"{A} gt {B}",
    f"{A} eq null",
    f"contains({A},true)",
    "truefalse",
    "1 eq 1",
    "(" * 10_000,
]


@pytest.mark.parametrize(("text", "python"), UNDERSTOOD, ids=lambda text: text[:40])
def test_condition_holds_where_its_expression_is_true(text, python):
    concerns, condition = compile_condition(text)
    assert concerns == {name for name in ("a", "b") if f"${name}/" in text}
    for a, b in product([True, False], repeat=2):
        assert condition({"a": a, "b": b}) is bool(eval(python, {"a": a, "b": b}))


@pytest.mark.parametrize("text", NOT_UNDERSTOOD, ids=lambda text: text[:40])
def test_condition_that_is_not_understood_says_so(text):
    concerns, condition = compile_condition(text)
    assert concerns == set()
    with pytest.raises(ValueError, match=r"is not understood. It may use \$ID/\$succeeded, true"):
        condition({"a": True, "b": True})


def test_condition_that_is_too_long_is_not_looked_at():
    concerns, condition = compile_condition(f"{A} or " * 1_000)
    assert concerns == set()
    with pytest.raises(ValueError, match="has more than 10000 characters"):
        condition({"a": True})


expressions = st.recursive(
    st.sampled_from([(A, "a"), (B, "b"), ("true", "True"), ("false", "False")]),
    lambda parts: (
        st.builds(lambda part: (f"not ({part[0]})", f"(not {part[1]})"), parts)
        | st.builds(lambda part: (f"({part[0]})", f"({part[1]})"), parts)
        | st.builds(
            lambda left, word, right: (f"({left[0]}) {word[0]} ({right[0]})", f"({left[1]} {word[1]} {right[1]})"),
            parts,
            st.sampled_from([("and", "and"), ("or", "or"), ("eq", "=="), ("ne", "!=")]),
            parts,
        )
    ),
    max_leaves=8,
)


@given(expressions, st.booleans(), st.booleans())
def test_law_condition_is_what_its_expression_says(expression, a, b):
    text, python = expression
    assert compile_condition(text)[1]({"a": a, "b": b}) is bool(eval(python, {"a": a, "b": b}))


@given(st.lists(st.sampled_from([A, "not", "and", "eq", "(", ")", "true", "x", " "])).map(" ".join) | st.text())
def test_whatever_the_text_it_holds_or_not_or_is_not_understood(text):
    concerns, condition = compile_condition(text)
    with suppress(ValueError):
        assert condition(dict.fromkeys(concerns, True)) in (True, False)
