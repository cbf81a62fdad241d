"""What a batch may cost, and whether it keeps to that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Key = tuple[str, str, int, str]  # scenario, subject, n, measure
Results = dict[Key, float]


@dataclass(frozen=True)
class Bound:
    """`measured` divided by `against` is at most `target`."""

    title: str
    target: float
    measured: Key
    against: Key


def _over_floor(scenario: str, target: float) -> Bound:
    title = f"instructions of a batch of 100 over the floor: {scenario}"
    return Bound(title, target, (scenario, "batch", 100, "instructions"), (scenario, "floor", 100, "instructions"))


BUDGET = (
    _over_floor("plain", 1.16),
    _over_floor("drf", 1.07),
    _over_floor("list", 1.025),
    _over_floor("create", 1.035),
    Bound(
        "instructions of a batch of one, over the same request alone: drf",
        2.0,
        ("drf", "batch", 1, "instructions"),
        ("drf", "alone", 1, "instructions"),
    ),
    Bound(
        "instructions of a batch of 100, over drf-batch-requests: drf",
        0.35,
        ("drf", "batch", 100, "instructions"),
        ("drf", "drf-batch-requests", 100, "instructions"),
    ),
    Bound(
        "time of a batch of 100 over the floor: session",
        0.25,
        ("session", "batch", 100, "minimum"),
        ("session", "floor", 100, "minimum"),
    ),
    Bound(
        "time of a batch of 100 over the floor: token",
        0.60,
        ("token", "batch", 100, "minimum"),
        ("token", "floor", 100, "minimum"),
    ),
    Bound(
        "time of a sub-request among 10,000, over one among 100: drf",
        1.05,
        ("drf", "batch", 10_000, "minimum"),
        ("drf", "batch", 100, "minimum"),
    ),
)


def judged(results: Results) -> Iterator[tuple[Bound, float]]:
    """Every bound that was measured, with its ratio."""
    for bound in BUDGET:
        if bound.measured in results and bound.against in results:
            yield bound, results[bound.measured] / results[bound.against]
