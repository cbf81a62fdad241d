"""Answers that are sent piece by piece while the batch runs.

The response leaves the outer middleware before the first sub-request is run. So headers and cookies are sent, and the
session is saved, before there is any answer: a streamed batch cannot set cookies. Values that the middleware had set
around the view, such as the active language, are kept in a copy of the context.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Sequence
from contextlib import aclosing, closing
from contextvars import Context, copy_context

from django.http import StreamingHttpResponse

from django_batch.core.batch import Batch, Subresponse
from django_batch.dialects.base import Writer
from django_batch.dialects.base import written as safely_written
from django_batch.execution.executors.loops import settled
from django_batch.execution.internals import with_room

# Without these headers nginx would hold back small pieces, and a compressing middleware would wait for more input.
_HEADERS = {"X-Accel-Buffering": "no", "Content-Encoding": "identity"}


class Pieces:
    """Writes answers with `writer` as they arrive. A writer that needs them in order gets early answers later."""

    def __init__(self, writer: Writer, batch: Batch) -> None:
        self.begin, self.end = writer.begin, writer.end
        self._writer = writer
        self._order = [subrequest.id for subrequest in reversed(batch.subrequests)]
        self._early: dict[str, Subresponse] = {}

    def take(self, subresponses: Iterable[Subresponse]) -> bytes:
        """The bytes that can be sent now that `subresponses` have arrived."""
        ready = self._in_turn(subresponses) if self._writer.in_order else subresponses
        return b"".join([safely_written(self._writer.write, each) for each in ready])

    def _in_turn(self, subresponses: Iterable[Subresponse]) -> Iterator[Subresponse]:
        self._early.update((each.subrequest.id, each) for each in subresponses)
        while self._order and self._order[-1] in self._early:
            yield self._early.pop(self._order.pop())


def written(finished: Generator[Sequence[Subresponse], None, None], pieces: Pieces) -> Generator[bytes, None, None]:
    """The pieces of the answer to `finished`. None is empty, because some servers take an empty piece for the end."""
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
    """`written` for asynchronous batches."""
    async with aclosing(finished):
        if opening := pieces.begin():
            yield opening
        async for subresponses in finished:
            if piece := pieces.take(subresponses):
                yield piece
        if ending := pieces.end():
            yield ending


class Stream(Iterator[bytes]):
    """An iterator that makes each of `pieces` in the context in which the stream was created."""

    def __init__(self, pieces: Generator[bytes, None, None]) -> None:
        self._pieces = pieces
        self._context = copy_context()

    @with_room
    def __next__(self) -> bytes:
        return self._context.run(next, self._pieces)

    def close(self) -> None:
        """End the sub-requests in progress, and start no more."""
        self._context.run(self._pieces.close)


class AsyncStream(AsyncIterator[bytes]):
    """`Stream` under ASGI. Each of `pieces` is made by its own task, in `context` or else in the reader's context."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        self._pieces = pieces
        self.context: Context | None = None

    async def __anext__(self) -> bytes:
        return await asyncio.create_task(self._next(), context=self.context)

    async def aclose(self) -> None:
        """End the sub-requests in progress, and start no more."""
        await settled(asyncio.create_task(self._end(), context=self.context))

    async def _next(self) -> bytes:
        return await anext(self._pieces)

    async def _end(self) -> None:
        await self._pieces.aclose()


class StreamedAnswer(StreamingHttpResponse):
    """The response whose body is `stream`, with the status and headers of `writer`."""

    def __init__(self, writer: Writer, stream: Stream | AsyncStream) -> None:
        headers = {**writer.headers, **_HEADERS}
        super().__init__(stream, status=writer.status, content_type=writer.content_type, headers=headers)


class AsyncStreamedAnswer(StreamedAnswer):
    """`StreamedAnswer` under ASGI. When its reader finishes or goes away, the batch ends too."""

    def __init__(self, writer: Writer, pieces: AsyncGenerator[bytes, None]) -> None:
        self._stream = AsyncStream(pieces)
        super().__init__(writer, self._stream)

    def keep_context(self) -> None:
        """Make all further pieces in the context of the caller."""
        self._stream.context = copy_context()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in super().__aiter__():
                yield piece
        finally:
            # Close the stream here, on the loop: Django closes a response on a thread that a sub-request in progress
            # may be waiting for.
            await self._stream.aclose()
