"""What an ASGI server does, without one: sends a request to the site, and takes what the site sends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application

SECONDS = 60  # until what should come is taken to be lost


async def events(
    content: bytes, path: str = "/batch/", *, headers: Mapping[str, str] = {}, leave_after: int | None = None
) -> AsyncIterator[dict[str, Any]]:
    """What the server is told to send for a `POST`. After so many bodies, its client is gone."""
    sent = {"Host": "testserver", "Content-Type": "application/json", **headers}
    fields = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": path, "query_string": b""}
    server = ApplicationCommunicator(get_asgi_application(), {**scope, "headers": fields})
    await server.send_input({"type": "http.request", "body": content})
    bodies = 0
    while bodies != leave_after:
        event = await server.receive_output(SECONDS)
        yield event
        if event["type"] == "http.response.body":
            bodies += 1
            if not event.get("more_body"):
                break
    else:
        await server.send_input({"type": "http.disconnect"})
    await server.wait(SECONDS)


async def answer(content: bytes, path: str = "/batch/", **options: Any) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    received = [event async for event in events(content, path, **options)]
    headers = {name.decode().title(): value.decode() for name, value in received[0]["headers"]}
    return received[0]["status"], headers, b"".join(event.get("body", b"") for event in received[1:])
