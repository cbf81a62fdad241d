"""Copies of what is kept, and when there need be none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Lock
from uuid import UUID

import pytest

from django_batch.sharing.copies import Row, copies_of
from example_project.bookshop.models import Author


class Text(str):
    """It has attributes, which can be changed."""


ROW = Row(Author, "default", ("id", "name"), (1, "Ada"))
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
FIXED = [1, "a", b"a", None, True, 1.5, Decimal("1.10"), UUID(int=1), NOON, timedelta(1), (1, ("a",)), ROW]
CHANGEABLE = [
    [1],
    {"a": [1]},
    {"a": 1},
    (1, [2]),
    Text("a"),
    bytearray(b"a"),
    ROW._replace(values=(1, {"a": 1})),
]


@pytest.mark.parametrize("value", FIXED, ids=repr)
def test_what_cannot_be_changed_is_its_own_copy(value):
    assert copies_of(value)() is value


@pytest.mark.parametrize("value", CHANGEABLE, ids=repr)
def test_what_can_be_changed_is_copied_whole(value):
    copies = copies_of(value)
    first, second = copies(), copies()
    assert first == second == value
    assert type(first) is type(value)
    assert len({id(first), id(second), id(value)}) == 3


def test_copy_is_of_the_time_when_it_was_kept():
    value = {"a": 1, "b": "c"}
    copies = copies_of(value)
    value["a"] = 2
    copies()["a"] = 3
    assert copies() == {"a": 1, "b": "c"}


def test_what_no_copy_can_be_made_of_is_refused():
    with pytest.raises(TypeError, match="cannot pickle"):
        copies_of([Lock()])
