"""What a client sees, and what the server's processor does, over HTTP: requests one by one, on eight connections, and
in a batch. The server is gunicorn with one process of eight threads, which keeps connections open.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from benchmarks.processes import Site
from benchmarks.scenarios import SCENARIOS, Scenario, batch
from benchmarks.times import AT_LEAST, spread

MEASURES = ("http minimum", "http median", "processor")
_CONNECTIONS = 8
_OPTIONS = (
    f"--worker-class gthread --workers 1 --threads {_CONNECTIONS} --keep-alive 600 --timeout 600 --log-level error"
)


@dataclass(frozen=True)
class Server:
    """Where it listens, and the process that answers."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds of processor time so far, of all threads (clock_getcpuclockid(3))."""
        return time.clock_gettime(~self.pid << 3 | 2)


@contextmanager
def served(site: Site) -> Iterator[Server]:
    """A server of the site, on rows in a file."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = [sys.executable, "-m", "gunicorn", *_OPTIONS.split(), "--bind", f"fd://{listening.fileno()}"]
        arbiter = subprocess.Popen(
            [*command, "django.core.wsgi:get_wsgi_application()"],
            env=site.environment(str(site.rows)),
            cwd=site.folder,
            pass_fds=[listening.fileno()],
        )
        try:
            port = listening.getsockname()[1]
            with closing(HTTPConnection("127.0.0.1", port)) as connection:
                _send(connection, "GET", "/plain/")  # which waits until there is a worker
            worker = Path(f"/proc/{arbiter.pid}/task/{arbiter.pid}/children").read_text().split()[0]
            yield Server(port, int(worker))
        finally:
            arbiter.terminate()
            arbiter.wait()


def measure(site: Site, scenarios: Sequence[str], runs: Mapping[int, int]) -> Iterator[dict]:
    """For each scenario, way and number: the microseconds of one sub-request, and those of the server's processor."""
    with served(site) as server, ExitStack() as stack:
        connections = [
            stack.enter_context(closing(HTTPConnection("127.0.0.1", server.port))) for _ in range(_CONNECTIONS)
        ]
        threads = stack.enter_context(ThreadPoolExecutor(_CONNECTIONS))
        ways = {
            "http-one-by-one": partial(_one_by_one, connections[0]),
            "http-8-connections": partial(_side_by_side, threads, connections),
            "http-batch": partial(_in_a_batch, connections[0]),
        }
        for scenario in (SCENARIOS[name] for name in scenarios):
            for way in ways.values():
                way(scenario, 10 * _CONNECTIONS)
            yield from _records(scenario, _clock(scenario, ways, runs, server.cpu))


Way = Callable[[Scenario, int], None]
Durations = dict[tuple[str, int], list[tuple[float, float]]]  # way, number -> wall and processor seconds of each run


def _clock(scenario: Scenario, ways: Mapping[str, Way], runs: Mapping[int, int], cpu: Callable[[], float]) -> Durations:
    durations: Durations = {}
    for n in spread(runs):
        repetitions = max(1, AT_LEAST // n)
        for name, way in ways.items():
            start, cpu_start = time.perf_counter(), cpu()
            for _ in range(repetitions):
                way(scenario, n)
            spent = time.perf_counter() - start, cpu() - cpu_start
            durations.setdefault((name, n), []).append((spent[0] / repetitions / n, spent[1] / repetitions / n))
    return durations


def _records(scenario: Scenario, durations: Durations) -> Iterator[dict]:
    for (name, n), pairs in durations.items():
        record = {"scenario": scenario.name, "subject": name, "n": n}
        walls, processors = zip(*pairs, strict=True)
        for measure, value in zip(MEASURES, (min(walls), median(walls), min(processors)), strict=True):
            yield {**record, "measure": measure, "value": value * 1e6}


def _one_by_one(connection: HTTPConnection, scenario: Scenario, n: int) -> None:
    for path in scenario.paths(n):
        _send(connection, scenario.method, path, scenario.body, scenario.headers)


def _side_by_side(
    threads: ThreadPoolExecutor, connections: Sequence[HTTPConnection], scenario: Scenario, n: int
) -> None:
    shares = [n // len(connections) + (position < n % len(connections)) for position in range(len(connections))]
    list(threads.map(_one_by_one, connections, [scenario] * len(connections), shares))


def _in_a_batch(connection: HTTPConnection, scenario: Scenario, n: int) -> None:
    _send(connection, "POST", "/batch/", batch(scenario, n), scenario.headers)


def _send(
    connection: HTTPConnection, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> None:
    sent = {name.removeprefix("HTTP_").replace("_", "-"): value for name, value in (headers or {}).items()}
    if body:
        sent["Content-Type"] = "application/json"
    connection.request(method, path, body or None, sent)
    response = connection.getresponse()
    content = response.read()
    assert response.status in (200, 201, 207), content
