"""`batch()`: requests that belong together, built one by one and sent in one `POST` at the end of a `with` block.

Each request that is added stands for its answer: `ref()` names a value in it, for a later request to use. The builder
derives from these references which request depends on which.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Collection, Iterable, Mapping
from types import TracebackType
from typing import Any, NoReturn, TypedDict, Unpack, overload

import httpx
import msgspec

from django_batch.client.gathering import LONGEST_WAIT
from django_batch.client.messages import ItemAnswer, body_members, csrf_headers, read_answers, response_of, retry_after

# Headers that a client adds to every request, and the batch has already.
_OF_THE_CLIENT = frozenset(
    ("accept-encoding", "authorization", "connection", "content-length", "cookie", "host", "user-agent")
)
_REFERENCE = re.compile(r"\{([^{}#]+)#[^{}]*\}")
_RETRIES = 2


class BatchRefused(httpx.HTTPStatusError):
    """The server has refused the whole batch, and run nothing of it. `response` says why."""


class BatchFailed(httpx.HTTPStatusError):
    """A batch that is all or nothing was rolled back. `response` is the answer of the request that failed."""


class AnswerValue:
    """A value in the answer to an earlier request. It stands in JSON as it is, or in a URL or a header as text."""

    def __init__(self, item_id: str, pointer: str) -> None:
        self.id = item_id
        self.pointer = pointer

    def __str__(self) -> str:
        return f"{{{self.id}#{self.pointer}}}"


class PlannedRequest:
    """A request of a batch, and its answer once the batch was sent."""

    def __init__(self, item_id: str, request: httpx.Request) -> None:
        self.id = item_id
        self.request = request
        self._response: httpx.Response | None = None

    def ref(self, pointer: str) -> AnswerValue:
        """The value at `pointer`, a JSON Pointer such as `/body/id` or `/headers/Location`, in the answer."""
        return AnswerValue(self.id, pointer)

    @property
    def response(self) -> httpx.Response:
        """The answer. It is there at the end of the `with` block."""
        if self._response is None:
            raise RuntimeError("The batch has not been answered. Leave its `with` block first.")
        return self._response


class Options(TypedDict, total=False):
    """What a request of a batch may have."""

    json: object
    content: bytes | str
    data: Mapping[str, Any]
    params: Mapping[str, Any]
    headers: Mapping[str, str | AnswerValue]
    name: str
    depends_on: Iterable[PlannedRequest]
    group: str


class RequestBuilder:
    """The requests of one batch, and the methods that add them."""

    def __init__(self, client: httpx.Client | httpx.AsyncClient, url: str, members: Mapping[str, bool]) -> None:
        self.planned: list[PlannedRequest] = []
        self._client = client
        self._url = url
        self._members = members
        self._items: list[dict[str, object]] = []

    def get(self, url: str, **options: Unpack[Options]) -> PlannedRequest:
        """Add a GET. The options are those of `request`."""
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Unpack[Options]) -> PlannedRequest:
        """Add a POST."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Unpack[Options]) -> PlannedRequest:
        """Add a PUT."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Unpack[Options]) -> PlannedRequest:
        """Add a PATCH."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Unpack[Options]) -> PlannedRequest:
        """Add a DELETE."""
        return self.request("DELETE", url, **options)

    def request(self, method: str, url: str, **options: Unpack[Options]) -> PlannedRequest:
        """Add a request.

        `json`, `content`, `data`, `params` and `headers` are those of httpx. `name` is the id of the item, which is
        its position by default. `depends_on` lists requests that have to succeed first, beside those that are referred
        to. Requests with the same `group` are all or nothing.
        """
        texts = {name: str(value) for name, value in options.get("headers", {}).items()}
        names = dict.fromkeys(each.id for each in options.get("depends_on", ()))
        names.update(self._named(url, *texts.values()))
        value = _written(options.get("json"), names)
        address = _Address(url, names)
        content, data, params = options.get("content"), options.get("data"), options.get("params")
        request = self._client.build_request(
            method, address.marked, content=content, data=data, params=params, json=value, headers=texts
        )
        planned = PlannedRequest(options.get("name", str(len(self.planned))), request)
        own = {name: text for name, text in request.headers.items() if name in texts or name not in _OF_THE_CLIENT}
        item = {"id": planned.id, "method": method, "path": address.path(request.url), "headers": own}
        content_type = request.headers.get("content-type", "")
        body = body_members(request.content, content_type, has_references=value is not None)
        extra = {"depends_on": [*names] or None, "atomicity_group": options.get("group")}
        self._items.append({**item, **body, **{name: each for name, each in extra.items() if each}})
        self.planned.append(planned)
        return planned

    def _named(self, *texts: str) -> dict[str, None]:
        """The ids of this batch to which `texts` refer."""
        known = {planned.id for planned in self.planned}
        found = [each for text in texts for each in _REFERENCE.findall(text)]
        return dict.fromkeys(each for each in found if each in known)

    def _request(self) -> httpx.Request:
        content = msgspec.json.encode({**self._members, "requests": self._items})
        headers = {"content-type": "application/json", "accept": "application/json"}
        request = self._client.build_request("POST", self._url, content=content, headers=headers)
        request.headers.update(csrf_headers(request.headers.get("cookie", ""), request.url))
        return request

    def _delay(self, response: httpx.Response) -> float | None:
        """Seconds after which to send the whole batch again, because nothing of it was done, or None."""
        if response.status_code != 207:
            delays = [retry_after(response.status_code, response.headers)]
        elif self._members.get("atomic"):
            delays = [retry_after(each.status, each.headers) for each in read_answers(response.content)]
        else:
            delays = []
        found = [delay for delay in delays if delay is not None]
        return max(found) if found and max(found) <= LONGEST_WAIT else None

    def _take(self, response: httpx.Response) -> None:
        if response.status_code != 207:
            self._refuse(response)
        answers: dict[str, ItemAnswer] = {answer.id: answer for answer in read_answers(response.content)}
        for planned in self.planned:
            planned._response = response_of(answers[planned.id], planned.request, ())
            planned._response.read()
        if self._members.get("atomic"):
            self._raise_failure()

    def _refuse(self, response: httpx.Response) -> NoReturn:
        message = f"The batch was refused with {response.status_code}: {response.text[:500]}"
        raise BatchRefused(message, request=response.request, response=response)

    def _raise_failure(self) -> None:
        failed = [planned.response for planned in self.planned if planned.response.status_code >= 400]
        culprits = [response for response in failed if response.status_code != 424] or failed
        if culprits:
            first, request = culprits[0], culprits[0].request
            said = f"{first.status_code} {first.text[:500]}"
            message = f"Nothing was done, because {request.method} {request.url} failed: {said}"
            raise BatchFailed(message, request=request, response=first)


def _written(value: object, names: dict[str, None]) -> object:
    """`value` with its references as they are written in JSON. Their ids are added to `names`."""
    match value:
        case AnswerValue():
            names[value.id] = None
            return {"$ref": str(value)[1:-1]}
        case {"$ref": str(), **others} if not others:
            raise ValueError(f"{value!r} would be taken for a reference. Use ref() if it is one; else send it alone.")
        case Mapping():
            return {name: _written(each, names) for name, each in value.items()}
        case list() | tuple():
            return [_written(each, names) for each in value]
    return value


class _Address:
    """A URL with references to `names`. In `marked` a word stands for each, because httpx would percent-encode them."""

    def __init__(self, url: str, names: Collection[str]) -> None:
        found = [each for each in _REFERENCE.finditer(url) if each[1] in names]
        self._words = {each[0]: f"reference-{place}-" for place, each in enumerate(found)}
        self._whole = url if found and found[0].start() == 0 else None
        self.marked = url
        for reference, word in self._words.items():
            self.marked = self.marked.replace(reference, word)

    def path(self, url: httpx.URL) -> str:
        """The path of `url`, which was built of `marked`, with its references. What begins with one is a URL itself."""
        path = self._whole or url.raw_path.decode("ascii")
        for reference, word in self._words.items():
            path = path.replace(word, reference)
        return path


class BatchBuilder(RequestBuilder):
    """A batch of an `httpx.Client`, which is sent when its `with` block ends without an exception."""

    _client: httpx.Client

    def __enter__(self) -> BatchBuilder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.planned:
            self._take(self._sent())

    def _sent(self) -> httpx.Response:
        for _ in range(_RETRIES):
            response = self._client.send(self._request())
            delay = self._delay(response)
            if delay is None:
                return response
            time.sleep(delay)
        return self._client.send(self._request())


class AsyncBatchBuilder(RequestBuilder):
    """A batch of an `httpx.AsyncClient`, which is sent when its `async with` block ends without an exception."""

    _client: httpx.AsyncClient

    async def __aenter__(self) -> AsyncBatchBuilder:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.planned:
            self._take(await self._sent())

    async def _sent(self) -> httpx.Response:
        for _ in range(_RETRIES):
            response = await self._client.send(self._request())
            delay = self._delay(response)
            if delay is None:
                return response
            await asyncio.sleep(delay)
        return await self._client.send(self._request())


@overload
def batch(client: httpx.Client, url: str = ..., **members: bool) -> BatchBuilder: ...
@overload
def batch(client: httpx.AsyncClient, url: str = ..., **members: bool) -> AsyncBatchBuilder: ...


def batch(
    client: httpx.Client | httpx.AsyncClient, url: str = "/batch/", **members: bool
) -> BatchBuilder | AsyncBatchBuilder:
    """A batch to `url`, to be filled in a `with` block.

    `members` are those of the batch, such as `atomic=True`, or `dry_run=True`. A batch that the server puts off with a
    `Retry-After` is sent again, as long as nothing of it has been done.
    """
    return (
        BatchBuilder(client, url, members)
        if isinstance(client, httpx.Client)
        else AsyncBatchBuilder(client, url, members)
    )
