"""Names in error messages."""

import pytest

from django_batch.core.names import hint, listed


@pytest.mark.parametrize(
    ("name", "known", "sentence"),
    [
        ("oder", ["order", "line"], "Did you mean 'order'?"),
        ("x", ["order", "line"], "There are 'order', 'line'."),
        ("x", [], "There are none."),
        ("a" * 10**6, ["a" * 10**6], f"There are '{'a' * 50}…'."),
    ],
)
def test_hint_says_what_may_have_been_meant(name, known, sentence):
    assert hint(name, known) == sentence


def test_few_of_many_names_are_listed():
    assert listed(map(str, range(10**6))) == "'0', '1', '2', '3', '4', '5', '6', '7', …"
