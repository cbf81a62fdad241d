"""The command line."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from pathlib import Path

from benchmarks import instructions, times
from benchmarks.processes import ROOT, Site, site
from benchmarks.report import report
from benchmarks.scenarios import SCENARIOS

RUNS = {1: 20, 10: 20, 100: 20, 1_000: 5, 10_000: 3}  # of each number of sub-requests
NUMBERS = (1, 100)  # of sub-requests whose instructions are counted
QUICK = {1: 5, 100: 5}
SUBJECTS = ("view", "floor", "batch", "alone", "client", "drf-batch-requests", "django-batch-requests")
MEASURES = ("instructions", "times")


def arguments() -> Namespace:
    """What was asked for."""
    parser = ArgumentParser("python -m benchmarks", description="Measure a batch beside all it can be compared with.")
    parser.add_argument("--quick", action="store_true", help="a minute: few runs, of 1 and 100 sub-requests")
    parser.add_argument("--only", type=_names(SCENARIOS), default=list(SCENARIOS), metavar="SCENARIO,…")
    parser.add_argument("--subjects", type=_names(SUBJECTS), default=list(SUBJECTS), metavar="SUBJECT,…")
    parser.add_argument("--measures", type=_names(MEASURES), default=list(MEASURES), metavar="MEASURE,…")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="the folder whose django_batch is measured")
    parser.add_argument("--json", type=Path, help="write all that was measured to this file too")
    return parser.parse_args()


def _names(known):
    def names(text: str) -> list[str]:
        found = text.split(",")
        if unknown := set(found).difference(known):
            raise ArgumentTypeError(f"{', '.join(unknown)}: none of {', '.join(known)}")
        return found

    return names


def measure(options: Namespace, place: Site) -> Iterator[dict]:
    """One record after another."""
    if "instructions" in options.measures:
        if instructions.available():
            yield from instructions.measure(place, options.only, options.subjects, NUMBERS)
        else:
            sys.stderr.write("instructions: skipped, as valgrind is not installed\n")
    if "times" in options.measures:
        runs = QUICK if options.quick else RUNS
        yield from times.measure(place, options.only, options.subjects, runs)


if __name__ == "__main__":
    options = arguments()
    with site(options.checkout) as place:
        records = list(measure(options, place))
    if options.json:
        options.json.write_text(json.dumps(records, indent=1))
    results = {(each["scenario"], each["subject"], each["n"], each["measure"]): each["value"] for each in records}
    sys.stdout.write(report(results))
