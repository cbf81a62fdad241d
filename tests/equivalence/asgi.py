"""The site behind an ASGI server, for a client that speaks as to a WSGI server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler

from .client import Call, Environ

SECONDS = 60  # until what should come is taken to be lost


def over_asgi(site: ASGIHandler) -> Callable[[Environ, Callable[..., object]], list[bytes]]:
    """`site` as a WSGI application."""

    def application(environ: Environ, start_response: Callable[..., object]) -> list[bytes]:
        start, *bodies = async_to_sync(_events)(site, _scope(environ), environ["wsgi.input"].read())  # type: ignore[attr-defined]
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        start_response(f"{start['status']} ", headers)
        return [event.get("body", b"") for event in bodies]

    return application


async def _events(site: ASGIHandler, scope: dict[str, Any], content: bytes) -> list[dict[str, Any]]:
    server = ApplicationCommunicator(site, scope)
    await server.send_input({"type": "http.request", "body": content})
    events = [await server.receive_output(SECONDS)]
    while events[-1].get("more_body", "status" in events[-1]):
        events.append(await server.receive_output(SECONDS))
    await server.wait(SECONDS)
    return events


def _scope(environ: Environ) -> dict[str, Any]:
    said = {key: str(value) for key, value in environ.items()}
    prefix = said["SCRIPT_NAME"] or settings.FORCE_SCRIPT_NAME or ""
    return {
        "type": "http",
        "http_version": "1.1",
        "method": said["REQUEST_METHOD"],
        "scheme": said["wsgi.url_scheme"],
        "path": prefix + said["PATH_INFO"].encode("latin-1").decode(errors="replace"),
        "root_path": prefix,
        "query_string": said["QUERY_STRING"].encode("latin-1"),
        "headers": [*_headers(said)],
        "client": (said["REMOTE_ADDR"], int(said["REMOTE_PORT"])),
        "server": (said["SERVER_NAME"], int(said["SERVER_PORT"])),
    }


def _headers(said: dict[str, str]) -> Iterator[tuple[bytes, bytes]]:
    for key, value in said.items():
        name = key.removeprefix("HTTP_").lower().replace("_", "-")
        if key.startswith("HTTP_") or name in ("content-type", "content-length"):
            yield name.encode(), value.encode("latin-1")


def is_read_alike(call: Call) -> bool:
    """Whether Django reads `call` under ASGI as under WSGI: where it does not, a batch does as under WSGI.

    Queries that are not encoded, or in the charset of a body, it does not, nor what is said in META.
    """
    is_text = "%ff" not in call.path and call.path.partition("?")[2].isascii()
    return is_text and "utf-16" not in call.headers.get("Content-Type", "") and not call.path.startswith("/odd/sent/")
