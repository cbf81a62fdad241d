"""The client with the site in the same process, sync and async, and a record of what was sent over the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

from django_batch.client import AsyncBatchTransport, BatchTransport, asynchronous, transport

SITE = "http://testserver"
BATCH = f"{SITE}/batch/"


class RecordedWSGI(httpx.WSGITransport):
    def __init__(self) -> None:
        super().__init__(get_wsgi_application(), raise_app_exceptions=False)
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return super().handle_request(request)


class RecordedASGI(httpx.ASGITransport):
    def __init__(self) -> None:
        super().__init__(get_asgi_application(), raise_app_exceptions=False)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return await super().handle_async_request(request)


class Road:
    """A way to send requests at the same time. `sent` are the requests that reached the site."""

    url: str
    sent: list[httpx.Request]
    waits: list[float]

    @property
    def batches(self) -> list[dict[str, Any]]:
        """The batches among them."""
        posts = [request for request in self.sent if request.method == "POST"]
        return [json.loads(request.content) for request in posts if request.url == self.url]

    @property
    def paths(self) -> list[list[str]]:
        """The paths of the items of each batch."""
        return [[item["path"] for item in batch["requests"]] for batch in self.batches]

    @property
    def alone(self) -> list[str]:
        return [request.url.path for request in self.sent if request.url != self.url]


class AsyncRoad(Road):
    """Requests of one tick of the loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits = []
        monkeypatch.setattr(asynchronous, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": self._sleep}))

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)

    def send(self, *requests: Any, url: str = BATCH, client: Mapping[str, Any] = {}, **options: Any) -> list[Any]:
        """The response, or the exception, to each request: a path, or the arguments of `client.request()`."""
        self.url, inner = url, options.setdefault("transport", RecordedASGI())
        self.sent = getattr(inner, "requests", [])

        async def send() -> list[Any]:
            transport = AsyncBatchTransport(url, **options)
            async with httpx.AsyncClient(transport=transport, base_url=SITE, **client) as sender:
                waiting = [sender.request(**arguments(each)) for each in requests]
                return await asyncio.gather(*waiting, return_exceptions=True)

        return async_to_sync(send)()


class SyncRoad(Road):
    """Requests of several threads. The first wait lasts until all of them are there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits = []
        monkeypatch.setattr(transport, "time", SimpleNamespace(sleep=self._sleep))

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        while len(self.waits) == 1 and self._joined() < self._number:
            self._pause.wait(0.001)

    def _joined(self) -> int:
        return len(self._transport._open.calls) + sum(future.done() for future in self._futures)

    def send(self, *requests: Any, url: str = BATCH, client: Mapping[str, Any] = {}, **options: Any) -> list[Any]:
        self.url, inner = url, options.setdefault("transport", RecordedWSGI())
        self.sent = getattr(inner, "requests", [])
        self._transport = BatchTransport(url, **options)
        self._number, self._pause, self._futures = len(requests), Event(), []
        with (
            httpx.Client(transport=self._transport, base_url=SITE, **client) as sender,
            ThreadPoolExecutor(len(requests)) as pool,
        ):
            for each in requests:
                self._futures.append(pool.submit(sender.request, **arguments(each)))
        return [future.exception() or future.result() for future in self._futures]


def arguments(request: Any) -> dict[str, Any]:
    return {"method": "GET", "url": request} if isinstance(request, str) else {"method": "GET", **request}


@pytest.fixture(params=[AsyncRoad, SyncRoad], ids=["async", "sync"])
def road(request, monkeypatch) -> Road:
    return request.param(monkeypatch)
