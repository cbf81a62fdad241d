"""What was measured, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.budget import Bound, Results, judged
from benchmarks.scenarios import SCENARIOS

TITLES = {
    "instructions": "Instructions",
    "minimum": "Microseconds, the least of all runs",
    "median": "Microseconds, the median of all runs",
    "http minimum": "Microseconds over HTTP, the least of all runs",
    "http median": "Microseconds over HTTP, the median of all runs",
    "processor": "Microseconds of the server's processor, over HTTP",
    "dialect": "Microseconds of reading and writing one item, the least of all runs",
    "reading": "Microseconds of reading a MiB, the least of all runs; N are the MiB",
    "memory": "Memory, as Python allocates it",
    "resident": "Memory, as the process grows",
}
_MEMORY = ("memory", "resident")
_BASES = ("floor", "http-one-by-one", "native")  # what the others are compared with


def report(results: Results, machine: str) -> str:
    """All tables, the judged ratios first."""
    return "\n".join([machine, "", *_budget(results), *_measures(results)])


def _budget(results: Results) -> Iterator[str]:
    rows = [_judgement(bound, ratio) for bound, ratio in judged(results)]
    if rows:
        yield from ["### Budget", "", *_table(("", "at most", "measured", ""), rows), ""]


def _judgement(bound: Bound, ratio: float) -> tuple[str, ...]:
    digits = ".3f" if bound.target < 100 else ",.0f"  # a ratio, or bytes
    return bound.title, f"{bound.target:{digits}}", f"{ratio:{digits}}", "ok" if ratio <= bound.target else "over"


def _measures(results: Results) -> Iterator[str]:
    for measure, title in TITLES.items():
        found = {key[:3]: value for key, value in results.items() if key[3] == measure}
        if found:
            lines = _memory(found) if measure in _MEMORY else _by_subject(found)
            yield from [f"### {title}", "", *lines, ""]


def _by_subject(found: dict[tuple[str, str, int], float]) -> list[str]:
    """One row for each scenario and number, one column for each way; in brackets, over what they are compared with."""
    subjects = _unique(subject for _, subject, _ in found)
    rows = []
    for scenario, n in _unique((scenario, n) for scenario, _, n in found):
        values = [found.get((scenario, subject, n)) for subject in subjects]
        base = next((found[scenario, each, n] for each in _BASES if (scenario, each, n) in found), None)
        title = SCENARIOS[scenario].title if scenario in SCENARIOS else scenario
        rows.append((title, f"{n:,}", *(_cell(value, base) for value in values)))
    return _table(("", "N", *subjects), rows)


def _memory(found: dict[tuple[str, str, int], float]) -> list[str]:
    rows = [
        (
            f"{n:,} times {SCENARIOS[scenario].title}, {subject}",
            f"{value:,.0f} bytes each, beyond the bodies" if scenario != "large" else f"{value:.2f} times all bodies",
        )
        for (scenario, subject, n), value in found.items()
    ]
    return _table(("", "at the peak"), rows)


def _cell(value: float | None, base: float | None) -> str:
    if value is None:
        return ""
    number = f"{value:,.0f}" if value < 100_000 else f"{value / 1_000:,.0f}k"
    return f"{number} ({value / base:.2f})" if base else number


def _unique(values: Iterable) -> list:
    return list(dict.fromkeys(values))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
