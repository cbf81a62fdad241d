"""The command line."""

from __future__ import annotations

import json
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import dialects, instructions, machine, memory, over_http, times
from benchmarks.plot import groups, plot
from benchmarks.processes import ROOT, Site, site
from benchmarks.report import report
from benchmarks.scenarios import SCENARIOS, TIMED

SUBJECTS = ("view", "floor", "batch", "alone", "client", "drf-batch-requests", "django-batch-requests")
MEASURES = ("instructions", "times", "http", "memory", "dialects")


@dataclass(frozen=True)
class Extent:
    """How much is measured, unless something else is asked for. `runs` are those of each number of sub-requests."""

    scenarios: Sequence[str]
    counted: Sequence[str]  # the scenarios whose instructions are counted, which takes longest
    subjects: Sequence[str]
    measures: Sequence[str]
    runs: Mapping[int, int]
    runs_over_http: Mapping[int, int]


WHOLE = Extent(
    scenarios=TIMED,
    counted=TIMED,
    subjects=SUBJECTS,
    measures=MEASURES,
    runs={1: 30, 10: 30, 100: 30, 1_000: 4, 10_000: 2},
    runs_over_http={1: 20, 10: 20, 100: 10, 1_000: 3, 10_000: 1},
)
QUICK = Extent(
    scenarios=("plain", "drf", "session"),
    counted=("plain", "drf"),
    subjects=("floor", "batch", "alone", "drf-batch-requests"),
    measures=("instructions", "times", "http"),
    runs={1: 5, 10: 5, 100: 5},
    runs_over_http={1: 5, 10: 5, 100: 3},
)
COUNTED = (1, 100)  # sub-requests


def arguments(given: Sequence[str] | None = None) -> Namespace:
    """What was asked for."""
    parser = ArgumentParser("python -m benchmarks", description="Measure a batch beside all it can be compared with.")
    parser.add_argument("--quick", action="store_true", help="about a minute: three views, few runs")
    for name, known in (("only", TIMED), ("subjects", SUBJECTS), ("measures", MEASURES), ("numbers", WHOLE.runs)):
        parser.add_argument(f"--{name}", type=_some_of(known), metavar="A,B", help=f"of {', '.join(map(str, known))}")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="the folder whose django_batch is measured")
    parser.add_argument("--json", type=Path, help="write all that was measured to this file")
    parser.add_argument("--docs", type=Path, help="write the tables and the chart into this folder")
    options = parser.parse_args(given)
    if not any((options.quick, options.only, options.subjects, options.measures, options.numbers)):
        options.docs = options.docs or ROOT / "docs" / "explanation"
    return options


def _some_of(known: Collection[str] | Collection[int]) -> Callable[[str], list]:
    by_name = {str(each): each for each in known}

    def some(text: str) -> list:
        names = text.split(",")
        if unknown := set(names).difference(by_name):
            raise ArgumentTypeError(f"{', '.join(unknown)}: none of {', '.join(by_name)}")
        return [by_name[name] for name in names]

    return some


def measure(options: Namespace, place: Site) -> Iterator[dict]:
    """One record after another. What cannot be measured here is skipped, and says so."""
    extent = QUICK if options.quick else WHOLE
    scenarios = [name for name in options.only or extent.scenarios if SCENARIOS[name].database in place.databases]
    in_sqlite = [name for name in scenarios if SCENARIOS[name].database == "sqlite"]
    subjects = options.subjects or extent.subjects
    measures = options.measures or extent.measures
    if "instructions" in measures and machine.has_valgrind():
        counted = [name for name in in_sqlite if options.only or name in extent.counted]
        yield from instructions.measure(place, counted, subjects, options.numbers or COUNTED)
    if "times" in measures:
        yield from times.measure(place, scenarios, subjects, _selected(extent.runs, options.numbers))
    if "http" in measures and machine.has("gunicorn"):
        yield from over_http.measure(place, in_sqlite, _selected(extent.runs_over_http, options.numbers))
    if "memory" in measures:
        yield from memory.measure(place, subjects)
    if "dialects" in measures:
        yield from dialects.measure(place)


def _selected(runs: Mapping[int, int], numbers: Collection[int] | None) -> dict[int, int]:
    return {n: runs.get(n, 1) for n in numbers} if numbers else dict(runs)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write what is to be written."""
    options = arguments(given)
    asked_for = options.only or (QUICK if options.quick else WHOLE).scenarios
    with site(options.checkout, postgresql="postgresql" in asked_for) as place:
        wanted = {SCENARIOS[name].database for name in asked_for}
        described = machine.describe([*machine.missing(), *sorted(wanted.difference(place.databases))])
        records = list(measure(options, place))
    if options.json:
        options.json.write_text(json.dumps(records, indent=1))
    results = {(each["scenario"], each["subject"], each["n"], each["measure"]): each["value"] for each in records}
    text = report(results, f"Measured by `python -m benchmarks{' --quick' if options.quick else ''}`.\n{described}")
    sys.stdout.write(text)
    if options.docs:
        (options.docs / "performance_tables.inc").write_text(text)
        (options.docs / "performance.svg").write_text(plot(groups(results)))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # else the database on the server would stay
    main()
