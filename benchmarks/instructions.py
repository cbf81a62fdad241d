"""How many instructions it takes: a count, which another run on another day repeats.

Callgrind writes a dump whenever `getppid` is called, so the process calls it before and after whatever it counts. One
start of Django is then enough for all counts of a scenario, and nothing before is counted, which would take most of the
time.
"""

from __future__ import annotations

import gc
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.processes import Site

_WARM_UP = 20  # runs: after that many, Python has specialized its bytecode
_TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)


def measure(site: Site, scenarios: Sequence[str], subjects: Sequence[str], numbers: Sequence[int]) -> Iterator[dict]:
    """One record for each scenario, subject and number: the instructions of one sub-request.

    Scenarios are counted side by side: a count does not depend on what else the machine does.
    """
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for records in threads.map(lambda scenario: _measure(site, scenario, subjects, sorted(numbers)), scenarios):
            yield from records


def _measure(site: Site, scenario: str, subjects: Sequence[str], numbers: Sequence[int]) -> list[dict]:
    dumps = site.folder / f"{scenario}.callgrind"
    valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--dump-before=getppid"]
    valgrind.append(f"--callgrind-out-file={dumps}")
    runs = site.call("instructions", "count", before=valgrind, scenario=scenario, subjects=subjects, numbers=numbers)
    return [
        {
            "scenario": scenario,
            "subject": name,
            "n": n,
            "measure": "instructions",
            "value": _total(dumps, 2 * position + 2) / repetitions / n,
        }
        for position, (name, n, repetitions) in enumerate(runs)
    ]


def _total(dumps: Path, number: int) -> int:
    dump = dumps.with_name(f"{dumps.name}.{number}")
    found = _TOTALS.search(dump.read_text())
    assert found, f"{dump} holds no total"
    return int(found[1])


def count(scenario: str, subjects: Sequence[str], numbers: Sequence[int]) -> list[tuple[str, int, int]]:
    """In the process that callgrind watches: what was run, and how often, each between two marks."""
    from benchmarks import database
    from benchmarks.subjects import age, check, pairs

    database.load()
    age(scenario)
    subprocess.run(["callgrind_control", "--instr=on", str(os.getpid())], check=True, stdout=subprocess.DEVNULL)
    gc.disable()
    runs = []
    for each, name, subject in pairs([scenario], subjects):
        for _ in range(_WARM_UP):
            check(subject, each, 1)
        for n in numbers:
            check(subject, each, min(n, _WARM_UP))
            repetitions = max(1, _WARM_UP // n)
            prepared = [subject.prepare(each, n) for _ in range(repetitions)]
            gc.collect()
            os.getppid()
            for ready in prepared:
                subject.run(ready)
            os.getppid()
            runs.append((name, n, repetitions))
    return runs
