"""Which requests share a batch, and what becomes of each: the rules of both transports, which only send and wait.

A `Call` is a request whose sender waits for its answer. A `Part` holds the calls of one `POST`. Once that is answered,
it knows which calls are answered, and which have to be sent again, in smaller parts, or alone.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from itertools import count
from typing import Protocol

import httpx

from django_batch.client.limits import ServerDescription, ServerLimits
from django_batch.client.messages import (
    SAFE_METHODS,
    ItemAnswer,
    code_of,
    envelope,
    item,
    response_of,
    retry_after,
    sender_of,
)

logger = logging.getLogger(__name__)

LONGEST_WAIT = 60.0  # seconds. A program that would have to wait longer gets the answer that says so.
# The server has run nothing, and says that it is because of the batch.
_BATCH_IS_REFUSED = frozenset({301, 302, 307, 308, 400, 404, 405, 413, 415})
_ITEM_IS_REFUSED = frozenset({"batch_exempt", "header_not_allowed", "method_not_allowed", "nested_batch"})

_numbers = count(1)


class Waiting(Protocol):
    """What the futures of threads and of asyncio have in common."""

    def done(self) -> bool: ...
    def set_result(self, result: httpx.Response, /) -> None: ...
    def set_exception(self, exception: BaseException, /) -> None: ...


class Call:
    """A request whose sender waits in `future`. Its `id` stays the same however often it is sent."""

    def __init__(self, request: httpx.Request, future: Waiting) -> None:
        self.request = request
        self.future = future
        self.id = str(next(_numbers))

    def answer(self, response: httpx.Response) -> None:
        if not self.future.done():  # its sender may have stopped waiting
            self.future.set_result(response)

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


def is_gathered(request: httpx.Request, url: httpx.URL, *, writes: bool) -> bool:
    """Whether `request` may share a batch at `url`."""
    if not (writes or request.method in SAFE_METHODS) or not request.extensions.get("batch", True):
        return False
    if _origin(request.url) != _origin(url) or request.url.path == url.path:
        return False
    try:
        return request.content is not None
    except httpx.RequestNotRead:  # a file, or a stream
        return False


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


class Part:
    """The calls of one `POST`. `retries` says how often those that the server puts off are sent again."""

    def __init__(
        self, calls: Sequence[Call], described: ServerDescription, *, url: httpx.URL, stream: bool, retries: int
    ):
        self.calls = {call.id: call for call in calls}
        self.alone: list[Call] = []
        self.delay = 0.0
        self.is_too_large = False
        self.safe = all(call.request.method in SAFE_METHODS for call in calls)
        # No cookie can follow the headers of a stream, so what may log somebody in is not streamed.
        self.streamed = stream and self.safe
        self._described = described
        self._url = url
        self._retries = retries
        self._again: list[Call] = []

    def request(self) -> httpx.Request:
        """The `POST`. What only reads may run side by side, as it would if it was sent at the same time."""
        settable = self._described.settable
        items = b",".join(item(call.id, call.request, settable) for call in self.calls.values())
        content = b'{%b"requests":[%b]}' % (b'"parallel":true,' if self.safe else b"", items)
        like = next(iter(self.calls.values())).request
        sender = sender_of(like.headers, settable)
        return envelope(self._url, content, sender, like=like, streamed=self.streamed)

    def take(self, answer: ItemAnswer, batch: httpx.Response) -> None:
        """Hand an answer to the call that waits for it, or find out how that has to be sent instead."""
        call = self.calls.pop(answer.id, None)
        if call is None:
            return
        wait = retry_after(answer.status, answer.headers)
        if code_of(answer) in _ITEM_IS_REFUSED:
            self.alone.append(call)
        elif wait is not None and self._retries and wait <= LONGEST_WAIT:
            self._again.append(call)
            self.delay = max(self.delay, wait)
        else:
            cookies = [("set-cookie", value) for value in batch.headers.get_list("set-cookie")]
            call.answer(response_of(answer, call.request, cookies))

    def refuse(self, response: httpx.Response) -> None:
        """Decide what becomes of the calls of a batch that was not answered by 207. `response` has been read."""
        calls, self.calls = [*self.calls.values()], {}
        wait = retry_after(response.status_code, response.headers)
        if response.status_code == 413 and len(calls) > 1:
            self._again, self.is_too_large = calls, True
        elif response.status_code in _BATCH_IS_REFUSED:
            logger.warning("%s refused a batch: %s %s", self._url, response.status_code, response.text[:500])
            self.alone = calls
        elif wait is not None and self._retries and wait <= LONGEST_WAIT:
            self._again, self.delay = calls, wait
        else:  # 401, 403 and 500 are no less true of each call
            for call in calls:
                call.answer(_copy(response, call.request))

    def end(self) -> None:
        """Fail the calls that the server has not answered."""
        for call in self.calls.values():
            call.fail(httpx.RemoteProtocolError("The answer to the batch was cut off."))

    def fail(self, error: BaseException) -> None:
        for call in [*self.calls.values(), *self.alone, *self._again]:
            call.fail(error)

    def rest(self, described: ServerDescription) -> Iterator[Part]:
        """The parts in which to send what has to be sent again."""
        again = [call for call in self._again if not call.future.done()]
        if not again:
            return
        largest = described.limits.requests
        if self.is_too_large and len(again) <= largest:
            largest = (len(again) + 1) // 2
        retries = self._retries if self.is_too_large else self._retries - 1
        for calls in _slices(again, ServerLimits(largest, described.limits.size), described.settable):
            yield Part(calls, described, url=self._url, stream=self.streamed, retries=retries)


def _copy(response: httpx.Response, request: httpx.Request) -> httpx.Response:
    headers = [(name, value) for name, value in response.headers.multi_items() if name != "content-encoding"]
    stream = httpx.ByteStream(response.content)
    return httpx.Response(response.status_code, headers=headers, stream=stream, request=request)


def parts(
    calls: Sequence[Call], described: ServerDescription, *, url: httpx.URL, stream: bool, retries: int
) -> Iterator[Part]:
    """`calls`, divided by who sends them and by what the server takes at once."""
    senders: dict[tuple[tuple[str, str], ...], list[Call]] = {}
    for call in calls:
        senders.setdefault(sender_of(call.request.headers, described.settable), []).append(call)
    for same in senders.values():
        for some in _slices(same, described.limits, described.settable):
            yield Part(some, described, url=url, stream=stream, retries=retries)


def _slices(calls: Sequence[Call], limits: ServerLimits, settable: Collection[str]) -> Iterator[list[Call]]:
    some: list[Call] = []
    size = room = limits.size - 100  # for what stands around the items
    for call in calls:
        size -= (own := len(item(call.id, call.request, settable)) + 1)
        if some and (size < 0 or len(some) == limits.requests):
            yield some
            some, size = [], room - own
        some.append(call)
    yield some
