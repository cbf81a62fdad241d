"""Where the boxes of a graph stand: those that wait for others in layers from left to right, all others in rows below.

This is the method of Sugiyama, in its shortest form. A box stands one layer behind the last that it waits for; in each
layer the boxes are sorted by where those stand; and a line that passes a layer gets a place of its own there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

BETWEEN_LAYERS, BETWEEN_ROWS = 56.0, 14.0
_MOST_PASSAGES = 2_000

Size = tuple[float, float]
Point = tuple[float, float]
Line = tuple[int, int]
Waits = Mapping[int, Sequence[int]]


class Arrangement(NamedTuple):
    """The upper left corner of each box, the points in which each line passes a layer, and the size of it all."""

    corners: list[Point]
    passages: dict[Line, list[Point]]
    size: Size


def arrange(sizes: Sequence[Size], lines: Collection[Line], *, room: float) -> Arrangement:
    """Boxes of these `sizes`, with `lines` between them. What nothing waits for fills rows of the width `room`."""
    joined = sorted({place for line in lines for place in line})
    layers = _layers(joined, lines)
    corners: dict[int, Point] = {}
    passages: dict[Line, list[Point]] = {}
    width = height = 0.0
    if joined:
        boxes, chains = _with_passages(dict(zip(joined, layers, strict=True)), lines)
        before = _before(chains)
        known = {place: sizes[place] for place in joined}
        found, (width, height) = _stacked(_sorted_columns(boxes, before), before, known)
        corners |= {place: found[place] for place in joined}
        passages = {line: [found[each] for each in chain[1:-1]] for line, chain in chains.items()}
    alone = [place for place in range(len(sizes)) if place not in corners]
    top = height + 2 * BETWEEN_ROWS if joined and alone else height
    rows, (wide, high) = _in_rows([sizes[place] for place in alone], top, room)
    corners |= dict(zip(alone, rows, strict=True))
    return Arrangement([corners[place] for place in range(len(sizes))], passages, (max(width, wide), high))


def _layers(places: Sequence[int], lines: Iterable[Line]) -> list[int]:
    """The layer of each place. Lines of a cycle, which routes that were put together can have, may lead backwards."""
    waits: dict[int, set[int]] = {place: set() for place in places}
    follow: dict[int, list[int]] = {place: [] for place in places}
    for first, second in lines:
        waits[second].add(first)
        follow[first].append(second)
    layer = dict.fromkeys(places, 0)
    done: set[int] = set()
    ready = [place for place in places if not waits[place]]
    rest = iter(places)
    while len(done) < len(places):
        place = ready.pop() if ready else next(each for each in rest if each not in done)
        done.add(place)
        for other in follow[place]:
            waits[other].discard(place)
            if other not in done:
                layer[other] = max(layer[other], layer[place] + 1)
                if not waits[other]:
                    ready.append(other)
    return [layer[place] for place in places]


def _with_passages(layers: Mapping[int, int], lines: Collection[Line]) -> tuple[dict[int, int], dict[Line, list[int]]]:
    """The layers, with a place below zero for each passage, and all places of each line from its begin to its end."""
    boxes, chains = dict(layers), {}
    for first, second in sorted(lines):
        between = range(layers[first] + 1, layers[second])
        if len(boxes) + len(between) > len(layers) + _MOST_PASSAGES:
            between = range(0)
        passages = [-len(boxes) - offset for offset in range(1, len(between) + 1)]
        boxes |= dict(zip(passages, between, strict=True))
        chains[first, second] = [first, *passages, second]
    return boxes, chains


def _before(chains: Mapping[Line, Sequence[int]]) -> Waits:
    """What each place stands behind, in the layer before its own."""
    before: dict[int, list[int]] = {}
    for chain in chains.values():
        for first, second in pairwise(chain):
            before.setdefault(second, []).append(first)
    return before


def _sorted_columns(boxes: Mapping[int, int], before: Waits) -> list[list[int]]:
    """The places of each layer, from top to bottom, each as near as can be to those that it waits for."""
    columns: list[list[int]] = [[] for _ in range(max(boxes.values()) + 1)]
    for place, layer in boxes.items():
        columns[layer].append(place)
    rows: dict[int, float] = {}
    for column in columns:
        for row, place in enumerate(column):
            rows[place] = _mean([rows[each] for each in before.get(place, ()) if each in rows], float(row))
        column.sort(key=rows.__getitem__)
        rows |= {place: float(row) for row, place in enumerate(column)}
    return columns


def _stacked(
    columns: Sequence[Sequence[int]], before: Waits, sizes: Mapping[int, Size]
) -> tuple[dict[int, Point], Size]:
    """The corner of each place, and the size of all.

    A box stands beside those that it waits for, or as far below as it has to. A passage is as high as a gap.
    """
    corners: dict[int, Point] = {}
    middles: dict[int, float] = {}
    left = lowest = 0.0
    for column in columns:
        top = 0.0
        for place in column:
            own = sizes[place][1] if place in sizes else BETWEEN_ROWS
            wanted = _mean([middles[each] for each in before.get(place, ()) if each in middles], 0.0) - own / 2
            top = max(top, wanted)
            middles[place] = top + own / 2
            corners[place] = (left, top) if place in sizes else (left, middles[place])
            top += own + BETWEEN_ROWS
        lowest = max(lowest, top - BETWEEN_ROWS)
        left += max(sizes.get(place, (0.0, 0.0))[0] for place in column) + BETWEEN_LAYERS
    return corners, (left - BETWEEN_LAYERS, lowest)


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _in_rows(sizes: Sequence[Size], top: float, room: float) -> tuple[list[Point], Size]:
    """Corners in rows like words in lines, from `top` on, and the width and the lower end of all."""
    corners: list[Point] = []
    left = width = 0.0
    lowest = top
    for wide, high in sizes:
        if left and left + wide > room:
            left, top = 0.0, lowest + BETWEEN_ROWS
        corners.append((left, top))
        lowest = max(lowest, top + high)
        left += wide + BETWEEN_ROWS
        width = max(width, left - BETWEEN_ROWS)
    return corners, (width, lowest)
