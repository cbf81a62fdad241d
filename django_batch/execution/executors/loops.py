"""Between the loop of an ASGI server and the thread of a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterable
from typing import Generic, Protocol, TypeVar

from asgiref.sync import sync_to_async

from django_batch.execution.internals import with_room

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# Items that are made before anybody takes them: those that come at once, and those that come together.
_AHEAD, _TOGETHER = 16, 64


class Closable(Protocol[T_co]):
    """An iterator that can be ended early, as a generator can."""

    def __next__(self) -> T_co: ...

    def close(self) -> None: ...


async def on_thread(items: Closable[T], *, at_once: bool) -> AsyncGenerator[T, None]:
    """`items`, made on the thread of the request. The thread is entered once for as many items as are taken in time.

    With `at_once` each item is handed over as soon as it is made. Without it, several may be handed over together,
    which saves switches between the threads. If this generator is closed or cancelled, the item in progress is
    finished, and `items` is closed.
    """
    passage = _Passage(items, at_once=at_once)
    more = asyncio.create_task(passage.fill())
    try:
        while True:
            while item := await passage.take():
                yield item[0]
            if not await more:
                break
            more = asyncio.create_task(passage.fill())
    finally:
        passage.close()
        await settled(passage.end(more))


class _Passage(Generic[T]):
    """Takes items from the thread to the loop."""

    def __init__(self, items: Closable[T], *, at_once: bool) -> None:
        self._items = items
        self._at_once = at_once
        self._ahead = _AHEAD if at_once else _TOGETHER
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[tuple[T] | None] = asyncio.Queue()
        self._made = self._taken = 0  # counted on the thread, and on the loop
        self._closing = False

    async def take(self) -> tuple[T] | None:
        """The next item. None: there is a pause, until the thread is entered again."""
        item = await self._queue.get()
        self._taken += item is not None
        return item

    async def fill(self) -> bool:
        """Make items until too many wait. Whether there may be more of them."""
        try:
            return await sync_to_async(self._fill)()
        finally:
            self._queue.put_nowait(None)

    @with_room
    def _fill(self) -> bool:
        kept: list[T] = []
        try:
            while not self._closing and self._made < self._taken + self._ahead:
                try:
                    kept.append(next(self._items))
                except StopIteration:
                    return False
                self._made += 1
                if self._at_once:
                    self._loop.call_soon_threadsafe(self._put, kept)
                    kept = []
            return True
        finally:
            if kept:
                self._loop.call_soon_threadsafe(self._put, kept)

    def _put(self, items: Iterable[T]) -> None:
        for item in items:
            self._queue.put_nowait((item,))

    def close(self) -> None:
        """Let no more items be begun."""
        self._closing = True

    async def end(self, more: asyncio.Task[bool]) -> None:
        """Wait for the item in progress."""
        if await more:
            await sync_to_async(self._items.close)()


async def settled(work: Awaitable[T]) -> T:
    """Await `work` to its end, even if the caller is cancelled meanwhile; the cancellation is raised afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    result = task.result()
    if cancelled:
        raise cancelled
    return result


async def ended(task: asyncio.Task[T]) -> T:
    """Await `task`. If the caller is cancelled, so is the task, and the caller waits for its end."""
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await settled(asyncio.wait([task]))
        raise
    return task.result()
