"""What running side by side saves where the database is waited for: `python -m benchmarks.parallel`, with PostgreSQL.

Twenty reads, each of which waits 50 milliseconds, on one thread and on four. Four workers need at least five waits, a
quarter of the time; what they take beyond it is the price of threads and of their connections.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, override_settings
from django.urls import path

from benchmarks.processes import ROOT, site

READS, SECONDS, WORKERS, RUNS = 20, 0.05, 4, 7
MOST = 0.30  # of the time of one thread


def wait(request: HttpRequest) -> HttpResponse:
    """A slow query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [SECONDS])
    return JsonResponse({"waited": SECONDS})


EXECUTORS: dict[str, dict[str, Any]] = {
    "serial": {"executor": "django_batch.execution.executors.SerialExecutor"},
    "threads": {"executor": "django_batch.execution.executors.ThreadExecutor", "max_workers": WORKERS},
}


def measure() -> dict[str, float]:
    """The seconds of each executor: the least of its runs, which take turns."""
    from django_batch.views import BatchView  # it needs the settings of a measuring process

    batches = (path(f"{name}/", BatchView.as_view(**options)) for name, options in EXECUTORS.items())
    with override_settings(ROOT_URLCONF=(path("wait/", wait), *batches)):
        turns = [{name: _send(f"/{name}/") for name in EXECUTORS} for _ in range(RUNS)]
    return {name: min(turn[name] for turn in turns) for name in EXECUTORS}


def _send(url: str) -> float:
    batch = json.dumps({"requests": [{"path": "/wait/"}] * READS, "parallel": True})
    start = perf_counter()
    response = Client().post(url, batch, content_type="application/json")
    seconds = perf_counter() - start
    assert [answer["status"] for answer in response.json()["responses"]] == [200] * READS
    return seconds


def main() -> int:
    """Print the ratio. The exit status tells whether it is small enough."""
    with site(ROOT, postgresql=True) as made:
        if "postgresql" not in made.databases:
            return 1
        seconds = made.call("parallel", "measure", database=made.databases["postgresql"])
    ratio = seconds["threads"] / seconds["serial"]
    sys.stdout.write(
        f"{READS} reads that wait {SECONDS * 1000:.0f} ms: {seconds['serial'] * 1000:.0f} ms on one thread, "
        f"{seconds['threads'] * 1000:.0f} ms on {WORKERS} workers; ratio {ratio:.3f}, at most {MOST:.2f}\n"
    )
    return int(ratio > MOST)


if __name__ == "__main__":
    sys.exit(main())
