"""The native format from the client's side: a request of httpx as an item, and an answer as a response of httpx.

Bodies are copied as they are, so that a number such as `1.10` reaches the view, and comes back, as it was written.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
import msgspec

JSON_LINES = "application/jsonl"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# These describe one message or one connection, so no item has them.
_OF_THE_MESSAGE = frozenset({"content-length", "transfer-encoding"})


class ItemAnswer(msgspec.Struct, frozen=True):
    """The answer to one item."""

    id: str
    status: int
    headers: dict[str, str]
    body: msgspec.Raw = msgspec.Raw(b"null")
    body_base64: str | None = None


class _Whole(msgspec.Struct, frozen=True):
    responses: list[ItemAnswer]


class _Code(msgspec.Struct, frozen=True):
    code: str = ""


T = TypeVar("T")


def read_answers(content: bytes) -> list[ItemAnswer]:
    """The answers in the body of a 207."""
    return _decoded(content, _Whole).responses


def read_line(line: str) -> ItemAnswer | None:
    """The answer on a line, or None for the last line, which says that the batch is complete."""
    return None if line.startswith('{"done":') else _decoded(line, ItemAnswer)


def _decoded(content: bytes | str, form: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=form)
    except msgspec.DecodeError as error:
        raise httpx.RemoteProtocolError(f"The answer to the batch cannot be read: {error}") from error


def sender_of(headers: httpx.Headers, settable: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The headers that an item may not set. They speak of the sender and the connection, so the `POST` has them."""
    return tuple((name, value) for name, value in headers.items() if name not in {*settable, *_OF_THE_MESSAGE})


def item(item_id: str, request: httpx.Request, settable: Collection[str]) -> bytes:
    """The item that asks for the same as `request`."""
    members = {
        "id": item_id,
        "method": request.method,
        "path": request.url.raw_path.decode("ascii"),
        "headers": {name: value for name, value in request.headers.items() if name in settable},
        **body_members(request.content, request.headers.get("content-type", "")),
    }
    return msgspec.json.encode(members)


def body_members(content: bytes, content_type: str, *, has_references: bool = False) -> dict[str, object]:
    """`content` as a member of an item.

    Unless it `has_references`, JSON that looks like one is sent in base64, which is never looked into.
    """
    if not content:
        return {}
    if _is_json(content_type) and (has_references or b'"$ref"' not in content) and _is_valid(content):
        return {"body": msgspec.Raw(content)}
    return {"body_base64": b64encode(content).decode()}


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _is_valid(content: bytes) -> bool:
    try:
        content.decode()
        msgspec.json.decode(content)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True


def envelope(
    url: httpx.URL, content: bytes, headers: Iterable[tuple[str, str]], *, like: httpx.Request, streamed: bool
) -> httpx.Request:
    """The `POST` that carries a batch. Its timeouts are those of the request that it is `like`."""
    own = {"content-type": "application/json", "accept": JSON_LINES if streamed else "application/json"}
    fields = httpx.Headers([*headers])
    fields.update({**own, **csrf_headers(fields.get("cookie", ""), url)})
    return httpx.Request("POST", url, headers=fields, content=content, extensions=like.extensions)


def csrf_headers(cookie: str, url: httpx.URL) -> dict[str, str]:
    """What Django asks for beside a cookie with a CSRF token. Over HTTPS it looks at the referrer, too."""
    found = re.search(r"(?:^|;)\s*csrftoken=([^;]+)", cookie)
    return {"x-csrftoken": found[1], "referer": str(url)} if found else {}


def response_of(answer: ItemAnswer, request: httpx.Request, cookies: Iterable[tuple[str, str]]) -> httpx.Response:
    """The response that `request` would have got alone. `cookies` are the `Set-Cookie` headers of the batch."""
    content = _content(answer, httpx.Headers(answer.headers)) if request.method != "HEAD" else b""
    headers = [*answer.headers.items(), *cookies]
    return httpx.Response(answer.status, headers=headers, stream=httpx.ByteStream(content), request=request)


def _content(answer: ItemAnswer, headers: httpx.Headers) -> bytes:
    """The bytes of the body. A `Content-Length` tells an empty body from the JSON value null."""
    if answer.body_base64 is not None:
        return b64decode(answer.body_base64)
    body = bytes(answer.body)
    if body == b"null":
        return body if headers.get("content-length") == "4" else b""
    content_type, length = headers.get("content-type", ""), headers.get("content-length", str(len(body)))
    if not body.startswith(b'"') or (_is_json(content_type) and length == str(len(body))):
        return body
    return str(msgspec.json.decode(body)).encode(_charset(content_type))


def _charset(content_type: str) -> str:
    message = Message()
    message["content-type"] = content_type
    return message.get_content_charset("utf-8")


def code_of(answer: ItemAnswer) -> str:
    """The code of the refusal that `answer` is, or nothing."""
    if httpx.Headers(answer.headers).get("content-type") != "application/problem+json":
        return ""
    try:
        return msgspec.json.decode(answer.body, type=_Code).code
    except msgspec.ValidationError:
        return ""


def retry_after(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds until a request may be sent again, or None if the answer does not invite to it (RFC 9110 §10.2.3)."""
    value = httpx.Headers(headers).get("retry-after", "")
    if status not in (429, 503) or not value:
        return None
    if value.isdigit():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (then - datetime.now(UTC)).total_seconds()) if then.tzinfo else None
