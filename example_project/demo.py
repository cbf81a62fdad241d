"""The bookshop on this machine, and three batches sent to it over HTTP.

`python -m example_project.demo` builds everything in a temporary directory, shows the batches and goes on
serving until Ctrl-C; with `--once` it ends after the batches. It fails when an answer is not as it should be.
"""

import argparse
import base64
import json
import logging
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import django
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

HOST = "127.0.0.1"
PORT = 8000
TIMEOUT = 30  # seconds
CREDENTIALS = base64.b64encode(b"ada:ada-secret").decode()
SHOWN = 150  # characters of a line
ORDER = "/api/orders/A-1001/"
# Whatever proxy the environment names, it does not lead to this machine.
DIRECT = build_opener(ProxyHandler({}))


def build(folder: Path) -> None:
    """Make both databases, with the fixture's rows, in an empty folder."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "example_project.settings"
    os.environ["EXAMPLE_DATABASE"] = str(folder / "bookshop.sqlite3")
    os.environ["EXAMPLE_ARCHIVE_DATABASE"] = str(folder / "archive.sqlite3")
    os.environ["EXAMPLE_MEDIA"] = str(folder / "media")
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("migrate", database="archive", verbosity=0)
    call_command("loaddata", "bookshop", verbosity=0)


def bind() -> ThreadedWSGIServer:
    """A server on port 8000, or on any other if that one is taken."""
    try:
        return ThreadedWSGIServer((HOST, PORT), WSGIRequestHandler)
    except OSError:
        return ThreadedWSGIServer((HOST, 0), WSGIRequestHandler)


@contextmanager
def serving() -> Iterator[str]:
    """Serve the site from a thread; yields its address, which ends without a slash."""
    server = bind()
    server.daemon_threads = True
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def call(method: str, url: str, value: Any = None) -> tuple[int, Any]:
    """Send one request as ada; returns the status and the JSON value of the answer."""
    headers = {"Authorization": f"Basic {CREDENTIALS}", "Content-Type": "application/json"}
    body = None if value is None else json.dumps(value).encode()
    request = Request(url, body, headers, method=method)
    try:
        response = DIRECT.open(request, timeout=TIMEOUT)
    except HTTPError as error:
        response = error
    with response:
        return response.status, json.load(response)


def expect(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise SystemExit(f"{what}: {wanted!r} was expected, but it is {found!r}")


def show(value: Any) -> None:
    line = json.dumps(value, ensure_ascii=False)
    print("   ", line if len(line) <= SHOWN else line[:SHOWN] + " …")


def send_batch(address: str, batch: dict[str, Any], *, statuses: list[int]) -> None:
    """Send a batch and print it with its answer, without the headers of the items."""
    print("POST /batch/" + ('  "atomic": true' if "atomic" in batch else ""))
    for item in batch["requests"]:
        show(item)
    status, answer = call("POST", f"{address}/batch/", batch)
    expect("The status of the batch", status, 207)
    print(status)
    for item in answer["responses"]:
        show({name: item[name] for name in ("id", "status", "body")})
    expect("The statuses of its items", [item["status"] for item in answer["responses"]], statuses)


def read_orders(address: str, *, stored: bool) -> None:
    """Read over plain HTTP whether the order of the demo is there, and book 1 is taken."""
    _, orders = call("GET", f"{address}/api/orders/?page_size=100")
    _, book = call("GET", f"{address}/api/books/1/")
    numbers = [order["number"] for order in orders["results"]]
    print(f"GET /api/orders/  {', '.join(numbers)}")
    print(f"GET /api/books/1/  stock: {book['stock']}")
    expect("A-1001 is among the orders", "A-1001" in numbers, stored)
    expect("The stock of book 1", book["stock"], 8 if stored else 10)


def show_plain_batch(address: str) -> None:
    print("\n1. Four requests in one. Each has its own answer, also the one that fails.\n")
    review = {"book": 3, "rating": 5, "text": "Read in one night."}
    requests = [
        {"id": "me", "path": "/api/me/"},
        {"id": "cheap", "path": "/api/books/?max_price=6&page_size=1"},
        {"id": "review", "method": "POST", "path": "/api/reviews/", "body": review},
        {"id": "missing", "path": "/api/books/1000/"},
    ]
    send_batch(address, {"requests": requests}, statuses=[200, 200, 201, 404])


def order_batch(*books: int) -> dict[str, Any]:
    """An order with two copies of the first book and one of each other, all or nothing."""
    requests = [{"id": "order", "method": "PUT", "path": ORDER, "body": {"note": "As a gift."}}]
    for position, book in enumerate(books):
        line = {"book": book, "quantity": 1 if position else 2}
        requests.append({"id": f"book-{book}", "method": "POST", "path": f"{ORDER}lines/", "body": line})
    return {"atomic": True, "requests": requests}


def show_rollback(address: str) -> None:
    print("\n2. An order, all or nothing. Book 2 is out of stock, so nothing of it is kept.\n")
    send_batch(address, order_batch(1, 2), statuses=[424, 424, 400])
    read_orders(address, stored=False)


def show_commit(address: str) -> None:
    print("\n3. The same order with book 3, which is in stock.\n")
    send_batch(address, order_batch(1, 3), statuses=[201, 201, 201])
    read_orders(address, stored=True)


def show_batches(address: str) -> None:
    show_plain_batch(address)
    show_rollback(address)
    show_commit(address)


def wait(address: str) -> None:
    batch = '[{"path": "/api/me/"}, {"path": "/api/books/1/"}]'
    print(f"\nThe bookshop is open at {address}/ until Ctrl-C. Look at:\n")
    print(f"{address}/shop/  a page that makes ten reads in one request, and saves an order whole or not at all")
    print(f"{address}/batch/  the console, where you can write batches and see how they ran\n")
    print("Or try:\n")
    print(f"curl -u ada:ada-secret -H 'Content-Type: application/json' -d '{batch}' {address}/batch/", flush=True)
    try:
        Event().wait()
    except KeyboardInterrupt:
        print()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the bookshop, and show what batches do.")
    parser.add_argument("--once", action="store_true", help="end after the batches")
    arguments = parser.parse_args()
    # The answers are shown: a log of the requests would only repeat them. Errors are still logged.
    logging.disable(logging.WARNING)
    # However it is ended, the temporary directory is deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="bookshop-", ignore_cleanup_errors=True) as folder:
        build(Path(folder))
        with serving() as address:
            show_batches(address)
            if not arguments.once:
                wait(address)


if __name__ == "__main__":
    main()
