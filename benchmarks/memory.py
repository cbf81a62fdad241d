"""What a batch keeps in memory at its peak, beyond what the process had before it was received."""

from __future__ import annotations

import gc
import resource
import sys
import tracemalloc
from collections.abc import Iterator, Sequence

from benchmarks.processes import Site

FEW, MANY = 100, 10_000
LARGE_BODIES = ("batch", "google")  # the subjects that send them
_BATCHES = ("batch", "drf-batch-requests", "django-batch-requests")
_WAYS = (("memory", True), ("resident", False))  # of measuring, and whether tracemalloc does it
_LARGE = 100  # bodies of 1 MiB, in and out


def measure(site: Site, subjects: Sequence[str]) -> Iterator[dict]:
    """The bytes of one sub-request beyond its bodies, and the peak of large bodies over their bytes.

    Each is measured by tracemalloc, and as the growth of the process without it, which counts what is lost in gaps too.
    """
    for name in (name for name in _BATCHES if name in subjects):
        for measure, traced in _WAYS:
            few, bodies = site.call("memory", "peak", scenario="drf", name=name, n=FEW, traced=traced)
            many, more_bodies = site.call("memory", "peak", scenario="drf", name=name, n=MANY, traced=traced)
            value = (many - few - (more_bodies - bodies)) / (MANY - FEW)
            yield {"scenario": "drf", "subject": name, "n": MANY, "measure": measure, "value": value}
    for name in LARGE_BODIES:
        for measure, traced in _WAYS:
            peak_, bodies = site.call("memory", "peak", scenario="large", name=name, n=_LARGE, traced=traced)
            yield {"scenario": "large", "subject": name, "n": _LARGE, "measure": measure, "value": peak_ / bodies}


def peak(scenario: str, name: str, n: int, traced: bool) -> tuple[int, int]:
    """In the measuring process: the bytes at the peak of a batch of `n`, and those of all bodies in it."""
    from benchmarks import database
    from benchmarks.scenarios import SCENARIOS
    from benchmarks.subjects import SUBJECTS, check

    subject, sent = SUBJECTS[name], SCENARIOS[scenario]
    database.load()
    check(subject, SCENARIOS["drf"], FEW)
    gc.collect()
    if traced:
        tracemalloc.start()
    before = _resident()
    subject.run(subject.prepare(sent, n))
    grown = tracemalloc.get_traced_memory()[1] if traced else _resident() - before
    answer = len(sent.body) if sent.body else len(b'{"ok":true}')
    return grown, n * (len(sent.body) + answer)


def _resident() -> int:
    """Bytes: the most that the process has had so far (getrusage(2): in kilobytes, on macOS in bytes)."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
