"""What a server takes in one batch, as it tells at its URL."""

from __future__ import annotations

import httpx
import msgspec

# What django_batch does unless a site changes it.
_SETTABLE = (
    *("accept", "accept-language", "content-language", "content-type", "idempotency-key", "if-match"),
    *("if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "prefer", "range"),
    *("x-csrftoken", "x-http-method-override", "x-request-id", "x-requested-with"),
)


class ServerLimits(msgspec.Struct, frozen=True):
    """Requests in one batch and bytes of its body."""

    requests: int = 100
    size: int = 10 * 2**20


class ServerDescription(msgspec.Struct, frozen=True):
    """The part of what a server tells that matters for gathering: its limits, and the headers that an item may set."""

    limits: ServerLimits = ServerLimits()
    headers: tuple[str, ...] = _SETTABLE

    @property
    def settable(self) -> frozenset[str]:
        """The names of those headers, in lower case."""
        return frozenset(name.lower() for name in self.headers)


def question(url: httpx.URL, like: httpx.Request) -> httpx.Request:
    """The request that asks for the description, from the sender of the request that it is `like`."""
    sender = [(name, value) for name, value in like.headers.items() if name not in {"content-length", "content-type"}]
    headers = httpx.Headers(sender)
    headers["accept"] = "application/json"
    return httpx.Request("OPTIONS", url, headers=headers, extensions=like.extensions)


def description(response: httpx.Response) -> ServerDescription:
    """What `response` tells, or the defaults if it tells nothing."""
    try:
        return msgspec.json.decode(response.content, type=ServerDescription)
    except msgspec.DecodeError:
        return ServerDescription()
