"""The SVG of the graph and the waterfall: what is in it, and what can never be in it."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_batch.console.graph import graph
from django_batch.console.items import Answer, Frame, Mark, Picture
from django_batch.console.svg import shortened
from django_batch.console.waterfall import waterfall

SVG = "{http://www.w3.org/2000/svg}"
NAMES = {f"{SVG}{name}" for name in ("svg", "g", "rect", "path", "text", "title")}


def mark(place=0, name="a", state="ok", *answers):
    return Mark((place,), name, "GET /books/", state, "200, 5 ms", answers)


def shown(*marks, frames=(), lines=()):
    return Picture(marks, tuple(frames), frozenset(lines))


def marks_of(svg):
    return [each for each in fromstring(svg).iter(f"{SVG}g") if each.get("role") == "button"]


def texts(svg):
    return [each.text for each in fromstring(svg).iter(f"{SVG}text")]


def bars(svg):
    """The left end and the width of each bar."""
    found = [each for each in fromstring(svg).iter(f"{SVG}rect") if each.get("class") == "state"]
    return [(float(each.get("x")), float(each.get("width"))) for each in found]


@given(st.text(alphabet=st.characters(codec=None), max_size=20), st.sampled_from([graph, None]))
def test_what_a_sender_writes_is_text_and_nothing_else(text, draw):
    hostile = Mark(
        (0,), f"<script>{text}", f'GET /"><img onerror=x>{text}', "ok", f"]]>{text}", (Answer(200, 1, 0, 0),)
    )
    svg = graph(shown(hostile, frames=[Frame(text, (0,))]), room=500) if draw else waterfall([hostile], room=500)
    root = fromstring(svg)
    assert {each.tag for each in root.iter()} <= NAMES
    assert not any(
        name.startswith("on") or "href" in name or name in ("style", "id")
        for each in root.iter()
        for name in each.attrib
    )


def test_graph_has_a_button_for_each_mark_and_one_that_tab_reaches():
    found = marks_of(graph(shown(mark(0, "a"), mark(1, "b", "failed")), room=500))
    assert [each.get("tabindex") for each in found] == ["0", "-1"]
    assert [each.get("class") for each in found] == ["mark ok", "mark failed"]
    assert [each.get("data-items") for each in found] == ["0", "1"]
    assert found[0].find(f"{SVG}title").text == "a: GET /books/, 200, 5 ms"


@pytest.mark.parametrize(("count", "label"), [(1, "Graph of 1 item"), (2, "Graph of 2 items")])
def test_graph_has_a_name(count, label):
    assert fromstring(graph(shown(*map(mark, range(count))), room=500)).get("aria-label") == label


def test_graph_tells_no_status_before_the_batch_has_run():
    assert "·" in texts(graph(shown(mark(0, "a", "planned")), room=500))
    assert "✓ 200" in texts(graph(shown(mark()), room=500))


def test_lines_join_items_groups_and_what_is_far_away():
    chain = [mark(place, str(place)) for place in range(5)]
    lines = {(0, 1), (1, 2), (0, 2), (5, 0), (3, 4)}
    svg = graph(shown(*chain, frames=[Frame("g", (3, 4))], lines=lines), room=500)
    joins = [each for each in fromstring(svg).iter(f"{SVG}g") if each.get("class") == "joins"]
    assert [each.get("data-line") for each in joins] == ["0 1", "0 2", "1 2", "3 4", "5 0"]
    assert "H" in joins[1][0].get("d")  # past the box between
    assert texts(svg)[0] == "g"


def test_waterfall_has_rows_in_the_order_in_which_items_began():
    late, early = Answer(200, 5, 20, 0), Answer(404, 10, 0, 1)
    svg = waterfall([mark(0, "late", "ok", late), mark(1, "none"), mark(2, "early", "failed", early)], room=600)
    assert [each.get("data-items") for each in marks_of(svg)] == ["2", "0", "1"]
    first, second = bars(svg)
    assert first[0] + first[1] < second[0]
    assert first[1] == pytest.approx(2 * second[1])
    assert [text for text in texts(svg) if text in ("not run", "10.0 ms", "5.0 ms")] == ["10.0 ms", "5.0 ms", "not run"]


def test_waterfall_tells_the_workers():
    route = Mark((0, 1), "2 requests", "GET /a/", "ok", "", (Answer(200, 1, 0, 2), Answer(200, 1, 5, 0)))
    told = texts(waterfall([route, mark(2, "b", "ok", Answer(200, 1, 9, 1))], room=600))
    assert "Worker" in told
    assert "1-3" in told
    assert "2" in told
    assert "GET /a/" in told


def test_waterfall_without_workers_has_no_column_for_them():
    assert "Worker" not in texts(waterfall([mark(0, "a", "ok", Answer(200, 1, 0))], room=600))


def test_bars_of_a_route_that_touch_are_one():
    ran = [Answer(200, 10, start, 0) for start in (0, 5, 15, 80, 90)]
    svg = waterfall([Mark((0,), "5 requests", "GET /a/", "ok", "", tuple(ran))], room=600)
    assert len(bars(svg)) == 2


def test_waterfall_of_nothing_that_ran_is_drawn():
    assert bars(waterfall([mark()], room=300)) == []


@pytest.mark.parametrize(("duration", "text"), [(0.25, "0.2 ms"), (250.4, "250 ms"), (61_230, "61.23 s")])
def test_durations_are_told_in_units_that_suit_them(duration, text):
    assert text in texts(waterfall([mark(0, "a", "ok", Answer(200, duration, 0, 0))], room=600))


@pytest.mark.parametrize("end", [0.001, 0.7, 1, 33, 4_000, 10**9])
def test_axis_has_a_few_round_times(end):
    svg = waterfall([mark(0, "a", "ok", Answer(200, end, 0, 0))], room=800)
    ticks = [
        each for each in fromstring(svg).iter(f"{SVG}text") if each.get("class") == "axis" and each.text.endswith("ms")
    ]
    assert 2 <= len(ticks) <= 9


@pytest.mark.parametrize(
    ("text", "room", "short"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("漢字", 4, "漢字"), ("漢字漢", 4, "漢…"), ("漢", 1, "…")],
)
def test_texts_are_cut_off_at_their_room(text, room, short):
    assert shortened(text, room) == short
