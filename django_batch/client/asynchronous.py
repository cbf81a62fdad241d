"""`AsyncBatchTransport`: requests that are sent in one tick of the loop go out in one batch.

The batch is sent by a task of its own, because any of those who wait for it may be cancelled while the others wait on.
The task is cancelled when nobody waits any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import httpx

from django_batch.client.gathering import Call, Part, is_gathered, parts
from django_batch.client.limits import ServerDescription, description, question
from django_batch.client.messages import read_answers, read_line


class AsyncBatchTransport(httpx.AsyncBaseTransport):
    """`BatchTransport` for `httpx.AsyncClient` on asyncio.

    It gathers what is sent in the same tick of the loop, or within `wait` seconds.
    """

    def __init__(
        self,
        url: str | httpx.URL,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        wait: float = 0.0,
        writes: bool = False,
        stream: bool = False,
        retries: int = 2,
    ) -> None:
        self._url = httpx.URL(url)
        self._transport = transport or httpx.AsyncHTTPTransport()
        self._wait = wait
        self._writes = writes
        self._stream = stream
        self._retries = retries
        self._open: _Round | None = None
        self._described: ServerDescription | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not is_gathered(request, self._url, writes=self._writes):
            return await self._transport.handle_async_request(request)
        future: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
        gathered = self._open = self._open or _Round(self.answer)
        gathered.calls.append(Call(request, future))
        try:
            return await future
        finally:
            if future.cancelled() and all(call.future.done() for call in gathered.calls):
                gathered.task.cancel()
                self._close(gathered)

    async def aclose(self) -> None:
        await self._transport.aclose()

    def _close(self, gathered: _Round) -> None:
        """Gather nothing more in it."""
        if self._open is gathered:
            self._open = None

    async def answer(self, gathered: _Round) -> None:
        """Do all that has to be done for the calls in `gathered`, which are complete after `wait` seconds."""
        await asyncio.sleep(self._wait)
        self._close(gathered)
        calls = [call for call in gathered.calls if not call.future.done()]
        if len(calls) == 1:
            await self._alone(calls[0])
            return
        described = await self._ask(calls[0]) if len(calls) > ServerDescription().limits.requests else self._known
        for part in parts(calls, described, url=self._url, stream=self._stream, retries=self._retries):
            await self._part(part)

    @property
    def _known(self) -> ServerDescription:
        return self._described or ServerDescription()

    async def _ask(self, call: Call) -> ServerDescription:
        """What the server takes. It is asked once."""
        if self._described is None:
            async with aclosing(
                await self._transport.handle_async_request(question(self._url, call.request))
            ) as response:
                await response.aread()
                self._described = description(response)
        return self._described

    async def _alone(self, call: Call) -> None:
        try:
            call.answer(await self._transport.handle_async_request(call.request))
        except Exception as error:
            call.fail(error)

    async def _part(self, part: Part) -> None:
        first = next(iter(part.calls.values()))
        try:
            await self._post(part)
            described = await self._ask(first) if part.is_too_large else self._known
        except Exception as error:
            part.fail(error)
            return
        for call in part.alone:
            await self._alone(call)
        await asyncio.sleep(part.delay)
        for rest in part.rest(described):
            await self._part(rest)

    async def _post(self, part: Part) -> None:
        async with aclosing(await self._transport.handle_async_request(part.request())) as response:
            if response.status_code != 207:
                await response.aread()
                part.refuse(response)
            elif part.streamed:
                async for line in response.aiter_lines():
                    if answer := read_line(line):
                        part.take(answer, response)
            else:
                for answer in read_answers(await response.aread()):
                    part.take(answer, response)
        part.end()


class _Round:
    """The calls that are gathered at one time, and the task that answers them."""

    def __init__(self, answer: Callable[[_Round], Awaitable[None]]) -> None:
        self.calls: list[Call] = []
        self.task = asyncio.create_task(self._run(answer))

    async def _run(self, answer: Callable[[_Round], Awaitable[None]]) -> None:
        try:
            await answer(self)
        except Exception as error:
            for call in self.calls:
                call.fail(error)
