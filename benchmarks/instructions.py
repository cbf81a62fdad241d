"""How many instructions it takes: a count, which another run on another day repeats.

Callgrind writes a dump whenever `getppid` is called, so the process calls it before and after whatever it counts. One
start of Django is then enough for all counts.
"""

from __future__ import annotations

import gc
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.processes import Site

N = (1, 100)
_WARM_UP = 20  # sub-requests: after that many, Python has specialized its bytecode
_TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)


def available() -> bool:
    """Whether valgrind is installed."""
    return shutil.which("valgrind") is not None


def measure(site: Site, scenarios: Sequence[str], subjects: Sequence[str], numbers: Sequence[int]) -> Iterator[dict]:
    """One record for each scenario, subject and number: the instructions of one sub-request."""
    dumps = site.folder / "callgrind.out"
    valgrind = ["valgrind", "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={dumps}"]
    records = site.call(
        "instructions", "count", before=valgrind, scenarios=scenarios, subjects=subjects, numbers=numbers
    )
    for position, record in enumerate(records):
        repetitions = record.pop("repetitions")
        total = _total(dumps.with_name(f"{dumps.name}.{2 * position + 2}"))
        yield {**record, "measure": "instructions", "value": total / repetitions / record["n"]}


def _total(dump: Path) -> int:
    found = _TOTALS.search(dump.read_text())
    assert found, f"{dump} holds no total"
    return int(found[1])


def count(scenarios: Sequence[str], subjects: Sequence[str], numbers: Sequence[int]) -> list[dict]:
    """In the process that callgrind watches: run everything, each between two marks."""
    from benchmarks import database
    from benchmarks.subjects import check, pairs

    database.load()
    gc.disable()
    records = []
    for scenario, name, subject in pairs(scenarios, subjects):
        for n in numbers:
            repetitions = max(2, _WARM_UP // n)
            for _ in range(max(1, _WARM_UP // n)):
                check(subject, scenario, n)
            prepared = [subject.prepare(scenario, n) for _ in range(repetitions)]
            gc.collect()
            os.getppid()
            for each in prepared:
                subject.run(each)
            os.getppid()
            records.append({"scenario": scenario.name, "subject": name, "n": n, "repetitions": repetitions})
    return records
