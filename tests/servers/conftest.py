"""Each server in a process of its own, with the bookshop's rows in files."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.markdown import ROOT
from tests.services import free_port

SECONDS = 60
WSGI, ASGI = "tests.servers.wsgi:application", "tests.servers.asgi:application"
GUNICORN = ["gunicorn", WSGI, "--bind=127.0.0.1:{port}", "--worker-tmp-dir=/dev/shm", "--timeout=120"]
SERVERS = {
    "gunicorn": GUNICORN,
    "gunicorn with threads": [*GUNICORN, "--threads=8"],
    "uvicorn": ["uvicorn", ASGI, "--port={port}", "--log-level=warning", "--lifespan=off"],
    "granian": ["granian", "--interface=asgi", "--port={port}", "--no-ws", "--log-level=warning", ASGI],
    "daphne": ["daphne", "--bind=127.0.0.1", "--port={port}", ASGI],
    "hypercorn": ["hypercorn", "--bind=127.0.0.1:{port}", ASGI],
}
ASGI_SERVERS = [name for name, command in SERVERS.items() if ASGI in command]


@dataclass
class Server:
    """Where it is, and what it is told and asked."""

    port: int
    folder: Path
    keeps_threads: bool

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    def get(self, path: str) -> bytes:
        with closing(self.connect()) as connection:
            connection.request("GET", path)
            return connection.getresponse().read()

    def state(self) -> dict[str, Any]:
        return json.loads(self.get("/state/"))

    def after(self, batches: int) -> dict[str, Any]:
        """The state when so many batches have ended, as soon as no more threads are there than at first."""
        assert self.get(f"/after/{batches}/") == b"True"
        return self.state()

    @contextmanager
    def sent(self, requests: list[dict[str, Any]], path: str, **members: object) -> Iterator[HTTPResponse]:
        """The response, until the end of this block: there the client is gone."""
        with closing(self.connect()) as connection, self.send(connection, requests, path, **members) as response:
            yield response

    def send(
        self, connection: HTTPConnection, requests: list[dict[str, Any]], path: str, **members: object
    ) -> HTTPResponse:
        body = json.dumps({"requests": requests, **members})
        connection.request("POST", path, body, {"Content-Type": "application/json", "Accept": "application/jsonl"})
        return connection.getresponse()

    def reach_gate(self) -> int:
        """A descriptor, once a view waits at the gate. It goes on when that is closed."""
        pause = Event()
        for _ in range(SECONDS * 100):
            try:
                return os.open(self.folder / "gate", os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody is there yet
                pause.wait(0.01)
        raise AssertionError("Nobody waits at the gate.")


@pytest.fixture(scope="session")
def start(templates, tmp_path_factory):
    """Starts a server by its name, once."""
    started: dict[str, tuple[subprocess.Popen[bytes], Server]] = {}

    def server(name: str) -> Server:
        if name not in started:
            started[name] = _start(name, tmp_path_factory.mktemp("live"), templates)
        return started[name][1]

    yield server
    for process, _ in started.values():
        process.terminate()
        process.wait(SECONDS)


def _start(name: str, folder: Path, templates: dict[str, sqlite3.Connection]) -> tuple[subprocess.Popen[bytes], Server]:
    program, *arguments = SERVERS[name]
    if find_spec(program) is None:
        missing = f"{program} is not installed. Install the extra `servers`."
        pytest.fail(missing) if os.environ.get("REQUIRE_SERVERS") else pytest.skip(missing)
    for alias, template in templates.items():
        with sqlite3.connect(folder / f"{alias}.sqlite3") as copy:
            template.backup(copy)
        copy.close()
    os.mkfifo(folder / "gate")
    port = free_port()
    command = [str(Path(sys.executable).parent / program), *(each.format(port=port) for each in arguments)]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.servers.settings", "LIVE_FOLDER": str(folder)}
    process = subprocess.Popen(command, cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT)})
    _await(process, port)
    return process, Server(port, folder, keeps_threads="--threads=8" in arguments)


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until somebody listens at `port`."""
    pause = Event()
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=SECONDS).close()
            return
        except OSError:
            pause.wait(0.05)
    pytest.fail(f"{process.args} has ended with {process.returncode}")


@pytest.fixture(params=[(name, path) for name in SERVERS for path in ("/batch/", "/async/batch/")], ids=" ".join)
def served(request, start) -> Iterator[tuple[Server, str]]:
    """Each server, with each batch view that is made for it."""
    name, path = request.param
    if name not in ASGI_SERVERS and path != "/batch/":
        pytest.skip("The view of a loop is the plain one under WSGI.")
    return start(name), path
