"""From Django's responses to subresponses: the body read to its end, and all that the response holds given back."""

from __future__ import annotations

from asyncio import timeout
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from functools import lru_cache
from http.client import responses
from typing import cast

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.response import SimpleTemplateResponse
from msgspec import Struct

from django_batch.errors import TimedOut
from django_batch.execution.executors.deadline import Deadline
from django_batch.execution.internals import closers_of, written_headers

# `Set-Cookie` is set on the response of the batch: a script could read in an item what HttpOnly hides from it. The
# others speak of one connection (RFC 9110 §7.6.1), and an item has none.
_NOT_IN_ITEMS = frozenset(
    ("set-cookie", "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)
_BODILESS = (204, 304)  # RFC 9110 §6.4.1
_DJANGO_ITERATES = (HttpResponse.__iter__, SimpleTemplateResponse.__iter__)  # these read nothing but memory
_MAX_MADE = 64  # kept per batch
_LONGEST_KEPT = 100  # characters of a name that is kept for the process
_READ_BY_NAME = {"content-type": "Content-Type", "content-encoding": "Content-Encoding"}  # by the dialects


class Bounds(Struct, frozen=True):
    """How long the answers of a batch are read: `size` bytes, and a stream no longer than `seconds`.

    A stream also ends with the `deadline` of the batch, and when its sender is `gone`.
    """

    size: int
    seconds: float
    deadline: Deadline
    gone: Callable[[], bool]

    def check(self, stream: Deadline) -> None:
        """Raise `TimedOut` if a stream, which may be read until `stream`, is not to be read any further."""
        if stream.over():
            raise TimedOut(f"The stream did not end within {self.seconds} seconds. Send the request alone.")
        if self.deadline.over():
            raise TimedOut("The stream did not end before the time of the batch was over. Send the request alone.")
        if self.gone():
            raise TimedOut("The sender of the batch has closed the connection.")


class Headers:
    """The headers of the items of one batch. Most are alike, and made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[tuple[str, str], ...], tuple[dict[str, str], str]] = {}

    def of(self, response: HttpResponseBase) -> tuple[Mapping[str, str], str]:
        """By name: `Content-Type`, however the view has written it. And a `Set-Cookie` that a view has written."""
        written = written_headers(response)
        if written is None:  # the site has put a mapping of its own in their place
            written = tuple((str(name), str(value)) for name, value in response.headers.items())
        made = self._made.get(written)
        if made is None:
            if len(self._made) >= _MAX_MADE:
                self._made.clear()
            by_hand = "".join(value for name, value in written if name.lower() == "set-cookie")
            made = self._made[written] = _in_item(written), by_hand
        return made


def _in_item(written: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {shown: value for name, value in written if (shown := _shown_as(name))}


def _shown_as(name: str) -> str:
    """The spelling of `name` in an item, or nothing if it is not there."""
    return _kept_spelling(name) if len(name) <= _LONGEST_KEPT else _spelling(name)


def _spelling(name: str) -> str:
    lowered = name.lower()
    if lowered in _NOT_IN_ITEMS:
        return ""
    return _READ_BY_NAME.get(lowered, name if name != lowered else name.title())


_kept_spelling = lru_cache(maxsize=256)(_spelling)


def reason_of(response: HttpResponseBase) -> str:
    """The phrase that a view has put beside the status, or nothing if it is the usual one."""
    reason = response.reason_phrase
    return "" if reason == responses.get(response.status_code, "Unknown Status Code") else str(reason)


def body_of(request: HttpRequest, response: HttpResponseBase, bounds: Bounds, *, limit: int) -> bytes | None:
    """The body as a client gets it, or None if it has more than `limit` bytes. Raises whatever a stream raises."""
    if response.streaming or type(response).__iter__ not in _DJANGO_ITERATES:
        # A stream is read even when its body is dropped, as a server does, but never far past `limit`.
        body = b"".join(_read(response, bounds, limit))
    else:
        body = cast("HttpResponse", response).content
    if request.method == "HEAD" or response.status_code in _BODILESS:
        return b""
    return body if len(body) <= limit else None


def _read(response: HttpResponseBase, bounds: Bounds, limit: int) -> list[bytes]:
    """The pieces that a server would send of `response`, up to the one that is past `limit`."""
    if getattr(response, "is_async", False):
        return async_to_sync(_aread)(cast("StreamingHttpResponse", response), bounds, limit)
    end, pieces = Deadline(bounds.seconds), []
    for piece in cast("Iterable[bytes]", response):
        pieces.append(bytes(piece))
        limit -= len(piece)
        if limit < 0:
            break
        bounds.check(end)
    return pieces


async def _aread(response: StreamingHttpResponse, bounds: Bounds, limit: int) -> list[bytes]:
    end, pieces = Deadline(bounds.seconds), []
    async with aclosing(cast("AsyncGenerator[bytes]", aiter(response))) as content:
        async for piece in content:
            pieces.append(bytes(piece))
            limit -= len(piece)
            if limit < 0:
                break
            bounds.check(end)
    return pieces


async def aread(response: HttpResponseBase, bounds: Bounds, *, limit: int) -> None:
    """Read what an async view streams, on its loop. `response` then streams the same, as far as it was read."""
    stream = cast("StreamingHttpResponse", response)
    if not stream.is_async:
        return
    pieces: list[bytes] = []
    try:
        async with timeout(bounds.seconds):
            pieces = await _aread(stream, bounds, limit)
    except TimeoutError:
        bounds.check(Deadline(0))
    stream.streaming_content = iter(pieces)


def close(response: HttpResponseBase) -> None:
    """Close `response` as a server does, whatever that raises.

    Django's own `close()` also sends `request_finished`, which closes the database connections: inside a transaction,
    what was written would vanish. So only its closers are run; a `close()` of the site's own is called without the
    signal.
    """
    if type(response).close is HttpResponseBase.close:
        _run_closers(response)
        return
    with suppress(Exception):
        response.__class__ = type(type(response).__name__, (type(response), _ClosedInBatch), {})
        response.close()


def _run_closers(response: HttpResponseBase) -> None:
    closers = closers_of(response)
    for closer in closers:
        try:  # noqa: SIM105  # as in HttpResponseBase.close(), for each request alone
            closer()
        except Exception:  # noqa: S110
            pass
    closers.clear()
    response.closed = True


class _ClosedInBatch(HttpResponseBase):
    """Stands behind a site's class, where its `super().close()` leads."""

    def close(self) -> None:
        _run_closers(self)
