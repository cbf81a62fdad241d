"""From Django's responses to subresponses: the body read to its end, and all that the response holds given back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from functools import lru_cache
from io import BytesIO
from typing import cast

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

# `Set-Cookie` is set on the response of the batch: a script could read in an item what HttpOnly hides from it. The
# others speak of one connection (RFC 9110 §7.6.1), which an item has not.
_NOT_IN_ITEMS = frozenset(
    ("set-cookie", "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)
_BODILESS = (204, 304)  # RFC 9110 §6.4.1
_MAX_MADE = 64  # kept per batch
_READ_BY_NAME = {"content-type": "Content-Type", "content-encoding": "Content-Encoding"}  # by the dialects


class Headers:
    """The headers of the items of one batch. Most are alike, and made once: for six, a fifth of what they took."""

    def __init__(self) -> None:
        self._made: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}

    def of(self, response: HttpResponseBase) -> Mapping[str, str]:
        """By name: `Content-Type`, however the view has written it."""
        written = tuple(response.headers._store.values())  # `items()` would look each of them up again
        made = self._made.get(written)
        if made is None:
            if len(self._made) >= _MAX_MADE:
                self._made.clear()
            made = self._made[written] = _in_item(written)
        return made


def _in_item(written: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {shown: value for name, value in written if (shown := _shown(name))}


@lru_cache(maxsize=256)
def _shown(name: str) -> str:
    """The spelling of `name` in an item, or nothing if it is not there."""
    lowered = name.lower()
    if lowered in _NOT_IN_ITEMS:
        return ""
    return _READ_BY_NAME.get(lowered, name if name != lowered else name.title())


def body_of(request: HttpRequest, response: HttpResponseBase, limit: int) -> bytes | None:
    """The body as a client gets it, or None if it has more than `limit` bytes. Raises whatever a stream raises."""
    # What streams is read for nobody too, as by a server, but not without an end.
    body: bytes | None = _read(response, limit) if response.streaming else response.content  # type: ignore[attr-defined]
    if request.method == "HEAD" or response.status_code in _BODILESS:
        return b""
    return body if body is None or len(body) <= limit else None


def _read(response: HttpResponseBase, limit: int) -> bytes | None:
    content = _Content(limit)
    content.read_stream(cast("StreamingHttpResponse", response))
    return content.getvalue() if content.is_whole else None


class _Content(BytesIO):
    """What a stream gives, up to `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self.is_whole = True

    def read_stream(self, response: StreamingHttpResponse) -> None:
        if response.is_async:
            async_to_sync(self._read_async)(cast("AsyncIterable[bytes]", response.streaming_content))
        else:
            for chunk in cast("Iterable[bytes]", response.streaming_content):
                if not self._take(chunk):
                    break

    async def _read_async(self, chunks: AsyncIterable[bytes]) -> None:
        async for chunk in chunks:
            if not self._take(chunk):
                break

    def _take(self, chunk: bytes) -> bool:
        """Whether there is room for `chunk`."""
        self.is_whole = self.tell() + len(chunk) <= self._limit
        if self.is_whole:
            self.write(chunk)
        return self.is_whole


async def aread(response: HttpResponseBase, *, limit: int) -> None:
    """Read what an async view streams, on its loop. `response` then streams the same, as far as it was read."""
    stream = cast("StreamingHttpResponse", response)
    if not stream.is_async:
        return
    chunks: list[bytes] = []
    error: list[Exception] = []
    try:
        async with aclosing(cast("AsyncGenerator[bytes]", aiter(stream))) as content:
            async for chunk in content:
                chunks.append(chunk)
                limit -= len(chunk)
                if limit < 0:
                    break
    except Exception as exception:
        error.append(exception)
    stream.streaming_content = _played_back(chunks, error)


def _played_back(chunks: Iterable[bytes], error: Iterable[Exception]) -> Iterator[bytes]:
    yield from chunks
    for each in error:
        raise each


def close(response: HttpResponseBase) -> None:
    """Give back all that `response` holds, as its own `close()` does.

    That one then sends `request_finished`, which closes the database connections: inside a transaction, what was
    written would vanish.
    """
    closers: list[Callable[[], object]] = response._resource_closers  # type: ignore[attr-defined]
    for closer in closers:
        try:  # noqa: SIM105  # as in HttpResponseBase.close(); a context would take half a percent of a plain view
            closer()
        except Exception:  # noqa: S110
            pass
    closers.clear()
    response.closed = True
