"""The waterfall of a batch: what ran when, and on which worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import floor, log10
from typing import NamedTuple
from xml.etree.ElementTree import Element

from django_batch.console.graph import button
from django_batch.console.items import Mark
from django_batch.console.svg import element, picture, shortened

_ROW, _HEAD, _BAR = 26.0, 30.0, 12.0
_SHORTEST = 0.1  # milliseconds that the axis shows
_FOR_TIME = 64.0  # behind the longest bar, for its milliseconds
_CHARACTER = 7.0  # the width of one, at most


class _Scale(NamedTuple):
    """From milliseconds to pixels: the bars begin at `left`, and `width` pixels show the time until `end`."""

    left: float
    width: float
    end: float

    def at(self, time: float) -> float:
        """The place of a moment."""
        return self.left + time / self.end * self.width


def waterfall(marks: Sequence[Mark], *, room: float) -> str:
    """The SVG of `marks`, each in a row, in the order in which they were begun; `room` pixels wide."""
    rows = sorted(marks, key=lambda mark: _span(mark)[0])
    names = min(170.0, room * 0.3)
    workers = 52.0 if _workers(marks) else 0.0
    left = names + workers + 8
    end = max([_SHORTEST, *(_span(mark)[1] for mark in marks if _ran(mark))])
    scale = _Scale(left, max(60.0, room - left - _FOR_TIME), end)
    height = _HEAD + _ROW * len(rows) + 8
    children = [*_axis(scale, height), *_heads(names, workers)]
    for place, mark in enumerate(rows):
        children.append(_row(mark, _HEAD + _ROW * place, names, scale, first=not place))
    return picture("waterfall", f"Waterfall of {len(rows)} rows", children, width=room, height=height)


def _ran(mark: Mark) -> list[tuple[float, float]]:
    """The begin and the end of each of its items that was run."""
    return [(each.started, each.started + each.duration) for each in mark.answers if each.started is not None]


def _span(mark: Mark) -> tuple[float, float]:
    """From the first begin to the last end. What was not run comes last."""
    ran = _ran(mark)
    return (min(begin for begin, _ in ran), max(end for _, end in ran)) if ran else (float("inf"), float("inf"))


def _workers(marks: Sequence[Mark]) -> bool:
    return any(each.worker is not None for mark in marks for each in mark.answers)


def _axis(scale: _Scale, height: float) -> Iterator[Element]:
    """Lines at round times."""
    most = max(1.0, scale.width // 90)
    step = _round(scale.end / most)
    for count in range(floor(scale.end / step) + 1):
        x, anchor = scale.at(count * step), "middle" if count else "start"
        yield element("path", d=f"M{x:.1f} 20V{height:g}", class_="grid")
        yield element("text", text=f"{count * step:g} ms", x=round(x, 1), y=14, class_="axis", text_anchor=anchor)


def _round(least: float) -> float:
    """The smallest 1, 2 or 5 with zeros that is not below `least`."""
    unit = float(10 ** floor(log10(least)))
    return next(unit * each for each in (1, 2, 5, 10, 20) if unit * each >= least)


def _heads(names: float, workers: float) -> Iterator[Element]:
    yield element("text", text="Item", x=8, y=14, class_="axis")
    if workers:
        yield element("text", text="Worker", x=names + workers - 2, y=14, class_="axis", text_anchor="end")


def _row(mark: Mark, top: float, names: float, scale: _Scale, *, first: bool) -> Element:
    middle = top + _ROW / 2 + 4
    label = mark.name if len(mark.items) == 1 else mark.asks
    workers = sorted({each.worker + 1 for each in mark.answers if each.worker is not None})
    worker = "-".join(map(str, dict.fromkeys((*workers[:1], *workers[-1:]))))
    right = scale.left + scale.width + _FOR_TIME
    children = [
        element("rect", x=1.0, y=top + 1, width=right - 2, height=_ROW - 2, rx=4, class_="box"),
        element("text", text=shortened(label, int((names - 8) / _CHARACTER)), x=8, y=middle, class_="name"),
        element("text", text=shortened(worker, 6), x=scale.left - 10, y=middle, class_="asks", text_anchor="end"),
        *_bar(mark, top, middle, scale),
    ]
    return button(mark, children, first=first)


def _bar(mark: Mark, top: float, middle: float, scale: _Scale) -> Iterator[Element]:
    """When its items ran, in one bar for those that are not apart, and how long it took from the first to the last."""
    if not _ran(mark):
        yield element("text", text="not run", x=scale.left + 4, y=middle, class_="asks")
        return
    begin, end = _span(mark)
    for first, last in _joined((scale.at(begin), scale.at(end)) for begin, end in _ran(mark)):
        width = max(2.0, last - first)
        yield element("rect", x=first, y=top + (_ROW - _BAR) / 2, width=width, height=_BAR, rx=2, class_="state")
    yield element("text", text=_duration(end - begin), x=max(last, first + 2) + 6, y=middle, class_="asks")


def _joined(bars: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The `bars` from left to right, of which no two are nearer than a pixel."""
    joined: list[tuple[float, float]] = []
    for first, last in sorted(bars):
        if joined and first < joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return joined


def _duration(milliseconds: float) -> str:
    if milliseconds >= 1_000:
        return f"{milliseconds / 1_000:.2f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 100 else f"{milliseconds:.1f} ms"
