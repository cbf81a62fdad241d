"""Answers sent piece by piece, while the batch runs.

The outer middlewares have gone by then: headers and cookies are sent, and the session is saved, before the first
sub-request. What they had set around the view, such as its language, is kept in a copy of the context.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Sequence
from contextlib import aclosing, closing
from contextvars import Context, copy_context

from django.http import StreamingHttpResponse

from django_batch.core.batch import Batch, Subresponse
from django_batch.dialects.base import Writer
from django_batch.execution.executors.loops import settled

# nginx would hold back what is small, and a compressor what it has not seen the end of.
_HEADERS = {"X-Accel-Buffering": "no", "Content-Encoding": "identity"}


class Pieces:
    """Writes answers as they come with `writer`, and those that come before their turn when it has come."""

    def __init__(self, writer: Writer, batch: Batch) -> None:
        self.begin, self.end = writer.begin, writer.end
        self._writer = writer
        self._order = [subrequest.id for subrequest in reversed(batch.subrequests)]
        self._early: dict[str, Subresponse] = {}

    def take(self, subresponses: Iterable[Subresponse]) -> bytes:
        """What can be written, now that there are `subresponses` too."""
        ready = self._in_turn(subresponses) if self._writer.in_order else subresponses
        return b"".join([self._writer.write(each) for each in ready])

    def _in_turn(self, subresponses: Iterable[Subresponse]) -> Iterator[Subresponse]:
        self._early.update((each.subrequest.id, each) for each in subresponses)
        while self._order and self._order[-1] in self._early:
            yield self._early.pop(self._order.pop())


def written(finished: Generator[Sequence[Subresponse], None, None], pieces: Pieces) -> Generator[bytes, None, None]:
    """What is to be sent of `finished`. None of it is empty, which some servers take for the end."""
    with closing(finished):
        if opening := pieces.begin():
            yield opening
        for subresponses in finished:
            if piece := pieces.take(subresponses):
                yield piece
        if ending := pieces.end():
            yield ending


async def awritten(
    finished: AsyncGenerator[Sequence[Subresponse], None], pieces: Pieces
) -> AsyncGenerator[bytes, None]:
    """As `written`."""
    async with aclosing(finished):
        if opening := pieces.begin():
            yield opening
        async for subresponses in finished:
            if piece := pieces.take(subresponses):
                yield piece
        if ending := pieces.end():
            yield ending


class Stream(Iterator[bytes]):
    """`pieces`, each made in the context in which this was made."""

    def __init__(self, pieces: Generator[bytes, None, None]) -> None:
        self._pieces = pieces
        self._context = copy_context()

    def __next__(self) -> bytes:
        return self._context.run(next, self._pieces)

    def close(self) -> None:
        """End what is in progress, and start nothing more."""
        self._context.run(self._pieces.close)


class AsyncStream(AsyncIterator[bytes]):
    """As `Stream`, under ASGI: each of `pieces` is made by a task of its own, in `context` or in that of its reader."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        self._pieces = pieces
        self.context: Context | None = None

    async def __anext__(self) -> bytes:
        return await asyncio.create_task(self._next(), context=self.context)

    async def aclose(self) -> None:
        """End what is in progress, and start nothing more."""
        await settled(asyncio.create_task(self._end(), context=self.context))

    async def _next(self) -> bytes:
        return await anext(self._pieces)

    async def _end(self) -> None:
        await self._pieces.aclose()


class StreamedAnswer(StreamingHttpResponse):
    """The answer that `writer` writes into `stream`."""

    def __init__(self, writer: Writer, stream: Stream | AsyncStream) -> None:
        headers = {**writer.headers, **_HEADERS}
        super().__init__(stream, status=writer.status, content_type=writer.content_type, headers=headers)


class AsyncStreamedAnswer(StreamedAnswer):
    """The same under ASGI. It ends with whoever reads it, or stops to."""

    def __init__(self, writer: Writer, pieces: AsyncGenerator[bytes, None]) -> None:
        self._stream = AsyncStream(pieces)
        super().__init__(writer, self._stream)

    def keep_context(self) -> None:
        """Let what follows be done in the context of the caller."""
        self._stream.context = copy_context()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in super().__aiter__():
                yield piece
        finally:  # on the loop: a response is closed on a thread, which what is in progress may be waiting for
            await self._stream.aclose()
