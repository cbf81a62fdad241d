"""What the sub-requests of a batch share, as the requests of one client do: its cookies, and through them its session.

A group talks in a branch of the conversation. If it is rolled back, all that was said in the branch is forgotten.
"""

from __future__ import annotations

from asyncio import CancelledError, Task, current_task
from collections.abc import Collection
from contextvars import Context, ContextVar, copy_context
from copy import copy
from dataclasses import dataclass
from http.cookies import Morsel
from threading import RLock
from time import perf_counter
from typing import cast

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import caches
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponseBase
from msgspec.structs import replace

from django_batch.core.answering import Effect
from django_batch.core.batch import Subrequest, Subresponse
from django_batch.core.paths import local_path
from django_batch.errors import BatchError, BodyTooLarge, Malformed
from django_batch.execution.chain.handler import aget_response, answers_for, is_async
from django_batch.execution.client.cookies import Cookies, cookies_of
from django_batch.execution.client.csrf import CSRFToken, renew_secret, save_secret
from django_batch.execution.client.responses import Headers, aread, body_of, close
from django_batch.execution.client.sessions import forget_cached, renew_session, save_session
from django_batch.execution.requests.factory import Pairs, SubrequestFactory, absolute_url
from django_batch.sharing.lookups import Lookups

_TOO_LARGE = "This body and those before it are past MAX_RESPONSE_SIZE. Send the request alone."

_caches: ContextVar[object] = ContextVar("caches", default=None)  # where those are that were made in this context


def _make_caches() -> None:
    """One that is first used in a copy of the context would be made anew in each. Once per context: 1 % of a view."""
    if _caches.get() is not caches._connections:  # type: ignore[attr-defined]
        caches.all()
        _caches.set(caches._connections)  # type: ignore[attr-defined]


@dataclass
class _Room:
    """How many bytes the bodies of one batch may still have, on all of its branches."""

    left: int


class Client:
    """Sends the sub-requests of `parent`. `max_response_size` are the bytes of all their bodies together."""

    def __init__(
        self,
        parent: HttpRequest,
        *,
        allowed_headers: Collection[str],
        methods: Collection[str],
        max_response_size: int,
        lenient: bool = False,
    ) -> None:
        self._parent = parent
        self.credentials = Lookups()
        self._factory = SubrequestFactory(
            parent,
            allowed_headers=allowed_headers,
            methods=methods,
            credentials=self.credentials,
            lenient=lenient,
        )
        self._get_response = answers_for(parent)
        self._headers = Headers()
        self._last_told: tuple[str, Pairs] = "", ()
        self._cookies = Cookies(parent.META.get("HTTP_COOKIE", ""), lambda: absolute_url(parent))
        self._csrf_token = CSRFToken(parent)
        self._room = _Room(max_response_size)
        self._size = 0  # bytes of the bodies so far
        self._modified_sessions: list[SessionBase] = []
        self._lock = RLock()  # sub-requests may be answered on several threads
        _make_caches()
        save_secret(parent, self._cookies)
        save_session(parent, self._cookies)

    def answer(self, subrequest: Subrequest, context: Context) -> Subresponse:
        """The site's answer, made in `context`, a copy, so that no language or time zone stays behind.

        Raises a `BatchError` if `subrequest` may not be sent.
        """
        return context.run(self._answer, subrequest)

    async def aanswer(self, subrequest: Subrequest) -> Subresponse:
        """As `answer`, through the async chain. The task that it is done in is to have a context of its own."""
        start = perf_counter()
        request = self._request(subrequest)
        try:
            response = await aget_response(request)
        except CancelledError as error:
            if cast("Task[object]", current_task()).cancelling():
                raise
            # by the view, of what it had begun itself: no handler looks for what is no Exception
            response = await sync_to_async(response_for_exception)(request, error)  # type: ignore[arg-type]
        if not response.streaming:
            return self._take(request, response, start)
        await aread(response, limit=self._room.left)
        return await sync_to_async(self._take)(request, response, start)

    def is_async(self, subrequest: Subrequest) -> bool:
        """Whether the view of `subrequest` is async, as far as its path tells."""
        try:
            return is_async(self._factory.path_info(subrequest.path.partition("?")[0], subrequest.pointer))
        except BatchError:
            return False

    def perform(self, effect: Effect) -> Subresponse:
        """Answer a sub-request that is in no group, whose flow has no verdict."""
        assert isinstance(effect, Subrequest)
        return copy_context().run(self._answer, effect)

    def branch(self) -> Client:
        """A conversation that goes on from here, of which this one learns nothing until it is merged."""
        with self._lock:
            branch = copy(self)
            branch._cookies = self._cookies.copy()
            branch._size = 0
            branch._modified_sessions = []
            return branch

    def merge(self, branch: Client, subresponses: Collection[Subresponse]) -> None:
        """Learn what was said in `branch`, which ended with `subresponses`."""
        with self._lock:
            for subresponse in subresponses:
                self._cookies.take(subresponse.cookies)
            self._size += branch._size
            self._modified_sessions += branch._modified_sessions

    def forget(self) -> None:
        """Leave nothing behind of what was rolled back."""
        with self._lock:
            self._room.left += self._size
            self._size = 0
        for session in self._modified_sessions:
            forget_cached(session)

    def end(self) -> None:
        """Hand the session, as it now is, back to the request that carries the batch."""
        renew_session(self._parent, self._cookies)
        renew_secret(self._parent, self._cookies)

    def _answer(self, subrequest: Subrequest) -> Subresponse:
        start = perf_counter()
        request = self._request(subrequest)
        try:
            response = self._get_response(request)
        except CancelledError as error:  # of an async view: no handler looks for what is no Exception
            response = response_for_exception(request, error)  # type: ignore[arg-type]
        return self._take(request, response, start)

    def _request(self, subrequest: Subrequest) -> HttpRequest:
        """Django's request for `subrequest`, with the cookies of this moment."""
        if subrequest.references:
            subrequest = self._with_checked_path(subrequest)
        cookie = self._cookies.sent if self._cookies.as_sent else self._cookie(subrequest.path)
        return self._factory.build(subrequest, cookies=self._told(cookie) if cookie else ())

    def _cookie(self, path: str) -> str:
        with self._lock:
            return self._cookies.header(path)

    def _told(self, cookie: str) -> Pairs:
        """What a Cookie header means for META. Kept, as it is mostly the same, and takes reading it: 4 % of a view."""
        last, told = self._last_told
        if last != cookie:
            told = (("HTTP_COOKIE", cookie), *self._csrf_token.header(cookie).items())
            self._last_told = cookie, told
        return told

    def _take(self, request: HttpRequest, response: HttpResponseBase, start: float) -> Subresponse:
        """What `response` says, read to its end. `start` is when `request` was begun."""
        subrequest: Subrequest = request._batch_subrequest  # type: ignore[attr-defined]  # its references filled in
        try:
            body = body_of(request, response, self._room.left)
        except Exception as exception:  # of a stream, which the handler has not seen
            close(response)
            response = response_for_exception(request, exception)
            body = body_of(request, response, self._room.left)
        finally:
            close(response)
        told, error = cookies_of(response, subrequest.path), None
        body = self._learn(request.__dict__.get("session"), told, body)
        if body is None:
            body, error = b"", BodyTooLarge(_TOO_LARGE)
        if refusal := getattr(response, "refusal", None):  # of a view that is in no batch, in the words of this one
            return Subresponse(subrequest, refusal.status, refusal.headers, b"", told, refusal, perf_counter() - start)
        headers = self._headers.of(response)
        return Subresponse(subrequest, response.status_code, headers, body, told, error, perf_counter() - start)

    def _with_checked_path(self, subrequest: Subrequest) -> Subrequest:
        """`subrequest`, whose references were filled in with what has yet to be looked at."""
        try:
            return replace(subrequest, path=local_path(subrequest.path, base=absolute_url(self._parent)))
        except Malformed as error:
            raise Malformed(error.detail, pointer=subrequest.pointer) from None

    def _learn(self, session: SessionBase | None, cookies: Collection[Morsel[str]], body: bytes | None) -> bytes | None:
        """`body`, if it still fits, now that others may have been read at the same time. None is one that did not."""
        self._lock.acquire()  # a context would take a quarter of a percent of a plain view
        try:
            if cookies:
                self._cookies.take(cookies)
            if session is not None and session.modified:
                self._modified_sessions.append(session)
            if body is None or len(body) > self._room.left:
                return None
            self._room.left -= len(body)
            self._size += len(body)
            return body
        finally:
            self._lock.release()
