"""What a picture shows: one mark for each item, or for each route if there are many, and lines between them."""

from __future__ import annotations

import pytest

from django_batch.console.items import MOST, Answer, picture, route_of
from django_batch.core.batch import Batch, Subrequest
from django_batch.core.plan import plan


def item(id_, path="/books/", depends_on=(), **members):
    return Subrequest(id_, "GET", path, depends_on=depends_on, **members)


def drawn(*subrequests, answers=(), **members):
    return picture(plan(Batch(tuple(subrequests), **members)), answers)


def many(count=MOST + 1, **members):
    return [item(str(place), f"/books/{place}/", **members) for place in range(count)]


def test_item_is_a_mark_that_tells_what_came_of_it():
    answers = [Answer(200, 12.3, 0.5, 0), Answer(404, 2.0, 13.0, 0), Answer(424)]
    shown = drawn(item("a"), item("b"), item("c", "/x/?y=1"), answers=answers)
    assert [(each.name, each.asks, each.state, each.told) for each in shown.marks] == [
        ("a", "GET /books/", "ok", "200, 12 ms"),
        ("b", "GET /books/", "failed", "404, 2 ms"),
        ("c", "GET /x/?y=1", "skipped", "424, not run"),
    ]


def test_item_is_planned_before_it_has_run():
    assert [(each.state, each.told) for each in drawn(item("a")).marks] == [("planned", "not run yet")]


def test_dependencies_are_lines_between_items_and_groups():
    shown = drawn(
        item("a"),
        item("b", depends_on=("a",), atomicity_group="g"),
        item("c", atomicity_group="g"),
        item("d", depends_on=("g",)),
    )
    assert [(frame.name, frame.marks) for frame in shown.frames] == [("g: all or nothing", (1, 2))]
    assert shown.lines == {(0, 1), (4, 3)}


def test_atomic_batch_is_a_group_without_a_name():
    (frame,) = drawn(item("a"), item("b"), atomic=True).frames
    assert (frame.name, frame.marks) == ("all or nothing", (0, 1))


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/books/17/?page=2", "/books/*/"),
        ("/books/{list#/body/0/id}/?q={a#/b}", "/books/*/"),
        ("/orders/A-1/lines/", "/orders/*/lines/"),
        (f"/files/{'x' * 33}/", "/files/*/"),
        ("/caf%C3%A9/", "/*/"),
        ("/me/", "/me/"),
    ],
)
def test_route_is_a_path_without_what_varies(path, route):
    assert route_of(path) == route


def test_routes_are_put_together_where_there_are_many_items():
    answers = [Answer(200, 1.0, 0.0, 0)] * MOST + [Answer(500, 1.0, 0.0, 0), Answer(200, 1.0, 0.0, 0)]
    shown = drawn(*many(), item("me", "/me/"), answers=answers)
    assert [(each.name, each.asks, each.state, each.told) for each in shown.marks] == [
        (f"{MOST + 1} requests", "GET /books/*/", "failed", f"1 of {MOST + 1} failed"),
        ("1 request", "GET /me/", "ok", "1 succeeded"),
    ]
    assert shown.marks[0].items == tuple(range(MOST + 1))
    assert len(shown.marks[0].answers) == MOST + 1


def test_items_are_put_together_where_there_are_many_lines():
    names = [item(f"a{place}", "/a/") for place in range(40)]
    every = tuple(each.id for each in names)
    shown = drawn(*names, *(item(f"b{place}", "/b/", every) for place in range(40)))
    assert [each.name for each in shown.marks] == ["40 requests", "40 requests"]
    assert [each.state for each in shown.marks] == ["planned", "planned"]
    assert shown.lines == {(0, 1)}


def test_routes_wait_for_each_other_and_for_groups_of_any_route():
    shown = drawn(
        *many(),
        item("a", "/a/", ("0",), atomicity_group="g"),
        item("b", "/b/", ("g",)),
        item("c", "/b/", ("b",)),  # within its own route, which has no line
        item("d", "/c/", atomicity_group="g"),
    )
    assert [each.asks for each in shown.marks] == ["GET /books/*/", "GET /a/", "GET /b/", "GET /c/"]
    assert shown.lines == {(0, 1), (1, 2), (3, 2)}
    assert shown.frames == ()


def test_no_more_than_a_hundred_routes_are_told_apart():
    letters = [
        f"/{first}{second}/" for first in "abcdefghijklmnopqrstuvwxyz" for second in "abcdefghijklmnopqrstuvwxyz"
    ]
    shown = drawn(*(item(path, path) for path in letters))
    assert len(shown.marks) == 101
    assert (shown.marks[-1].asks, len(shown.marks[-1].items)) == ("other requests", len(letters) - 100)
