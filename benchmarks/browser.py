"""What a page sees: twenty calls in Chromium, by the browser's own `fetch` and by the JavaScript client.

`python -m benchmarks.browser` starts gunicorn (one process of eight threads) and nginx in front of it, which speaks
HTTP/1.1, and HTTP/2 over TLS. A proxy of its own makes the way longer. All ways take turns, on connections that are
open already. It needs nginx, openssl, chromium, and the packages gunicorn and playwright.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks import machine
from benchmarks.over_http import Server, served
from benchmarks.processes import ROOT, Site, site

CALLS = 20
DELAYS = (0.0, 0.02, 0.1)  # seconds of a round trip, added
PROTOCOLS = {"HTTP/1.1": "http/1.1", "HTTP/2": "h2"}  # and what browsers call them
# name -> the path of a call, by its number
PAGES = {"list of 20 rows": "/books/?{}", "DRF view": "/drf/?{}", "view that waits 20 ms": "/waits/?{}"}
# name -> where the batches are sent, or nothing
WAYS = {"fetch": "", "batch": "/batch/", "batch, side by side": "/side-by-side/"}

_NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    keepalive_timeout 600s; keepalive_requests 100000;
    types {{ text/javascript js; text/html html; }}
    upstream site {{ server 127.0.0.1:{site}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{secure} ssl http2;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        location /static/ {{ alias {static}/; }}
        location = /empty.html {{ default_type text/html; return 200 "<!doctype html><title>Empty</title>"; }}
        location / {{
            proxy_pass http://site;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""
_MEASURE = """async ({ paths, url }) => {
  const { createBatch } = await import("/static/django_batch/batch.js");
  const call = url ? createBatch({ url }).fetch : (path) => globalThis.fetch(path, { cache: "no-store" });
  const began = performance.now();
  let first;
  await Promise.all(paths.map(async (path) => {
    const response = await call(path);
    if (!response.ok) throw new Error(await response.text());
    await response.json();
    first ??= performance.now() - began;
  }));
  const took = performance.now() - began;
  const spoken = performance.getEntriesByType("resource").map((entry) => entry.nextHopProtocol);
  performance.clearResourceTimings();
  return [first, took, [...new Set(spoken)]];
}"""


class Run(NamedTuple):
    """Milliseconds until the first answer and the last, and of the server's processor."""

    first: float
    last: float
    processor: float


class Way(NamedTuple):
    """What is compared."""

    page: str
    delay: float
    protocol: str
    name: str


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def _certificate(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    written = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run([*command, *written], check=True, capture_output=True)


@contextmanager
def _running(*command: str) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _proxied(server: Server, folder: Path) -> Iterator[dict[tuple[str, float], str]]:
    """Where the site is, by protocol and delay."""
    plain, secure = _free_port(), _free_port()
    _certificate(folder)
    static = ROOT / "django_batch/static"
    written = _NGINX.format(folder=folder, site=server.port, plain=plain, secure=secure, static=static)
    (folder / "nginx.conf").write_text(written)
    targets = {"HTTP/1.1": ("http", plain), "HTTP/2": ("https", secure)}
    wires, addresses = [], {}
    for protocol, delay in product(PROTOCOLS, DELAYS):
        scheme, target = targets[protocol]
        port = _free_port()
        wires.append(f"{port}:{target}:{delay}")
        addresses[protocol, delay] = f"{scheme}://127.0.0.1:{port}"
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin") or "nginx"
    with (
        _running(nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")),
        _running(sys.executable, "-m", "benchmarks.delay", *wires),
    ):
        yield addresses


def _paths(page: str) -> list[str]:
    return [PAGES[page].format(number) for number in range(CALLS)]


def _ready(page: Any, address: str) -> None:
    """Open the empty page at `address`, as soon as somebody answers there."""
    for _ in range(100):
        try:
            page.goto(f"{address}/empty.html")
            return
        except Exception:  # the servers are still starting
            page.wait_for_timeout(100)
    raise RuntimeError(f"Nobody answers at {address}.")


def measure(place: Site, rounds: int) -> dict[Way, list[Run]]:
    """The runs of each way, which take turns."""
    from playwright.sync_api import sync_playwright

    found: dict[Way, list[Run]] = {}
    with ExitStack() as stack:
        server = stack.enter_context(served(place))
        addresses = stack.enter_context(_proxied(server, place.folder))
        chromium = stack.enter_context(sync_playwright()).chromium
        browser = chromium.launch(executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox"])
        pages = {}
        for key, address in addresses.items():
            pages[key] = browser.new_page(ignore_https_errors=True)
            _ready(pages[key], address)
        for number in range(rounds + 1):
            for name, delay, protocol, way in product(PAGES, DELAYS, PROTOCOLS, WAYS):
                began = server.cpu()
                sent = {"paths": _paths(name), "url": WAYS[way]}
                first, last, spoken = pages[protocol, delay].evaluate(_MEASURE, sent)
                assert {*spoken} <= {PROTOCOLS[protocol]}, spoken  # of the last call the browser may tell later
                run = Run(first, last, (server.cpu() - began) * 1e3)
                if number:  # the first opens the connections
                    found.setdefault(Way(name, delay, protocol, way), []).append(run)
        browser.close()
    return found


def table(found: dict[Way, list[Run]]) -> str:
    """A row for each page, delay and way."""
    lines = [
        "| page of 20 calls | added delay | way | first answer, ms | last answer, ms | server's processor, ms |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for way, runs in found.items():
        firsts, lasts, processors = zip(*runs, strict=True)
        cells = [f"{min(values):.0f} ({median(values):.0f})" for values in (firsts, lasts, processors)]
        lines.append(f"| {way.page} | {way.delay * 1e3:.0f} ms | {way.name}, {way.protocol} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write what is to be written."""
    parser = ArgumentParser("python -m benchmarks.browser", description="Measure a page of 20 calls in Chromium.")
    parser.add_argument("--rounds", type=int, default=30, help="how often each way is measured")
    parser.add_argument("--json", type=Path, help="write all runs to this file")
    parser.add_argument("--docs", type=Path, help="write the table into this folder")
    options = parser.parse_args(given)
    described = "\n".join(machine.describe().splitlines())
    with site(ROOT) as place:
        found = measure(place, options.rounds)
    text = f"Measured by `python -m benchmarks.browser --rounds {options.rounds}`. {described}\n\n{table(found)}\n"
    sys.stdout.write(text)
    if options.json:
        options.json.write_text(json.dumps([[*way, runs] for way, runs in found.items()], indent=1))
    if options.docs:
        (options.docs / "performance_browser.inc").write_text(text)


if __name__ == "__main__":
    main()
