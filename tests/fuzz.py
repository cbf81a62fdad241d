"""A coverage-guided fuzzer over all dialects and the whole pipeline: `python -m tests.fuzz [--seconds N]`.

Each input is the body of a batch, in front of which one byte chooses the dialect. It is answered by the bookshop, with
its rows in memory. A finding is a 500 of a whole batch, an input that takes over 2 seconds, or one that takes over
100 MB more than its own size. Without atheris the target can still be called, as the tests do with fixed inputs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from importlib.util import find_spec
from time import perf_counter
from typing import NamedTuple

SECONDS, BYTES = 2.0, 100 * 2**20  # that one input may take
MISSING = "atheris is not installed. Install it with: pip install 'django-batch[fuzz]'"


class Door(NamedTuple):
    """A batch view of the site that is fuzzed."""

    path: str
    content_type: str


DOORS = [
    Door("/batch/", "application/json"),
    Door("/batch/", "multipart/form-data; boundary=parts"),
    Door("/odata/$batch", "application/json"),
    Door("/change-sets/", "multipart/mixed; boundary=batch"),
    Door("/google/", "multipart/mixed; boundary=batch"),
    Door("/facebook/", "application/json"),
    Door("/facebook/", "multipart/form-data; boundary=parts"),
]
_ITEM = {"id": "0", "path": "/api/echo/", "url": "/api/echo/", "relative_url": "api/echo/", "method": "GET"}
_REFERRING = {"id": "1", "path": "/api/books/{0#/body/id}/", "method": "PUT", "body": {"$ref": "0#$.body[0]"}}
_PART = (
    b"--batch\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\nPOST /api/echo/ HTTP/1.1\r\n"
    b"Content-Type: text/plain; charset=utf-16\r\n\r\nbody\r\n--batch--\r\n"
)
_FORM = b'--parts\r\nContent-Disposition: form-data; name="batch"\r\n\r\n%b\r\n--parts--\r\n'
_JSON = json.dumps({"requests": [_ITEM, {**_REFERRING, "depends_on": "0", "headers": {"Accept": "*/*"}}]}).encode()
# What the fuzzer begins with, and what the tests try: each dialect's own form, and what has been wrong once.
SEEDS = [
    *(bytes([place]) + _JSON for place in (0, 2)),
    b"\x00" + json.dumps([{k: v for k, v in _ITEM.items() if k in ("path", "method")}]).encode(),
    b"\x00" + _JSON.replace(b"{", b'{"atomic": true, ', 1),
    b"\x00" + _JSON.replace(b"{", b'{"dry_run": true, "parallel": true, ', 1),
    b'\x00{"requests": [{"path": "/api/echo/", "method": "POST", "body": "x", '
    b'"headers": {"Content-Type": "a/b; charset=punycode"}}]}',
    b"\x00" + b"[" * 50_000,
    b'\x00{"requests": null, "\\ud83d": 1e400}',
    b"\x01" + _FORM % _JSON,
    b"\x03" + _PART,
    b"\x04" + _PART,
    b"\x03--batch\r\nContent-Type: multipart/mixed; boundary=set\r\n\r\n--set\r\n\r\nGET $1 HTTP/1.1\r\n--set--",
    b'\x05{"batch": [{"method": "GET", "relative_url": "api/echo/?x={result=0:$..*}", '
    b'"depends_on": "0", "name": "0"}]}',
    b"\x06" + _FORM % b'[{"method": "POST", "relative_url": "api/echo/", "attached_files": "batch"}]',
    b"",
]


def send(data: bytes) -> tuple[int, bytes]:
    """The status and the content that the batch in `data` is answered with."""
    from django.test import Client

    door = DOORS[data[0] % len(DOORS)] if data else DOORS[0]
    client = Client(raise_request_exception=False)
    response = client.generic("POST", door.path, data[1:], door.content_type, HTTP_PREFER="continue-on-error")
    content = b"".join(response) if response.streaming else response.content
    response.close()
    return int(response.status_code), content


def target(data: bytes) -> int:
    """The status of the batch that `data` is. Raises `AssertionError` for a finding."""
    before, start = _peak(), perf_counter()
    status, content = send(data)
    seconds, taken = perf_counter() - start, _peak() - before
    assert status != 500, f"500 of a whole batch: {content[:200]!r}"
    assert seconds < SECONDS, f"{seconds:.1f} seconds for one input"
    assert taken < BYTES + len(data), f"{taken} bytes for an input of {len(data)}"
    return status


def _peak() -> int:
    """The most memory that this process has taken, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def set_up() -> None:
    """The bookshop, with its tables in memory, as `tests.equivalence.urls` has it."""
    import django
    from django.conf import settings

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    settings.ROOT_URLCONF = "tests.equivalence.urls"
    settings.LOGGING_CONFIG = None
    import logging

    from django.core.management import call_command

    logging.disable(logging.CRITICAL)
    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)
    call_command("loaddata", "bookshop", verbosity=0)


def main(arguments: list[str]) -> int:
    """Fuzz until the time is over or something is found. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=3600, help="how long (default: 3600)")
    options, rest = parser.parse_known_args(arguments)
    if find_spec("atheris") is None:
        print(MISSING, file=sys.stderr)  # noqa: T201
        return 1
    import atheris

    with atheris.instrument_imports(include=["django_batch"]):
        set_up()
        for seed in SEEDS:  # which imports what is left, and takes its time for that
            send(seed)
    atheris.Setup([sys.argv[0], f"-max_total_time={options.seconds}", "-max_len=20000", *rest], target_of_atheris)
    atheris.Fuzz()
    return 0


def target_of_atheris(data: bytes) -> None:
    """`target` returns a status, which atheris would take for a sign."""
    target(data)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
