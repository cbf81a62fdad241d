"""The command line."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from benchmarks import instructions, machine, memory, over_http, times
from benchmarks.plot import groups, plot
from benchmarks.processes import ROOT, Site, site
from benchmarks.report import report
from benchmarks.scenarios import SCENARIOS, TIMED

SUBJECTS = ("view", "floor", "batch", "alone", "client", "drf-batch-requests", "django-batch-requests")
MEASURES = ("instructions", "times", "http", "memory")
PEERS = ("batch", "drf-batch-requests", "django-batch-requests")
COUNTED = (1, 100)  # sub-requests
RUNS = {1: 20, 10: 20, 100: 20, 1_000: 4, 10_000: 2}  # of each number of sub-requests
RUNS_OVER_HTTP = {1: 20, 10: 20, 100: 10, 1_000: 3, 10_000: 1}
QUICK = {1: 3, 10: 3, 100: 3}


def arguments(given: list[str] | None = None) -> Namespace:
    """What was asked for."""
    parser = ArgumentParser("python -m benchmarks", description="Measure a batch beside all it can be compared with.")
    parser.add_argument("--quick", action="store_true", help="about a minute: few requests, few runs, three views")
    parser.add_argument("--only", type=_names(TIMED), metavar="VIEWS", help=f"of {','.join(TIMED)}")
    parser.add_argument("--subjects", type=_names(SUBJECTS), metavar="WAYS", help=f"of {','.join(SUBJECTS)}")
    parser.add_argument("--measures", type=_names(MEASURES), metavar="MEASURES", help=f"of {','.join(MEASURES)}")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="the folder whose django_batch is measured")
    parser.add_argument("--json", type=Path, help="write all that was measured to this file")
    parser.add_argument("--docs", type=Path, help="write the tables and the chart into this folder")
    options = parser.parse_args(given)
    if not (options.quick or options.only or options.subjects or options.measures):
        options.docs = options.docs or ROOT / "docs" / "explanation"
    return options


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        found = text.split(",")
        if unknown := set(found).difference(known):
            raise ArgumentTypeError(f"{', '.join(unknown)}: none of {', '.join(known)}")
        return found

    return names


def measure(options: Namespace, place: Site) -> Iterator[dict]:
    """One record after another. What cannot be measured here is skipped, and says so."""
    asked_for = options.only or (("plain", "drf", "session") if options.quick else TIMED)
    scenarios = [name for name in asked_for if SCENARIOS[name].database in place.databases]
    in_sqlite = [name for name in scenarios if SCENARIOS[name].database == "sqlite"]
    subjects = options.subjects or SUBJECTS
    measures = options.measures or MEASURES
    if "instructions" in measures and _installed(instructions.available(), "valgrind"):
        counted = ("floor", "batch", "alone") if options.quick and not options.subjects else subjects
        yield from instructions.measure(place, in_sqlite, counted, COUNTED)
    if "times" in measures:
        yield from times.measure(place, scenarios, subjects, QUICK if options.quick else RUNS)
    if "http" in measures and _installed(over_http.available(), "gunicorn"):
        yield from over_http.measure(place, in_sqlite, QUICK if options.quick else RUNS_OVER_HTTP)
    if "memory" in measures:
        yield from memory.measure(place, [name for name in subjects if name in (PEERS[:1] if options.quick else PEERS)])


def _installed(available: bool, name: str) -> bool:
    if not available:
        sys.stderr.write(f"{name} is not installed: skipped what is measured with it.\n")
    return available


def main() -> None:
    """Measure, print, and write what is to be written."""
    options = arguments()
    described = machine.describe()
    with site(options.checkout) as place:
        records = list(measure(options, place))
    if options.json:
        options.json.write_text(json.dumps(records, indent=1))
    results = {(each["scenario"], each["subject"], each["n"], each["measure"]): each["value"] for each in records}
    text = report(results, described)
    sys.stdout.write(text)
    if options.docs:
        (options.docs / "performance_tables.inc").write_text(text)
        (options.docs / "performance.svg").write_text(plot(groups(results)))


if __name__ == "__main__":
    main()
