"""The graph of a batch: what waits for what, and what is all or nothing together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element

from msgspec import Struct

from django_batch.console.items import Mark, Picture
from django_batch.console.layers import BETWEEN_LAYERS, Line, Point, Size, arrange
from django_batch.console.svg import element, picture, shortened

_BOX: Size = (196.0, 46.0)
_COLUMNS, _COLUMNS_OF_TITLE = 23, 26  # of a typewriter, in a box
_INSET, _HEAD = 12.0, 26.0  # of a frame
_MARGIN, _ARROW = 8.0, 7.0
SIGNS = {"ok": "✓", "failed": "✕", "skipped": "⊘", "planned": "·"}


class _Box(Struct, frozen=True):
    """Where a mark or a frame stands."""

    corner: Point
    size: Size

    @property
    def begin(self) -> Point:
        """The middle of its left side."""
        return self.corner[0], self.corner[1] + self.size[1] / 2

    @property
    def end(self) -> Point:
        """The middle of its right side."""
        return self.corner[0] + self.size[0], self.corner[1] + self.size[1] / 2


def graph(shown: Picture, *, room: float) -> str:
    """The SVG of `shown`, if possible no wider than `room`."""
    boxes, passages, size = _placed(shown, room - 2 * _MARGIN)
    frames = [_frame(boxes[place], each.name) for place, each in enumerate(shown.frames, len(shown.marks))]
    lines = [_line(boxes, line, passages.get(line, ())) for line in sorted(shown.lines)]
    marks = [_box(boxes[place], mark, first=not place) for place, mark in enumerate(shown.marks)]
    label = f"Graph of {len(shown.marks)} {'item' if len(shown.marks) == 1 else 'items'}"
    width, height = size[0] + 2 * _MARGIN, size[1] + 2 * _MARGIN
    return picture("graph", label, [*frames, *lines, *marks], width=width, height=height)


def _placed(shown: Picture, room: float) -> tuple[dict[int, _Box], Mapping[Line, Sequence[Point]], Size]:
    """The box of each mark and each frame, the passages of the lines, and the size of all.

    The members of a frame are arranged first. Then the frame is a box among the boxes that are in no frame.
    """
    count = len(shown.marks)
    frame_of = {mark: place for place, frame in enumerate(shown.frames, count) for mark in frame.marks}
    outer = [place for place in range(count + len(shown.frames)) if place not in frame_of]
    inner = {place: _members(frame.marks, shown.lines, room) for place, frame in enumerate(shown.frames, count)}
    index = {place: position for position, place in enumerate(outer)}
    outside = {line: tuple(index[frame_of.get(end, end)] for end in line) for line in shown.lines}
    joined = {(first, second) for first, second in outside.values() if first != second}
    arranged = arrange([inner[place][1] if place in inner else _BOX for place in outer], joined, room=room)
    boxes: dict[int, _Box] = {}
    for place, (x, y) in zip(outer, arranged.corners, strict=True):
        corner = x + _MARGIN, y + _MARGIN
        members, size = inner.get(place, ({}, _BOX))
        boxes[place] = _Box(corner, size)
        boxes |= {each: _Box((corner[0] + dx, corner[1] + dy), _BOX) for each, (dx, dy) in members.items()}
    passages = {
        line: [(x + _MARGIN, y + _MARGIN) for x, y in arranged.passages.get((ends[0], ends[1]), ())]
        for line, ends in outside.items()
    }
    return boxes, passages, arranged.size


def _members(marks: Sequence[int], lines: frozenset[Line], room: float) -> tuple[dict[int, Point], Size]:
    """The corners of the members of a frame, inside of it, and the size that it has around them."""
    index = {mark: position for position, mark in enumerate(marks)}
    inside = {(index[first], index[second]) for first, second in lines if first in index and second in index}
    found = arrange([_BOX] * len(marks), inside, room=room - 2 * _INSET)
    corners = {mark: (x + _INSET, y + _HEAD) for mark, (x, y) in zip(marks, found.corners, strict=True)}
    return corners, (found.size[0] + 2 * _INSET, found.size[1] + _HEAD + _INSET)


def _frame(box: _Box, name: str) -> Element:
    (x, y), (width, height) = box.corner, box.size
    title = element("text", text=shortened(name, int((width - 2 * _INSET) / 6.5)), x=x + _INSET, y=y + 17)
    return element("g", element("rect", x=x, y=y, width=width, height=height, rx=8), title, class_="frame")


def _line(boxes: Mapping[int, _Box], line: Line, passages: Sequence[Point]) -> Element:
    """A curve with a head, from the box that is waited for to the one that waits."""
    (x, y), *between, (to_x, to_y) = boxes[line[0]].end, *passages, boxes[line[1]].begin
    path = [f"M{x:g} {y:g}"]
    for next_x, next_y in [*between, (to_x - _ARROW, to_y)]:
        bend = max(BETWEEN_LAYERS / 2, (next_x - x) / 3)
        path.append(f"C{x + bend:g} {y:g} {next_x - bend:g} {next_y:g} {next_x:g} {next_y:g}")
        x, y = next_x, next_y
        if (next_x, next_y) in between:  # straight through the layer, between its boxes
            x = next_x + _BOX[0]
            path.append(f"H{x:g}")
    head = f"M{to_x:g} {to_y:g}l{-_ARROW - 1:g} -4v8z"
    curve = element("path", d="".join(path), class_="line")
    return element("g", curve, element("path", d=head, class_="head"), class_="joins", data_line=f"{line[0]} {line[1]}")


def _box(box: _Box, mark: Mark, *, first: bool) -> Element:
    (x, y), (width, height) = box.corner, box.size
    outline = element("rect", x=x, y=y, width=width, height=height, rx=6, class_="box")
    state = element("rect", x=x, y=y + 6, width=4.0, height=height - 12, rx=2, class_="state")
    return button(mark, [outline, state, *_texts(x + 14, y, mark)], first=first)


def _texts(x: float, y: float, mark: Mark) -> Iterator[Element]:
    status = mark.told.partition(",")[0] if mark.state != "planned" and len(mark.items) == 1 else ""
    sign = f"{SIGNS[mark.state]} {status}".strip()
    yield element("text", text=shortened(mark.name, _COLUMNS - len(sign) - 1), x=x, y=y + 19, class_="name")
    yield element("text", text=sign, x=x + _BOX[0] - 24, y=y + 19, class_="sign", text_anchor="end")
    yield element("text", text=shortened(mark.asks, _COLUMNS_OF_TITLE - 2), x=x, y=y + 36, class_="asks")


def button(mark: Mark, children: Iterable[Element], *, first: bool) -> Element:
    """The element of `mark`, which can be chosen. Of all in a picture one is reached by the key Tab."""
    return element(
        "g",
        element("title", text=f"{mark.name}: {mark.asks}, {mark.told}"),
        element("g", *children, aria_hidden="true"),  # it is said by the title, whole
        class_=f"mark {mark.state}",
        role="button",
        tabindex=0 if first else -1,
        aria_pressed="false",
        data_items=" ".join(map(str, mark.items)),
    )
