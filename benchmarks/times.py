"""How long it takes, in one process. The runs of all subjects are interleaved, so that what slows the machine down for
a while slows all of them. Where nothing waits, the time of the processor is the time, whatever else the machine does.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from time import perf_counter, process_time

from benchmarks.processes import Site
from benchmarks.scenarios import SCENARIOS

AT_LEAST = 20  # sub-requests in one run: few batches of one are repeated


def measure(site: Site, scenarios: Sequence[str], subjects: Sequence[str], runs: Mapping[int, int]) -> Iterator[dict]:
    """Two records for each scenario, subject and number: the least and the median microseconds of one sub-request.

    `runs` says how often each number is run.
    """
    for scenario in scenarios:
        database = site.databases[SCENARIOS[scenario].database]
        arguments = {"scenario": scenario, "subjects": subjects, "runs": list(runs.items())}
        for name, n, seconds in site.call("times", "clock", database=database, **arguments):
            record = {"scenario": scenario, "subject": name, "n": n}
            yield {**record, "measure": "minimum", "value": min(seconds) * 1e6}
            yield {**record, "measure": "median", "value": median(seconds) * 1e6}


def clock(scenario: str, subjects: Sequence[str], runs: list[tuple[int, int]]) -> list[tuple[str, int, list[float]]]:
    """In the measuring process: the seconds of one sub-request, in every run of every subject and number."""
    from django.db import connection

    from benchmarks import database
    from benchmarks.subjects import age, check, pairs

    database.load()
    age(scenario)
    found = list(pairs([scenario], subjects))
    for each, _, subject in found:
        check(subject, each, AT_LEAST)
    now = process_time if connection.vendor == "sqlite" else perf_counter
    gc.collect()
    gc.freeze()  # else each collection would look through all of Django
    durations: dict[tuple[str, int], list[float]] = {(name, n): [] for _, name, _ in found for n, _ in runs}
    for n in spread(dict(runs)):
        for each, name, subject in found:
            prepared = [subject.prepare(each, n) for _ in range(max(1, AT_LEAST // n))]
            gc.collect()
            start = now()
            for ready in prepared:
                subject.run(ready)
            durations[name, n].append((now() - start) / n / len(prepared))
    return [(name, n, seconds) for (name, n), seconds in durations.items()]


def spread(runs: Mapping[int, int]) -> list[int]:
    """Each number as often as `runs` says, evenly over the whole time."""
    return [n for _, n in sorted(((run + 0.5) / count, n) for n, count in runs.items() for run in range(count))]
