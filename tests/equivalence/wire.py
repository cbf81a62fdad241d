"""The native format as a client writes and reads it: calls to the bytes of a batch, and its bytes to answers."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable

import msgspec

from .client import JSON, Answer, Call


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    status: int
    headers: dict[str, str]
    body: msgspec.Raw
    body_base64: str | None = None


class _Answers(msgspec.Struct, forbid_unknown_fields=True):
    responses: list[_Answer]


def write_batch(calls: Iterable[Call], *, prefix: str) -> bytes:
    """The body of a batch. Each JSON body stands in it as its own text."""
    return b'{"requests": [%b]}' % b", ".join(_item(call, prefix) for call in calls)


def read_answers(content: bytes) -> list[Answer]:
    """What a batch has answered, in its order."""
    json.loads(content, parse_constant=_refuse)
    answers = msgspec.json.decode(content, type=_Answers).responses
    assert [answer.id for answer in answers] == [str(place) for place in range(len(answers))]
    return [_answer(answer) for answer in answers]


def _item(call: Call, prefix: str) -> bytes:
    headers = dict(call.headers)
    if call.body is not None and headers.get("Content-Type") == JSON:
        del headers["Content-Type"]  # it is the default
    item = {"method": call.method, "path": prefix + call.path, "headers": headers}
    return b"%b%b}" % (json.dumps(item, ensure_ascii=False).encode().removesuffix(b"}"), _body(call))


def _body(call: Call) -> bytes:
    if call.body is None:
        return b""
    if call.as_base64:
        return b', "body_base64": "%b"' % b64encode(call.body)
    content_type = call.headers["Content-Type"]
    text = call.body.decode(charset_of(content_type))
    return b', "body": %b' % (text if "json" in content_type else json.dumps(text)).encode()


def _answer(item: _Answer) -> Answer:
    headers = {name.lower(): value for name, value in item.headers.items()}
    return Answer(item.status, headers, _content(item, headers.get("content-type", "")))


def _content(item: _Answer, content_type: str) -> bytes:
    """The bytes that stood in the answer: JSON is there as it came, and all other text as a string."""
    value = bytes(item.body)
    if item.body_base64 is not None:
        assert value == b"null"
        return b64decode(item.body_base64, validate=True)
    if value == b"null":
        return b""
    return json.loads(value).encode(charset_of(content_type)) if value.startswith(b'"') else value


def charset_of(content_type: str) -> str:
    """By default UTF-8."""
    found = re.search(r"charset=([\w-]+)", content_type)
    return found[1] if found else "utf-8"


def fits_as_text(content_type: str, body: bytes) -> bool:
    """Whether `body` can stand in an item as the JSON value or the string that it is."""
    try:
        text = body.decode(charset_of(content_type))
        if "json" in content_type:
            json.loads(text, parse_constant=_refuse)
    except ValueError:
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
