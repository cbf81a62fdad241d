"""`BatchTransport`: requests that several threads send at the same time go out in one batch.

No thread is started for it. The threads that wait do the work in turns: one of them takes a step, such as to send the
batch or to read a line of its answer, and whoever finds its own answer there leaves the rest to the others.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from threading import Condition, Lock

import httpx

from django_batch.client.gathering import Call, Part, is_gathered, parts
from django_batch.client.limits import ServerDescription, description, question
from django_batch.client.messages import read_answers, read_line


class BatchTransport(httpx.BaseTransport):
    """A transport for `httpx.Client` that sends, in one batch to `url`, what threads send within `wait` seconds.

    Only reads are gathered unless `writes` is true. With `stream`, an answer does not wait for slower ones. What the
    server puts off with a `Retry-After` of a minute at most is sent again, up to `retries` times. `transport` is what
    sends the batches and everything else.
    """

    def __init__(
        self,
        url: str | httpx.URL,
        *,
        transport: httpx.BaseTransport | None = None,
        wait: float = 0.005,
        writes: bool = False,
        stream: bool = False,
        retries: int = 2,
    ) -> None:
        self._url = httpx.URL(url)
        self._transport = transport or httpx.HTTPTransport()
        self._wait = wait
        self._writes = writes
        self._stream = stream
        self._retries = retries
        self._lock = Lock()
        self._open: _Round | None = None
        self._described: ServerDescription | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not is_gathered(request, self._url, writes=self._writes):
            return self._transport.handle_request(request)
        future: Future[httpx.Response] = Future()
        with self._lock:
            if self._open is None:
                self._open = _Round(self)
            gathered = self._open
            gathered.calls.append(Call(request, future))
        return gathered.wait_for(future)

    def close(self) -> None:
        self._transport.close()

    def steps(self, calls: list[Call]) -> Iterator[None]:
        """Do all that has to be done for `calls`, which grow until the first step is over."""
        time.sleep(self._wait)
        with self._lock:
            self._open = None
        if len(calls) == 1:
            self._alone(calls[0])
            return
        described = self._ask(calls[0]) if len(calls) > ServerDescription().limits.requests else self._known
        for part in parts(calls, described, url=self._url, stream=self._stream, retries=self._retries):
            yield from self._part(part)

    @property
    def _known(self) -> ServerDescription:
        return self._described or ServerDescription()

    def _ask(self, call: Call) -> ServerDescription:
        """What the server takes. It is asked once."""
        if self._described is None:
            with closing(self._transport.handle_request(question(self._url, call.request))) as response:
                response.read()
                self._described = description(response)
        return self._described

    def _alone(self, call: Call) -> None:
        try:
            call.answer(self._transport.handle_request(call.request))
        except Exception as error:
            call.fail(error)

    def _part(self, part: Part) -> Iterator[None]:
        first = next(iter(part.calls.values()))
        try:
            yield from self._post(part)
            described = self._ask(first) if part.is_too_large else self._known
        except Exception as error:
            part.fail(error)
            return
        yield
        for call in part.alone:
            self._alone(call)
            yield
        time.sleep(part.delay)
        for rest in part.rest(described):
            yield from self._part(rest)

    def _post(self, part: Part) -> Iterator[None]:
        with closing(self._transport.handle_request(part.request())) as response:
            if response.status_code != 207:
                response.read()
                part.refuse(response)
            elif part.streamed:
                for line in response.iter_lines():
                    if answer := read_line(line):
                        part.take(answer, response)
                    if part.calls:  # if there are none left, nobody would go on and close the response
                        yield
            else:
                for answer in read_answers(response.read()):
                    part.take(answer, response)
        part.end()


class _Round:
    """The calls that are gathered at one time, and the threads that wait for them."""

    def __init__(self, transport: BatchTransport) -> None:
        self.calls: list[Call] = []
        self._steps = transport.steps(self.calls)
        self._changed = Condition()
        self._is_busy = False

    def wait_for(self, future: Future[httpx.Response]) -> httpx.Response:
        """The response in `future`. Until it is there, this thread takes steps whenever no other does."""
        while self._may_step(future):
            try:
                next(self._steps)
            except BaseException as error:  # the steps are over: who has not been answered yet, never will be
                for call in self.calls:
                    call.fail(error)
            finally:
                with self._changed:
                    self._is_busy = False
                    self._changed.notify_all()
        return future.result()

    def _may_step(self, future: Future[httpx.Response]) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: future.done() or not self._is_busy)
            may = not future.done()
            self._is_busy = self._is_busy or may
            return may
