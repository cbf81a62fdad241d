"""What it costs to read and write a batch in each dialect, beside the same batch in the native format.

No sub-request is run. The runs of all dialects are interleaved, so that what slows the machine down slows all of them.
"""

from __future__ import annotations

import gc
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from time import process_time
from typing import Any, NamedTuple

from benchmarks.processes import Site

SMALL = 100  # items, of which half are reads and half writes
SIZES = (1, 8, 64)  # MiB that are read
_GROUP = 10  # writes
_BOUNDARY = "batch_36522ad7-fc75-4b56-8c71-56071383e77b"
_RUNS, _LARGE_RUNS = 300, 5
_ANSWERS = {  # as most sites have them
    "Content-Type": "application/json",
    "Vary": "Accept",
    "Allow": "GET, POST, HEAD, OPTIONS",
    "X-Frame-Options": "DENY",
    "Content-Length": "24",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Item(NamedTuple):
    """What is asked for, in any dialect. Those of one `group` follow each other."""

    id: str
    method: str
    path: str
    body: str = ""
    group: str = ""


def items(n: int, *, groups: bool) -> list[Item]:
    """Half of `n` are reads. The others are writes, in groups or not."""
    reads = [Item(str(number), "GET", f"/api/items/{number}/") for number in range(n // 2)]
    return reads + [
        Item(
            str(number), "POST", "/api/items/", f'{{"name":"item {number}"}}', f"g{number // _GROUP}" if groups else ""
        )
        for number in range(n // 2, n)
    ]


def native(batch: Iterable[Item]) -> bytes:
    """As `NativeDialect` reads it."""
    return _json({"requests": [_json_item(each, "path", "atomicity_group") for each in batch]})


def odata_json(batch: Iterable[Item]) -> bytes:
    """As `ODataJSON` reads it."""
    return _json({"requests": [_json_item(each, "url", "atomicityGroup") for each in batch]})


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _json_item(item: Item, url: str, group: str) -> dict[str, Any]:
    members: dict[str, Any] = {"id": item.id, "method": item.method, url: item.path}
    members["headers"] = {"Accept": "application/json"}
    if item.body:
        members["body"] = json.loads(item.body)
    return {**members, group: item.group} if item.group else members


def multipart(batch: Sequence[Item]) -> bytes:
    """As the multipart dialects read it."""
    parts: list[str] = []
    for item in batch:
        if item.group and f"--{item.group}--" not in parts[-1:]:
            parts.append(f"--{_BOUNDARY}\r\nContent-Type: multipart/mixed; boundary={item.group}\r\n")
        elif item.group:
            parts.pop()
        parts.append(f"--{item.group or _BOUNDARY}\r\n{_part(item)}")
        if item.group:
            parts.append(f"--{item.group}--")
    return "\r\n".join([*parts, f"--{_BOUNDARY}--"]).encode()


def _part(item: Item) -> str:
    typed = "Content-Type: application/json\r\n" if item.body else ""
    return (
        f"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {item.id}\r\n\r\n"
        f"{item.method} {item.path} HTTP/1.1\r\n{typed}Accept: application/json\r\n\r\n{item.body}"
    )


def facebook(batch: Iterable[Item]) -> bytes:
    """As `FacebookBatch` reads it."""
    operations = [
        {"method": item.method, "relative_url": item.path.lstrip("/"), **({"body": item.body} if item.body else {})}
        for item in batch
    ]
    return _json({"batch": operations})


_MULTIPART = f"multipart/mixed; boundary={_BOUNDARY}"
# name -> the module and class of a dialect, what it reads, and how that is written
DIALECTS: dict[str, tuple[str, str, str, Callable[[list[Item]], bytes]]] = {
    "native": ("native", "NativeDialect", "application/json", native),
    "odata-json": ("odata", "ODataJSON", "application/json", odata_json),
    "odata-multipart": ("odata", "ODataMultipart", _MULTIPART, multipart),
    "google": ("google", "GoogleMultipart", _MULTIPART, multipart),
    "facebook": ("facebook", "FacebookBatch", "application/json", facebook),
}
WITHOUT_GROUPS = ("google", "facebook")
OF_ANY_SIZE = ("native", "odata-json", "odata-multipart", "google")


def measure(site: Site) -> Iterator[dict]:
    """The microseconds of a small item, and of a MiB that is read, in each dialect that the checkout has."""
    for scenario, name, seconds in site.call("dialects", "small"):
        record = {"scenario": scenario, "subject": name, "n": SMALL, "measure": "dialect"}
        yield {**record, "value": seconds / SMALL * 1e6}
    for scenario, name, size, seconds in site.call("dialects", "large"):
        record = {"scenario": scenario, "subject": name, "n": size, "measure": "reading"}
        yield {**record, "value": seconds / size * 1e6}


def small() -> list[tuple[str, str, float]]:
    """In the measuring process: the least seconds that a batch takes to be read, and its answer to be written."""
    functions = {
        (scenario, name): _both_ways(name, dialect, items(SMALL, groups=scenario == "groups"))
        for scenario in ("items", "groups")
        for name, dialect in installed()
        if scenario == "items" or name not in WITHOUT_GROUPS
    }
    return [(scenario, name, seconds) for (scenario, name), seconds in _least(functions, _RUNS).items()]


def large() -> list[tuple[str, str, int, float]]:
    """In the measuring process: the least seconds that many bytes take to be read, or to be refused."""
    found: list[tuple[str, str, int, float]] = []
    for size in SIZES:
        functions = {
            (scenario, name): _read(name, dialect, write(name, size * 2**20))
            for scenario, write in LARGE.items()
            for name, dialect in installed()
            if name in OF_ANY_SIZE
        }
        least = _least(functions, _LARGE_RUNS)
        found += [(scenario, name, size, seconds) for (scenario, name), seconds in least.items()]
    return found


def installed() -> Iterator[tuple[str, Any]]:
    """The name of each dialect of the checkout, and the dialect."""
    for name, (module, kind, *_) in DIALECTS.items():
        try:
            yield name, getattr(import_module(f"django_batch.dialects.{module}"), kind)()
        except ImportError:  # of a checkout that is older
            continue


def envelope(name: str, body: bytes) -> Any:
    """What the dialect of that name is given."""
    from django_batch.dialects.base import Envelope

    return Envelope(body, DIALECTS[name][2], "http://localhost:8000/batch/", 10**6)


def _read(name: str, dialect: Any, body: bytes) -> Callable[[], object]:
    from django_batch.errors import BatchError

    def run() -> object:
        try:
            return dialect.parse(envelope(name, body))
        except BatchError as refusal:
            return refusal

    return run


def _both_ways(name: str, dialect: Any, batch: list[Item]) -> Callable[[], object]:
    from django_batch.core.batch import Subresponse

    sent = envelope(name, DIALECTS[name][3](batch))
    read = dialect.parse(sent)
    assert not read.faults, read.faults
    assert len(read.subrequests) == len(batch)
    answers = [Subresponse(each, 200, _ANSWERS, b'{"id":7,"name":"item 7"}') for each in read.subrequests]
    return lambda: (dialect.parse(sent), dialect.writer(read).whole(answers))


def _least(functions: dict[Any, Callable[[], object]], runs: int) -> dict[Any, float]:
    """The least seconds that each function takes."""
    least = dict.fromkeys(functions, float("inf"))
    gc.collect()
    gc.disable()
    for _ in range(runs):
        for key, function in functions.items():
            start = process_time()
            function()
            least[key] = min(least[key], process_time() - start)
    gc.enable()
    return least


def _one_body(name: str, size: int) -> bytes:
    body = json.dumps({"x": b64encode(bytes(range(256)) * (size // 400)).decode()})
    return DIALECTS[name][3]([Item("0", "POST", "/api/items/", body)])


def _many_items(name: str, size: int) -> bytes:
    one = len(DIALECTS[name][3](items(100, groups=False))) / 100
    return DIALECTS[name][3](items(int(size / one), groups=False))


def _nearly_delimiters(name: str, size: int) -> bytes:
    line = f"\\n--{_BOUNDARY}x" if "json" in DIALECTS[name][2] else f"\r\n--{_BOUNDARY}x"
    return DIALECTS[name][3]([Item("0", "POST", "/api/items/", '{"x":"' + line * (size // len(line)) + '"}')])


def _blank_lines(name: str, size: int) -> bytes:
    return b"\r\n" * (size // 2) + DIALECTS[name][3](items(2, groups=False))


LARGE = {
    "one body": _one_body,
    "many items": _many_items,
    "a body of lines like delimiters": _nearly_delimiters,
    "blank lines in front": _blank_lines,
}
