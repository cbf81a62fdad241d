"""What the depth of a batch costs CPython: `python -m benchmarks.depth`.

CPython keeps the frames of a thread in chunks, and gives a chunk back when its last frame returns. A loop whose calls
straddle the end of a chunk pays two system calls and a page fault for each of them. So the views here call something
small in a loop, at depths of 20 to 200 frames: at one of these, a batch that is deeper than a request would show it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from resource import RUSAGE_SELF, getrusage
from time import process_time
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, override_settings
from django.urls import path

from benchmarks.processes import ROOT, site

DEPTHS = range(20, 201, 5)
LOOPS, RUNS = 300, 5
MOST_FAULTS, MOST_PROCESSOR = 500, 1.05  # beyond the requests alone, and over them


def hot(value: int) -> int:
    """A call that is made often."""
    return sum((value, 1, 2, 3))


def deep(depth: int) -> int:
    """`hot`, called in a loop by a frame that is `depth` frames deeper than the view's."""
    if depth:
        return deep(depth - 1)
    return sum(hot(each) for each in range(LOOPS))


def view(request: HttpRequest, depth: int) -> HttpResponse:
    """A view of real depth."""
    return JsonResponse({"sum": deep(depth)})


EXECUTORS: dict[str, dict[str, Any]] = {
    "serial": {"executor": "django_batch.execution.executors.SerialExecutor"},
    "threads": {"executor": "django_batch.execution.executors.ThreadExecutor", "parallel_writes": True},
}
Spent = tuple[int, float]  # page faults, seconds of the processor


def measure() -> dict[str, Spent]:
    """The median of what the requests take alone, and in a batch of each executor."""
    from django_batch.views import BatchView  # it needs the settings of a measuring process

    batches = (path(f"{name}/", BatchView.as_view(**options)) for name, options in EXECUTORS.items())
    with override_settings(ROOT_URLCONF=(path("deep/<int:depth>/", view), *batches)):
        subjects: dict[str, Callable[[], None]] = {"alone": _alone}
        subjects |= {name: lambda name=name: _batch(f"/{name}/", name == "threads") for name in EXECUTORS}
        for subject in subjects.values():
            subject()
        turns = [{name: _spent(subject) for name, subject in subjects.items()} for _ in range(RUNS)]
    return {name: sorted(turn[name] for turn in turns)[RUNS // 2] for name in subjects}


def _alone() -> None:
    for depth in DEPTHS:
        assert Client().get(f"/deep/{depth}/").status_code == 200


def _batch(url: str, parallel: bool) -> None:
    batch = json.dumps({"requests": [{"path": f"/deep/{depth}/"} for depth in DEPTHS], "parallel": parallel})
    response = Client().post(url, batch, content_type="application/json")
    assert {answer["status"] for answer in response.json()["responses"]} == {200}


def _spent(subject: Callable[[], None]) -> Spent:
    faults, seconds = getrusage(RUSAGE_SELF).ru_minflt, process_time()
    subject()
    return getrusage(RUSAGE_SELF).ru_minflt - faults, process_time() - seconds


def main() -> int:
    """Print the figures. The exit status tells whether they are small enough."""
    with site(ROOT) as made:
        spent: dict[str, Spent] = made.call("depth", "measure")
    faults, seconds = spent.pop("alone")
    sys.stdout.write(f"alone: {faults} page faults, {seconds * 1e3:.1f} ms of the processor\n")
    kept = True
    for name, (more_faults, more_seconds) in spent.items():
        ratio = more_seconds / seconds
        kept &= more_faults <= faults + MOST_FAULTS and ratio <= MOST_PROCESSOR
        sys.stdout.write(f"{name}: {more_faults} page faults, {ratio:.2f} of that processor time\n")
    return not kept


if __name__ == "__main__":
    sys.exit(main())
