"""Where boxes stand: none on another, each behind what it waits for, the others in rows."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from django_batch.console import layers
from django_batch.console.layers import BETWEEN_LAYERS, arrange

SIZE = (100.0, 40.0)
sizes = st.lists(st.tuples(st.integers(10, 300).map(float), st.integers(10, 90).map(float)), max_size=12)


@st.composite
def graphs(draw):
    """Boxes, and lines of which each leads to a later one."""
    boxes = draw(sizes)
    pairs = [*combinations(range(len(boxes)), 2)]
    return boxes, draw(st.sets(st.sampled_from(pairs))) if pairs else set()


def overlap(one, other):
    (x, y), (width, height) = one
    (other_x, other_y), (other_width, other_height) = other
    apart = x + width <= other_x or other_x + other_width <= x or y + height <= other_y or other_y + other_height <= y
    return not apart


@given(graphs(), st.integers(50, 900).map(float))
def test_no_box_stands_on_another_or_outside(graph, room):
    boxes, lines = graph
    found = arrange(boxes, lines, room=room)
    placed = [*zip(found.corners, boxes, strict=True)]
    assert not any(overlap(one, other) for one, other in combinations(placed, 2))
    for (x, y), (width, height) in placed:
        assert 0 <= x <= x + width <= found.size[0]
        assert 0 <= y <= y + height <= found.size[1]


@given(graphs())
def test_box_stands_behind_all_that_it_waits_for(graph):
    boxes, lines = graph
    found = arrange(boxes, lines, room=500.0)
    for first, second in lines:
        right = found.corners[first][0] + boxes[first][0]
        passages = [x for x, _ in found.passages[first, second]]
        ends = [right, *passages, found.corners[second][0]]
        assert ends == sorted(ends)
        assert ends[-1] - ends[0] >= BETWEEN_LAYERS


def test_boxes_that_nothing_waits_for_fill_rows():
    found = arrange([SIZE] * 5, set(), room=250.0)
    assert [x for x, _ in found.corners] == [0, 114, 0, 114, 0]
    assert found.size == (214, 148)


def test_box_that_is_wider_than_the_room_has_a_row_of_its_own():
    assert [x for x, _ in arrange([(300.0, 40.0)] * 2, set(), room=250.0).corners] == [0, 0]


def test_boxes_without_lines_stand_below_those_with_lines():
    found = arrange([SIZE] * 3, {(0, 2)}, room=500.0)
    assert found.corners == [(0, 0), (0, 68), (156, 0)]


def test_nothing_needs_no_room():
    assert arrange([], set(), room=500.0) == ([], {}, (0, 0))


def test_lines_of_a_circle_may_lead_backwards():
    found = arrange([SIZE] * 3, {(0, 1), (1, 2), (2, 0)}, room=500.0)
    assert [x for x, _ in found.corners] == [0, 156, 312]


def test_circle_with_a_way_in_and_a_way_out_is_arranged():
    found = arrange([SIZE] * 4, {(0, 1), (1, 2), (2, 1), (2, 3)}, room=500.0)
    assert [x for x, _ in found.corners] == [0, 156, 312, 468]


def test_lines_that_would_need_too_many_passages_have_none(monkeypatch):
    monkeypatch.setattr(layers, "_MOST_PASSAGES", 0)
    assert arrange([SIZE] * 3, {(0, 1), (1, 2), (0, 2)}, room=500.0).passages[0, 2] == []
