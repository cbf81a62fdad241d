"""What a batch may cost, and whether it keeps to that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.dialects import DIALECTS, LARGE, OF_ANY_SIZE, SIZES, SMALL, WITHOUT_GROUPS
from benchmarks.memory import LARGE_BODIES, MANY

Key = tuple[str, str, int, str]  # scenario, subject, n, measure
Results = dict[Key, float]


@dataclass(frozen=True)
class Bound:
    """`measured`, divided by `against` if there is one, is at most `target`."""

    title: str
    target: float
    measured: Key
    against: Key | None = None

    def ratio(self, results: Results) -> float | None:
        """What is judged, or None if it was not measured."""
        if self.measured not in results or (self.against and self.against not in results):
            return None
        return results[self.measured] / (results[self.against] if self.against else 1)


def _over_floor(scenario: str, measure: str, target: float) -> Bound:
    title = f"{scenario}: {measure} of a batch of 100, over the floor"
    return Bound(title, target, (scenario, "batch", 100, measure), (scenario, "floor", 100, measure))


def _over_http(scenario: str, n: int, target: float) -> Bound:
    title = f"{scenario}: the server's processor over HTTP, a batch of {n} over one by one"
    return Bound(title, target, (scenario, "http-batch", n, "processor"), (scenario, "http-one-by-one", n, "processor"))


def _over_native(scenario: str, dialect: str) -> Bound:
    title = f"{dialect}: reading and writing a batch of {SMALL} small {scenario}, over the native format"
    return Bound(title, 1.5, (scenario, dialect, SMALL, "dialect"), (scenario, "native", SMALL, "dialect"))


def _linear(scenario: str, dialect: str) -> Bound:
    # In proportion, but for the processor's cache: 64 MiB do not fit into it, and a second look at them takes longer.
    title = f"{dialect}: reading a MiB among {SIZES[-1]}, over one alone; {scenario}"
    return Bound(title, 3.0, (scenario, dialect, SIZES[-1], "reading"), (scenario, dialect, SIZES[0], "reading"))


HTTP = ((10, 0.25), (100, 0.15))  # sub-requests, and what they may cost
BUDGET = (
    *(_over_floor(scenario, "instructions", 1.18) for scenario in ("plain", "paths")),
    _over_floor("drf", "instructions", 1.08),
    _over_floor("list", "instructions", 1.03),
    _over_floor("create", "instructions", 1.03),
    Bound(
        "drf: instructions of a batch of one, over the same request alone",
        2.1,
        ("drf", "batch", 1, "instructions"),
        ("drf", "alone", 1, "instructions"),
    ),
    Bound(
        "drf: instructions of a batch of 100, over drf-batch-requests",
        0.35,
        ("drf", "batch", 100, "instructions"),
        ("drf", "drf-batch-requests", 100, "instructions"),
    ),
    _over_floor("session", "minimum", 1.05),
    _over_floor("postgresql", "minimum", 0.25),
    _over_floor("token", "minimum", 0.60),
    *(_over_http(scenario, n, target) for scenario in ("plain", "drf", "session") for n, target in HTTP),
    Bound(
        "drf: time of a sub-request among 10,000, over one among 100",
        1.05,
        ("drf", "batch", 10_000, "minimum"),
        ("drf", "batch", 100, "minimum"),
    ),
    Bound("drf: bytes of a sub-request beyond its bodies", 4096, ("drf", "batch", MANY, "memory")),
    *(Bound(f"large: memory of {each}, over all bodies", 2.0, ("large", each, 100, "memory")) for each in LARGE_BODIES),
    *(_over_native("items", each) for each in DIALECTS if each != "native"),
    *(_over_native("groups", each) for each in DIALECTS if each not in ("native", *WITHOUT_GROUPS)),
    *(_linear(scenario, each) for scenario in LARGE for each in OF_ANY_SIZE),
)


def judged(results: Results) -> Iterator[tuple[Bound, float]]:
    """Every bound that was measured, with its ratio."""
    for bound in BUDGET:
        if (ratio := bound.ratio(results)) is not None:
            yield bound, ratio
