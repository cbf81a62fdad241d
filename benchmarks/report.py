"""What was measured, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.budget import Results, judged
from benchmarks.scenarios import SCENARIOS

MEASURES = {
    "instructions": "Instructions of one sub-request, in thousands",
    "minimum": "Microseconds of one sub-request, the least of all runs",
    "median": "Microseconds of one sub-request, the median of all runs",
}


def report(results: Results) -> str:
    """All tables, the judged ratios first."""
    return "\n".join([*_budget(results), *_measures(results)])


def _budget(results: Results) -> Iterator[str]:
    rows = [
        (bound.title, f"{bound.target:.3f}", f"{ratio:.3f}", "ok" if ratio <= bound.target else "over")
        for bound, ratio in judged(results)
    ]
    if rows:
        yield from ["## Budget", "", *table(("ratio", "at most", "measured", ""), rows), ""]


def _measures(results: Results) -> Iterator[str]:
    for measure, title in MEASURES.items():
        found = {key: value for key, value in results.items() if key[3] == measure}
        if found:
            yield from [f"## {title}", "", *_by_subject(found), ""]


def _by_subject(found: Results) -> list[str]:
    subjects = _ordered(key[1] for key in found)
    rows = []
    for scenario, n in _ordered((key[0], key[2]) for key in found):
        floor = next((value for key, value in found.items() if key[:3] == (scenario, "floor", n)), None)
        values = [found.get((scenario, subject, n, key[3])) for subject in subjects for key in [next(iter(found))]]
        rows.append((SCENARIOS[scenario].title, f"{n:,}", *(_cell(value, floor) for value in values)))
    return table(("", "N", *subjects), rows)


def _cell(value: float | None, floor: float | None) -> str:
    if value is None:
        return ""
    number = f"{value:,.0f}" if value < 10_000 else f"{value / 1_000:,.0f}k"
    return f"{number} ({value / floor:.2f})" if floor else number


def _ordered(values: Iterable) -> list:
    return list(dict.fromkeys(values))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
