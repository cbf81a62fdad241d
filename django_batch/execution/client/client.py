"""The client that a batch stands for: it sends sub-requests one after another, and keeps cookies in between.

A group is sent through a branch of the client. If the group is rolled back, the branch and all that it was told are
forgotten. A site's code may raise anything anywhere, so whatever escapes from it becomes the answer to its own
sub-request, and never the end of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, ExitStack
from contextvars import Context
from copy import copy
from dataclasses import dataclass
from http.cookies import Morsel
from threading import RLock, get_ident
from time import perf_counter
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase
from django.urls import ResolverMatch
from msgspec.structs import replace

from django_batch.core.batch import Batch, Subrequest, Subresponse
from django_batch.core.paths import local_path
from django_batch.errors import BatchError, BodyTooLarge, GroupExempt, Malformed, WriteRefused
from django_batch.execution.chain.access import Access
from django_batch.execution.chain.attempts import Attempts, KnownUser
from django_batch.execution.chain.handler import async_chain, chain_for, leads_to_async_view, match_of
from django_batch.execution.chain.item import Identity, Item, current_item
from django_batch.execution.chain.limits import Limits
from django_batch.execution.chain.resolving import Matches
from django_batch.execution.client.cookies import Cookies, cookies_of
from django_batch.execution.client.csrf import CSRFToken, renew_secret, save_secret
from django_batch.execution.client.failures import ends_the_server, response_to
from django_batch.execution.client.responses import Bounds, Headers, aread, body_of, close, reason_of
from django_batch.execution.client.sessions import forget_cached, renew_session, save_session
from django_batch.execution.internals import user_of
from django_batch.execution.requests.context import Contexts
from django_batch.requests import RequestBatch
from django_batch.signals import subrequest_started

if TYPE_CHECKING:
    from django_batch.execution.requests.factory import Pairs, SubrequestFactory

_TOO_LARGE = "This body and those before it are past MAX_RESPONSE_SIZE. Send the request alone."
_WITHHELD = "The view checks credentials, and the group could undo what counts the attempts. Send it outside of one."
_READS = "The view writes, or counts attempts to log in, but the batch only reads. Send the request in another batch."

Around = Callable[[HttpRequest], AbstractContextManager[Any]]


@dataclass
class _Room:
    """The bytes that the bodies of one batch may still have, on all of its branches."""

    left: int


class Client:
    """Sends the sub-requests that `factory` builds, between `begin` and `end`. `parent` is the request of the batch.

    `around` are context managers that are entered around each sub-request, in its own context, before its first
    middleware. `room` are the bytes that all bodies together may have. An `identity` stands for the credentials that
    `parent` does not have.
    """

    def __init__(
        self,
        parent: HttpRequest,
        factory: SubrequestFactory,
        *,
        contexts: Contexts,
        access: Access,
        limits: Limits,
        around: Sequence[Around],
        bounds: Bounds,
        url: Callable[[], str],
        sender: object = None,
    ) -> None:
        self._parent = parent
        self._factory = factory
        self._contexts = contexts
        self._access = access
        self._limits = limits
        self._around = around
        self._bounds = bounds
        self._url = url
        self._sender = sender
        self.identity: Identity | None = None
        self._can_roll_back = self._read_only = False
        self._known_user: KnownUser | None = None  # as far as it matters, in a branch
        self._matches: Matches = {}
        self._headers = Headers()
        self._last_told: tuple[str, Pairs] = "", ()
        self._cookies = Cookies(parent.META.get("HTTP_COOKIE", ""), url)
        self._csrf_token = CSRFToken(parent)
        self._room = _Room(bounds.size)
        self._size = 0  # bytes of the bodies so far
        self._modified_sessions: list[Any] = []
        self._lock = RLock()  # sub-requests may be answered on several threads

    def begin(self, batch: Batch, *, batch_id: str = "") -> None:
        """Let the sub-requests of `batch`, which signals name by `batch_id`, see what the batch itself has changed.

        Raises `ChainFailed` for a site without a chain, and `BatchLimitExceeded` for too many sub-requests to one view.
        """
        self._limits.check(batch.subrequests, self.match)
        self._read_only, self._batch_id = batch.read_only, batch_id
        if batch.read_only:
            self._known_user = KnownUser.of(user_of(self._parent))
        self._get_response = chain_for(self._parent)
        save_secret(self._parent, self._cookies)
        save_session(self._parent, self._cookies)

    def end(self) -> None:
        """Hand the session in its present state back to the request that carries the batch."""
        renew_session(self._parent, self._cookies)
        renew_secret(self._parent, self._cookies)

    def context(self) -> Context:
        """A clean context to send one sub-request in."""
        return self._contexts.new()

    def send(self, subrequest: Subrequest) -> Subresponse:
        """The site's answer. It is called in a clean context: `client.context().run(client.send, subrequest)`.

        Raises a `BatchError` if `subrequest` may not be sent, or if its answer may not be told.
        """
        start = perf_counter()
        request, item = self._request(subrequest)
        if subrequest_started.receivers:
            self._tell_start(subrequest)
        try:
            if self._around:
                with ExitStack() as stack:
                    self._enter_around(stack, request)
                    response = self._get_response(request)
            else:
                response = self._get_response(request)
        except BaseException as error:
            if ends_the_server(error):
                raise
            response = response_to(error, request)
        return self._taken(item, request, response, start)

    async def asend(self, subrequest: Subrequest) -> Subresponse:
        """`send` through the async chain, in a task that has a clean context."""
        start = perf_counter()
        request, item = self._request(subrequest)
        if subrequest_started.receivers:
            await sync_to_async(self._tell_start)(subrequest)
        try:
            with ExitStack() as stack:
                self._enter_around(stack, request)
                response = await async_chain()(request)
                item.is_reading = item.read_only and response.streaming
                if response.streaming:
                    await aread(response, self._bounds, limit=self._room.left)
        except BatchError:
            raise
        except BaseException as error:
            if ends_the_server(error, is_async=True):
                raise
            response = await sync_to_async(response_to)(error, request)
        if response.streaming:  # what is left of it is sync
            return await sync_to_async(self._taken)(item, request, response, start)
        return self._taken(item, request, response, start)

    def is_async(self, subrequest: Subrequest) -> bool:
        """Whether the view of `subrequest` is async, as far as its path tells."""
        path_info = self._path_info(subrequest)
        return path_info is not None and leads_to_async_view(path_info)

    def group_objection(self, subrequest: Subrequest) -> GroupExempt | None:
        """Why `subrequest` may not be in a group, as far as its path tells. The chain decides, once it is sent."""
        match = self.match(subrequest)
        error = match and self._access.refusal(match, subrequest.path, can_roll_back=True)
        return error if isinstance(error, GroupExempt) else None

    def afresh(self) -> Client:
        """A client like this one before it was told any cookies, with the room of a whole batch."""
        twin = copy(self)
        twin._cookies = Cookies(self._parent.META.get("HTTP_COOKIE", ""), self._url)
        twin._room = _Room(self._bounds.size)
        twin._size = 0
        twin._modified_sessions = []
        return twin

    def match(self, subrequest: Subrequest) -> ResolverMatch | None:
        """The match for `subrequest`, as far as its path tells, or None."""
        path_info = self._path_info(subrequest)
        return None if path_info is None else match_of(path_info)

    def branch(self) -> Client:
        """A client that goes on from here, of which this one learns nothing until it is merged.

        The effects of everything sent through the branch may be rolled back.
        """
        with self._lock:
            branch = copy(self)
            branch._contexts = self._contexts.tentative()
            branch._can_roll_back = True
            branch._known_user = KnownUser.of(user_of(self._parent))
            branch._cookies = self._cookies.copy()
            branch._size = 0
            branch._modified_sessions = []
            return branch

    def merge(self, branch: Client, subresponses: Collection[Subresponse]) -> None:
        """Learn what `branch` was told, which ended with `subresponses`."""
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

    def _tell_start(self, subrequest: Subrequest) -> None:
        subrequest_started.send_robust(
            self._sender, request=self._parent, subrequest=subrequest, batch_id=self._batch_id
        )

    def _enter_around(self, stack: ExitStack, request: HttpRequest) -> None:
        for around in self._around:
            stack.enter_context(around(request))

    def _request(self, subrequest: Subrequest) -> tuple[HttpRequest, Item]:
        """Django's request for `subrequest`, with the cookies of this moment, and what the chain has to know of it."""
        if subrequest.references:
            subrequest = self._with_checked_path(subrequest)
        cookie = self._cookies.sent if self._cookies.as_sent else self._cookie(subrequest.path)
        cookies = self._told(cookie) if cookie else ()
        can_roll_back, read_only = self._can_roll_back, self._read_only
        batch = RequestBatch(self._parent, subrequest, can_roll_back, read_only, self._limits.counts)
        request = self._factory.build(subrequest, cookies=cookies, batch=batch)
        attempts = Attempts(self._known_user) if can_roll_back or read_only else None
        limits = self._limits if self._limits.are_any else None
        item = Item(subrequest, self._access, self._matches, attempts, limits, read_only, identity=self.identity)
        if self.identity:
            self.identity.begin(request)
        current_item.set(item)
        return request, item

    def _cookie(self, path: str) -> str:
        with self._lock:
            return self._cookies.header(path)

    def _told(self, cookie: str) -> Pairs:
        """The keys of META that a Cookie header stands for. The last is kept, because most items have the same."""
        last, told = self._last_told
        if last != cookie:
            told = (("HTTP_COOKIE", cookie), *self._csrf_token.header(cookie).items())
            self._last_told = cookie, told
        return told

    def _taken(self, item: Item, request: HttpRequest, response: HttpResponseBase, start: float) -> Subresponse:
        """The answer that `response` is. If it cannot be read, Django's response to that error is the answer."""
        try:
            return self._take(item, request, response, start)
        except BatchError:
            raise
        except BaseException as error:
            if ends_the_server(error):
                raise
            return self._take(item, request, response_to(error, request), start)

    def _take(self, item: Item, request: HttpRequest, response: HttpResponseBase, start: float) -> Subresponse:
        """The answer that `response` is, read to its end. `start` is the time when `request` was begun."""
        subrequest = item.subrequest  # with its references filled in
        try:
            item.is_reading = item.read_only and response.streaming
            body = body_of(request, response, self._bounds, limit=self._room.left)
            headers, by_hand = self._headers.of(response)
            told, error = cookies_of(response, by_hand, path=subrequest.path), None
            status, reason = int(response.status_code), reason_of(response)
        finally:
            item.is_reading = False
            close(response)
        if item.has_written or (item.read_only and item.is_withheld(request)):  # one answer, which tells nothing
            raise WriteRefused(_READS, pointer=subrequest.pointer)
        if item.is_withheld(request):
            self._learn(vars(request).get("session"), (), None)
            raise GroupExempt(_WITHHELD, pointer=subrequest.pointer)
        body = self._learn(vars(request).get("session"), told, body)
        if body is None:
            body, error = b"", BodyTooLarge(_TOO_LARGE)
        duration, worker = perf_counter() - start, get_ident()
        answer = Subresponse(subrequest, status, headers, body, told, error, duration, reason, start, worker)
        refusal = getattr(response, "refusal", None)  # of a view that is in no batch, in the words of this one
        return replace(answer.corrected(refusal), cookies=told) if refusal else answer

    def _path_info(self, subrequest: Subrequest) -> str | None:
        try:
            return self._factory.path_info(subrequest.path.partition("?")[0], subrequest.pointer)
        except BatchError:
            return None

    def _with_checked_path(self, subrequest: Subrequest) -> Subrequest:
        """`subrequest`, whose references were filled in with what has yet to be looked at."""
        try:
            return replace(subrequest, path=local_path(subrequest.path, base=self._url()))
        except Malformed as error:
            raise Malformed(error.detail, pointer=subrequest.pointer) from None

    def _learn(self, session: Any, cookies: Collection[Morsel[str]], body: bytes | None) -> bytes | None:
        """`body`, if it still fits, now that others may have been read at the same time; else None."""
        room, size = self._room, len(body or b"")
        with self._lock:
            if cookies:
                self._cookies.take(cookies)
            if session is not None and getattr(session, "modified", False):
                self._modified_sessions.append(session)
            if body is None or size > room.left:
                return None
            room.left -= size
            self._size += size
            return body
