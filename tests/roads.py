"""The ways in which a batch can be run and answered: by each executor, under WSGI and ASGI, whole and in lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from itertools import product
from types import ModuleType
from typing import Any, NamedTuple

from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, reverse

from django_batch.execution.executors import SerialExecutor, ThreadExecutor
from django_batch.testing import BatchClient
from django_batch.views import AsyncBatchView, BatchView
from tests.asgi import AsWSGI
from tests.equivalence.client import call

EXECUTORS = {"serial": SerialExecutor, "threads": ThreadExecutor, "loop": SerialExecutor}


class Road(NamedTuple):
    """One of them. The `executor` "loop" is that of `AsyncBatchView`."""

    executor: str = "serial"
    asgi: bool = False
    lines: bool = False

    def __str__(self) -> str:
        return f"{self.executor}, {'ASGI' if self.asgi else 'WSGI'}, {'lines' if self.lines else 'whole'}"

    @property
    def headers(self) -> dict[str, str]:
        """Of a batch that goes this way."""
        return {"Accept": "application/jsonl"} if self.lines else {}

    def settings(self, urlconf: str, **settings: Any) -> dict[str, Any]:
        """Those of a site with these `settings`, whose batches all go this way."""
        root = _on_the_loop(urlconf) if self.executor == "loop" else urlconf
        batch = {"DRY_RUN": True, "EXECUTOR": EXECUTORS[self.executor], **settings.get("BATCH", {})}
        return {**settings, "ROOT_URLCONF": root, "BATCH": batch}

    def application(self) -> Callable[..., Iterable[bytes]]:
        """The site, to be called as a WSGI server does."""
        return AsWSGI() if self.asgi else WSGIHandler()

    def client(self, **options: Any) -> RoadClient:
        """One that sends its batches this way, and all else to the same server."""
        client = RoadClient(**options)
        client.road_headers = self.headers
        if self.asgi:
            client.handler = answered_by(AsWSGI)
        return client


class RoadClient(BatchClient):
    """What it is answered in lines, `json()` tells as if it had not been."""

    road_headers: Mapping[str, str] = {}

    def send_batch(self, content: object, *, path: str | None = None) -> Any:
        """The response to the whole batch."""
        data = content if isinstance(content, bytes) else json.dumps(content)
        url = path or reverse("django_batch:batch")
        ids = [item.get("id", str(place)) for place, item in enumerate(json.loads(data)["requests"])]
        return read(self.post(url, data, content_type="application/json", headers=self.road_headers), ids)


def read(response: Any, ids: Iterable[str] = ()) -> Any:
    """`response`, with the `json()` of an answer that is not sent in lines."""
    if response.headers["Content-Type"] == "application/jsonl":
        value = json.loads(whole(b"".join(response), ids))
        response.json = lambda: value
    return response


def whole(lines: bytes, ids: Iterable[str] = ()) -> bytes:
    """An answer in lines, as it is where it is not sent so. `ids` are those of its batch, if their order is lost."""
    *answers, last = lines.splitlines()
    assert json.loads(last)["done"]
    order = {id_: place for place, id_ in enumerate(ids)}
    answers.sort(key=lambda line: order.get(json.loads(line)["id"], 0))
    return b'{"responses": [%b]}' % b", ".join(answers)


def answered_by(application: Callable[[], Callable[..., Iterable[bytes]]]) -> Callable[..., HttpResponse]:
    """A handler for test clients, which has each request answered by an `application` of its own, as by a server."""

    def handler(environ: dict[str, Any]) -> HttpResponse:
        status, headers, content = call(application(), environ)
        response = HttpResponse(content, status=status)
        response.wsgi_request = None
        for name, value in headers:
            if name.lower() == "set-cookie":
                response.cookies.load(value)
            else:
                response.headers[name] = value
        return response

    return handler


ROADS = [Road(executor, asgi, lines) for executor, asgi, lines in product(EXECUTORS, [False, True], [False, True])]
ROADS = [road for road in ROADS if road.asgi or road.executor != "loop"]  # where there is none
PLAIN = Road()
_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "dev")
NIGHTLY = _PROFILE == "nightly"
_FEW = [PLAIN, Road("threads", asgi=False, lines=True)]
SOME = {"dev": _FEW, "ci": [*_FEW, Road("loop", asgi=True)]}.get(_PROFILE, ROADS)  # for what takes long


@cache
def _on_the_loop(urlconf: str) -> ModuleType:
    """`urlconf`, whose batch views are those of a loop."""
    module = ModuleType(f"{urlconf}_on_the_loop")
    module.urlpatterns = [*_asynchronous(import_module(urlconf).urlpatterns)]  # type: ignore[attr-defined]
    return module


def _asynchronous(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[URLPattern | URLResolver]:
    for each in patterns:
        if isinstance(each, URLResolver):
            inside = [*_asynchronous(each.url_patterns)]
            yield URLResolver(each.pattern, inside, each.default_kwargs, each.app_name, each.namespace)
        elif getattr(each.callback, "view_class", None) is BatchView:
            view = AsyncBatchView.as_view(**each.callback.view_initkwargs)
            yield URLPattern(each.pattern, view, each.default_args, each.name)
        else:
            yield each
