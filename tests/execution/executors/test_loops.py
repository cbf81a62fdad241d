"""Between the loop and the thread of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, suppress
from threading import Event, get_ident

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync

from django_batch.execution.executors.loops import _AHEAD, _TOGETHER, on_thread, settled

SECONDS = 60


class Items:
    """As many items as are asked for, and what became of them."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.made = 0
        self.threads: set[int] = set()
        self.started, self.go_on = Event(), Event()
        self.go_on.set()

    def iterate(self) -> Iterator[int]:
        try:
            while self.made < self.left:
                self.threads.add(get_ident())
                self.started.set()
                assert self.go_on.wait(SECONDS)
                self.made += 1
                yield self.made
        finally:
            self.threads.add(get_ident())
            self.left = 0


at_once_or_together = pytest.mark.parametrize(("at_once", "ahead"), [(True, _AHEAD), (False, _TOGETHER)])


@at_once_or_together
@pytest.mark.parametrize("rounds", [0, 1, 10])
@pytest.mark.parametrize("more", [0, 1])
def test_items_are_made_in_order_on_one_other_thread(rounds, more, at_once, ahead):
    number = rounds * ahead + more
    items = Items(number)

    @async_to_sync
    async def read() -> list[int]:
        async with ThreadSensitiveContext():
            return [item async for item in on_thread(items.iterate(), at_once=at_once)]

    assert read() == [*range(1, number + 1)]
    assert len(items.threads) == 1


@at_once_or_together
def test_items_that_nobody_takes_are_not_made_without_end(at_once, ahead):
    items = Items(1000)

    @async_to_sync
    async def read() -> None:
        made = on_thread(items.iterate(), at_once=at_once)
        async with ThreadSensitiveContext(), aclosing(made) as passage:
            assert [await anext(passage) for _ in range(10)] == [*range(1, 11)]

    read()
    assert 10 <= items.made <= 10 + ahead
    assert items.left == 0


@at_once_or_together
def test_error_of_an_item_is_raised_where_it_is_taken(at_once, ahead):
    def items() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    taken = []

    @async_to_sync
    async def read() -> None:
        async for item in on_thread(items(), at_once=at_once):
            taken.append(item)

    with pytest.raises(ZeroDivisionError):
        read()
    assert taken == [1]


@at_once_or_together
@pytest.mark.parametrize("times", [1, 3])
def test_reader_that_is_cancelled_waits_for_the_item_in_progress(times, at_once, ahead):
    items = Items(100)
    items.go_on.clear()

    async def take() -> None:
        async with aclosing(on_thread(items.iterate(), at_once=at_once)) as passage:
            await anext(passage)

    @async_to_sync
    async def read() -> None:
        async with ThreadSensitiveContext():
            task = asyncio.create_task(take())
            assert await asyncio.to_thread(items.started.wait, SECONDS)
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            assert not task.done()
            items.go_on.set()
            with suppress(asyncio.CancelledError):
                await task
            assert task.cancelled()

    read()
    assert (items.made, items.left) == (1, 0)


def test_what_has_ended_is_settled():
    async def end() -> int:
        return await settled(asyncio.sleep(0, 7))

    assert async_to_sync(end)() == 7


@pytest.mark.parametrize("times", [1, 3])
def test_cancellation_is_raised_once_the_work_has_ended(times):
    ended = []

    async def end(go_on: asyncio.Event) -> None:
        await go_on.wait()
        ended.append("work")

    async def cancel() -> None:
        go_on = asyncio.Event()
        task = asyncio.create_task(settled(end(go_on)))
        await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        await asyncio.wait([task])
        assert task.cancelled()

    async_to_sync(cancel)()
    assert ended == ["work"]
