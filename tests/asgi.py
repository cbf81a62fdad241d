"""What an ASGI server does, without one: sends a request to the site, and takes what the site sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextvars import Context
from http import HTTPStatus
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler

SECONDS = 60  # until what should come is taken to be lost
_BODIES = {"CONTENT_TYPE": "content-type", "CONTENT_LENGTH": "content-length"}


def scope_of(environ: Mapping[str, Any]) -> dict[str, Any]:
    """The same request as an ASGI server tells of it, whose prefix is the one that the site is forced to have."""
    prefix = environ["SCRIPT_NAME"] or settings.FORCE_SCRIPT_NAME or ""
    names = {key: _BODIES.get(key) or key.removeprefix("HTTP_").replace("_", "-").lower() for key in environ}
    return {
        "type": "http",
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": (prefix + environ["PATH_INFO"]).encode("latin-1").decode(errors="replace"),
        "root_path": prefix,
        "query_string": environ["QUERY_STRING"].encode("latin-1"),
        "headers": [
            (name.encode(), environ[key].encode("latin-1"))
            for key, name in names.items()
            if key in _BODIES or key.startswith("HTTP_")
        ],
        "client": (environ["REMOTE_ADDR"], int(environ.get("REMOTE_PORT", 0))),
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
    }


class ClosingHandler(ASGIHandler):
    """Django's own, for one request at a time. When an exception escapes, Django leaves the body's file open."""

    async def read_body(self, receive: Callable[..., Any]) -> Any:
        self._body_file = await super().read_body(receive)
        return self._body_file

    async def handle(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        try:
            await super().handle(scope, receive, send)
        finally:
            self._body_file.close()


class AsWSGI:
    """The site as an ASGI application, to be called as a WSGI one."""

    def __init__(self) -> None:
        self._application = ClosingHandler()

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """The pieces of the answer, when all are there."""
        content = environ["wsgi.input"].read()
        start, *bodies = async_to_sync(self._events)(scope_of(environ), content)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        start_response(f"{start['status']} {HTTPStatus(start['status']).phrase}", headers)
        return [event.get("body", b"") for event in bodies]

    async def _events(self, scope: dict[str, Any], content: bytes) -> list[dict[str, Any]]:
        return [event async for event in exchange(self._application, scope, content, own_thread=False)]


async def exchange(
    application: Any,
    scope: dict[str, Any],
    content: bytes,
    *,
    leave_after: int | None = None,
    own_thread: bool = True,
    asked: asyncio.Queue[dict[str, Any]] | None = None,
) -> AsyncIterator[dict[str, Any]]:
    """What the server is told to send. After so many bodies, or once `asked` says so, its client is gone.

    What is sync is done on a thread of its own, as by a server, or on that of the test.
    """
    told: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
    asked = asked or asyncio.Queue()
    context = Context() if own_thread else None
    task = asyncio.create_task(application(scope, asked.get, told.put), context=context)
    task.add_done_callback(lambda _: told.put_nowait(None))
    asked.put_nowait({"type": "http.request", "body": content})
    bodies = 0
    while bodies != leave_after and (event := await asyncio.wait_for(told.get(), SECONDS)):
        yield event
        bodies += event["type"] == "http.response.body"
    asked.put_nowait({"type": "http.disconnect"})
    await asyncio.wait_for(task, SECONDS)


async def events(
    content: bytes, path: str = "/batch/", *, headers: Mapping[str, str] = {}, **options: Any
) -> AsyncIterator[dict[str, Any]]:
    """What the server is told to send for a `POST`, by `exchange` with these options."""
    sent = {"Host": "testserver", "Content-Type": "application/json", **headers}
    fields = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": path, "query_string": b""}
    async for event in exchange(get_asgi_application(), {**scope, "headers": fields}, content, **options):
        yield event


async def answer(content: bytes, path: str = "/batch/", **options: Any) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    received = [event async for event in events(content, path, **options)]
    headers = {name.decode().title(): value.decode() for name, value in received[0]["headers"]}
    return received[0]["status"], headers, b"".join(event.get("body", b"") for event in received[1:])
