"""What a loop saves, what it costs, and when a stream begins: `python -m benchmarks.on_the_loop`, without a server.

An ASGI application is called as a server calls it, and a WSGI handler likewise, in one process. Runs take turns. Where
views wait, it is by the clock; what nothing waits for is the time of the processor, on all threads.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tracemalloc
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter, process_time, sleep
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import override_settings
from django.urls import path

from benchmarks.processes import ROOT, site
from benchmarks.scenarios import environ
from benchmarks.subjects import send

WAITING, SECONDS, WORKERS, RUNS = 20, 0.05, 4, 7
TRIVIAL, MANY = 100, 1_000
BODY = 10 * 2**10  # bytes of an answer whose memory is measured
LINES = "application/jsonl"

Take = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[..., Awaitable[None]]


async def async_wait(request: HttpRequest) -> HttpResponse:
    """Wait on the loop."""
    await asyncio.sleep(SECONDS)
    return JsonResponse({})


def sync_wait(request: HttpRequest) -> HttpResponse:
    """Wait on a thread."""
    sleep(SECONDS)
    return JsonResponse({})


def large(request: HttpRequest) -> HttpResponse:
    """An answer of some size."""
    return HttpResponse("x" * BODY, content_type="text/plain")


def plain(request: HttpRequest) -> HttpResponse:
    """As little as a view can do."""
    return JsonResponse({})


async def async_plain(request: HttpRequest) -> HttpResponse:
    """As little, on the loop."""
    return JsonResponse({})


@dataclass(frozen=True)
class Sent:
    """What became of a batch: the seconds to its first piece and to its end, those of the processor, its answers."""

    first: float
    whole: float
    processor: float
    content: bytes


def batch(url: str, n: int, **members: object) -> bytes:
    """`n` times the same."""
    return json.dumps({"requests": [{"path": url}] * n, **members}).encode()


async def over_asgi(application: Application, url: str, content: bytes, **headers: str) -> Sent:
    """Send a batch as a server does."""
    pieces: list[tuple[float, bytes]] = []

    async def take(message: dict[str, Any]) -> None:
        if message.get("body"):
            pieces.append((perf_counter() - start, message["body"]))

    start, busy = perf_counter(), process_time()
    await _call(application, url, content, headers, take)
    whole, processor = perf_counter() - start, process_time() - busy
    return Sent(pieces[0][0], whole, processor, b"".join(piece for _, piece in pieces))


async def _call(application: Application, url: str, content: bytes, headers: Mapping[str, str], take: Take) -> None:
    fields = {"host": "localhost", "content-type": "application/json", **headers}
    encoded = [(name.encode(), value.encode()) for name, value in fields.items()]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": url, "query_string": b""}
    messages = iter([{"type": "http.request", "body": content}])

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await asyncio.Event().wait()  # the client stays to the end
        raise AssertionError

    await application({**scope, "headers": encoded}, receive, take)


def statuses(content: bytes) -> list[int]:
    """Of a whole answer."""
    return [item["status"] for item in json.loads(content)["responses"]]


def measure() -> dict[str, float]:
    """The ratios, by what they are of."""
    from django.core.asgi import get_asgi_application

    from django_batch.views import AsyncBatchView, BatchView  # they need the settings of a measuring process

    views = (async_wait, sync_wait, large, plain, async_plain)
    urls = [path(f"{view.__name__}/", view) for view in views]
    urls += [path("batch/", BatchView.as_view())]
    urls += [path(f"loop/{n}/", AsyncBatchView.as_view(max_workers=n)) for n in (WORKERS, WAITING)]
    with override_settings(ROOT_URLCONF=tuple(urls)):
        return asyncio.run(_measure(get_asgi_application()))


async def _measure(application: Application) -> dict[str, float]:
    turns = [await _turn(application) for _ in range(RUNS)]
    least = {name: min(turn[name] for turn in turns) for name in turns[0]}
    few, many = [await _peak(application, n) for n in (MANY // 10, MANY)]
    return {
        f"{WAITING} async views that wait, over in turn": least["async"] / least["async, in turn"],
        f"{WAITING} sync views that wait, {WORKERS} workers, over in turn": least["sync"] / least["sync, in turn"],
        f"a batch of {TRIVIAL} trivial views on the loop, over WSGI": least["on the loop"] / least["on WSGI"],
        "likewise, each sub-request but the first": _further(least, "on the loop") / _further(least, "on WSGI"),
        "likewise, async views": least["on the loop, async"] / least["on WSGI"],
        f"the first line of {MANY}, over the whole stream": least["first line"],
        "memory that a streamed answer adds, over its body": (many - few) / (MANY - MANY // 10) / BODY,
    }


def _further(least: Mapping[str, float], way: str) -> float:
    """What does not count is the request that carries a batch, whose way through Django is another under ASGI."""
    return least[way] - least[f"{way}, one"]


async def _turn(application: Application) -> dict[str, float]:
    """Seconds by name, and of a stream which part of them its first line takes."""

    async def sent(url: str, content: bytes) -> Sent:
        answer = await over_asgi(application, url, content)
        assert set(statuses(answer.content)) == {200}, answer.content[:1000]
        return answer

    loop, few = f"/loop/{WAITING}/", f"/loop/{WORKERS}/"
    lines = await over_asgi(application, few, batch("/plain/", MANY), accept=LINES)
    assert lines.content.count(b"\n") == MANY + 1
    return {
        "async, in turn": (await sent(loop, batch("/async_wait/", WAITING))).whole,
        "async": (await sent(loop, batch("/async_wait/", WAITING, parallel=True))).whole,
        "sync, in turn": (await sent(few, batch("/sync_wait/", WAITING))).whole,
        "sync": (await sent(few, batch("/sync_wait/", WAITING, parallel=True))).whole,
        "on WSGI": await asyncio.to_thread(_on_wsgi, batch("/plain/", TRIVIAL)),
        "on the loop": (await sent(few, batch("/plain/", TRIVIAL))).processor,
        "on WSGI, one": await asyncio.to_thread(_on_wsgi, batch("/plain/", 1)),
        "on the loop, one": (await sent(few, batch("/plain/", 1))).processor,
        "on the loop, async": (await sent(few, batch("/async_plain/", TRIVIAL))).processor,
        "first line": lines.first / lines.whole,
    }


def _on_wsgi(content: bytes) -> float:
    request = environ("POST", "/batch/", content, {})
    busy = process_time()
    answer = send(request)
    processor = process_time() - busy
    assert set(statuses(answer[1])) == {200}
    return processor


async def _peak(application: Application, n: int) -> int:
    """Bytes at the peak of a stream of `n` answers, whose pieces are gone once they are sent."""

    async def forget(message: dict[str, Any]) -> None:
        """As a server that has sent it."""

    content = batch("/large/", n)
    tracemalloc.start()
    await _call(application, f"/loop/{WORKERS}/", content, {"accept": LINES}, forget)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def main() -> None:
    """Print the ratios."""
    with site(ROOT) as made:
        for title, ratio in made.call("on_the_loop", "measure").items():
            sys.stdout.write(f"{title}: {ratio:.3f}\n")


if __name__ == "__main__":
    main()
