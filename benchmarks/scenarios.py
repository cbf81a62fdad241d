"""What is asked for: one request, sent many times."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

SESSION_KEY = "benchmarkssessionkeyofthirtytwo0"
CSRF_TOKEN = "benchmarkscsrftokenofthirtytwo00"  # a batch is a POST, even if what it carries is not
TOKEN = "0123456789012345678901234567890123456789"  # of no user of any site
_SESSION = {"HTTP_COOKIE": f"sessionid={SESSION_KEY}; csrftoken={CSRF_TOKEN}", "HTTP_X_CSRFTOKEN": CSRF_TOKEN}


@dataclass(frozen=True)
class Scenario:
    """A request. `headers` are those that a batch is sent with, too, in the form of META.

    In a `path` with `{}`, each that is sent has its own number there.
    """

    name: str
    title: str
    path: str
    method: str = "GET"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    database: str = "sqlite"

    def paths(self, n: int) -> list[str]:
        """Of `n` requests."""
        return [self.path.format(number) for number in range(n)]


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("plain", "plain view", "/plain/"),
        Scenario("paths", "plain view, each path once", "/plain/{}/"),
        Scenario("drf", "DRF view", "/drf/"),
        Scenario("list", "list of 20 rows", "/books/"),
        Scenario("create", "create", "/notes/", "POST", b'{"title": "A note", "text": "It is not long."}'),
        Scenario("session", "DRF view, session", "/session/", headers=_SESSION),
        Scenario(
            "postgresql", "DRF view, shared session in PostgreSQL", "/session/", headers=_SESSION, database="postgresql"
        ),
        Scenario("token", "DRF view, shared token", "/token/", headers={"HTTP_AUTHORIZATION": f"Token {TOKEN}"}),
        Scenario("large", "echo of 1 MiB", "/echo/", "POST", b'"%s"' % (b"x" * (2**20 - 2))),
    )
}
TIMED = tuple(name for name in SCENARIOS if name != "large")


def batch(scenario: Scenario, n: int, *, items: str = "requests", path: str = "path") -> bytes:
    """The body of a batch of `n` in JSON, in the native format or one that has other names for `items` and `path`."""
    content = {"body": json.loads(scenario.body)} if scenario.body else {}
    written = [{"method": scenario.method, path: each, **content} for each in scenario.paths(n)]
    return json.dumps({items: written}).encode()


MULTIPART = "multipart/mixed; boundary=batch_36522ad7"


def multipart(scenario: Scenario, n: int) -> bytes:
    """The same as `multipart/mixed`, as Google's clients send it."""
    part = b"--batch_36522ad7\r\nContent-Type: application/http\r\n\r\n%b %b HTTP/1.1\r\n\r\n%b\r\n"
    parts = [part % (scenario.method.encode(), path.encode(), scenario.body) for path in scenario.paths(n)]
    return b"".join(parts) + b"--batch_36522ad7--"


def environ(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """What a WSGI server makes of a request (PEP 3333)."""
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json" if body else "",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "HTTP_HOST": "localhost:8000",
        "HTTP_USER_AGENT": "benchmarks",
        "HTTP_ACCEPT": "application/json",
        "HTTP_CONNECTION": "keep-alive",
        **headers,
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
