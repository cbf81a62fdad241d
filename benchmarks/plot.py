"""A bar chart as SVG, in colours that can be read on white and on black."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from benchmarks.budget import Results
from benchmarks.scenarios import SCENARIOS

_COLOURS = {"batch": "#2f81f7", "alone": "#8b949e", "drf-batch-requests": "#bf6f00"}
_NAMES = {"batch": "in a batch", "alone": "alone", "drf-batch-requests": "drf-batch-requests"}
_TEXT = "#7a828b"
_N = 100
_LEFT, _WIDTH, _BAR, _GAP = 220, 460, 13, 14  # pixels
_WIDEST = 4.0  # times the floor: a longer bar is cut, its number says how long it is
_SCALE = _WIDTH / _WIDEST

Groups = Mapping[str, Mapping[str, float]]  # title -> subject -> times the floor


def groups(results: Results) -> Groups:
    """The instructions of each scenario in a batch of 100, over the floor."""
    found: dict[str, dict[str, float]] = {}
    for (scenario, subject, n, measure), value in results.items():
        floor = results.get((scenario, "floor", n, measure))
        if floor and n == _N and measure == "instructions" and subject in _COLOURS:
            found.setdefault(SCENARIOS[scenario].title, {})[subject] = value / floor
    return found


def plot(found: Groups) -> str:
    """The chart."""
    bars = list(_bars(found))
    height = 54 + sum(len(group) * _BAR + _GAP for group in found.values())
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 60} {height}" role="img"'
            f' font-family="sans-serif" font-size="12" fill="{_TEXT}">',
            f"<title>Instructions of one of {_N} requests, as a multiple of the floor</title>",
            *_legend(),
            *bars,
            f'<path d="M{_LEFT + _SCALE:.0f} 30V{height - 18}" stroke="{_TEXT}" stroke-dasharray="3 3"/>',
            f'<text x="{_LEFT + _SCALE:.0f}" y="{height - 6}" text-anchor="middle" font-size="11">the floor</text>',
            "</svg>\n",
        ]
    )


def _legend() -> Iterator[str]:
    for position, (subject, colour) in enumerate(_COLOURS.items()):
        x = _LEFT + 110 * position
        yield f'<rect x="{x}" y="6" width="{_BAR}" height="{_BAR - 2}" fill="{colour}"/>'
        yield f'<text x="{x + _BAR + 5}" y="16">{escape(_NAMES[subject])}</text>'


def _bars(found: Groups) -> Iterator[str]:
    y = 34
    for title, group in found.items():
        middle = y + len(group) * _BAR / 2 + 4
        yield f'<text x="{_LEFT - 10}" y="{middle:.0f}" text-anchor="end">{escape(title)}</text>'
        for subject, ratio in group.items():
            width = min(ratio, _WIDEST) * _SCALE
            after = max(width, _SCALE) + 5  # past the line that marks the floor
            yield f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 2}" fill="{_COLOURS[subject]}"/>'
            yield f'<text x="{_LEFT + after:.1f}" y="{y + _BAR - 3}" font-size="11">{ratio:.2f}</text>'
            y += _BAR
        y += _GAP
