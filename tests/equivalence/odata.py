"""OData's JSON format as a client writes and reads it: what it can say of calls, and what it says of answers."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

import msgspec

from django_batch.errors import HeaderNotAllowed

from .client import Answer, Call, Client
from .differences import refusal_of
from .runs import OF_THE_BATCH
from .senders import Sender
from .sites import Site
from .wire import charset_of, fits_as_text


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    status: int
    headers: dict[str, str]
    body: msgspec.Raw


class _Answers(msgspec.Struct, forbid_unknown_fields=True):
    responses: list[_Answer]


def can_say(call: Call) -> bool:
    """Whether `call` has a form: JSON has to be JSON, and text has to be text. And whether its answer has one.

    A header that may not be set is left out, where the native format refuses the item.
    """
    if refusal_of(call) is HeaderNotAllowed or "/content/invalid-utf-8/" in call.path:
        return False
    content_type = call.headers.get("Content-Type", "")
    return call.body is None or not _is_text(content_type) or fits_as_text(content_type, call.body)


def in_odata(client: Client, site: Site, sender: Sender, calls: Sequence[Call]) -> list[Answer]:
    """The answers to `calls`, sent as one batch."""
    items = b", ".join(_item(str(place), call, site.prefix) for place, call in enumerate(calls))
    path = "/odata/$batch" if site.authenticates else "/open-odata/$batch"
    answer = client.exchange("POST", path, OF_THE_BATCH, b'{"requests": [%b]}' % items)
    assert answer.status == 200, answer
    found = msgspec.json.decode(answer.body, type=_Answers).responses
    assert [each.id for each in found] == [str(place) for place in range(len(calls))]
    return [_answer(call, each) for call, each in zip(calls, found, strict=True)]


def _item(id_: str, call: Call, prefix: str) -> bytes:
    item = {"id": id_, "method": call.method.lower(), "url": prefix + call.path, "headers": dict(call.headers)}
    return b"%b%b}" % (json.dumps(item, ensure_ascii=False).encode().removesuffix(b"}"), _body(call))


def _body(call: Call) -> bytes:
    if call.body is None:
        return b""
    content_type = call.headers["Content-Type"]
    if not _is_text(content_type):
        return b', "body": "%b"' % urlsafe_b64encode(call.body).rstrip(b"=")
    text = call.body.decode(charset_of(content_type))
    return b', "body": %b' % (text if _is_json(content_type) else json.dumps(text)).encode()


def _answer(call: Call, item: _Answer) -> Answer:
    if refusal := refusal_of(call):
        assert json.loads(bytes(item.body))["error"]["code"] == refusal.__name__
        return Answer(item.status, {}, refusal.code.encode())
    headers = {name.lower(): value for name, value in item.headers.items()}
    return Answer(item.status, headers, _content(bytes(item.body), headers.get("content-type", "")))


def _content(value: bytes, content_type: str) -> bytes:
    if value == b"null":
        return b""
    if not _is_text(content_type):
        return urlsafe_b64decode(json.loads(value))
    return json.loads(value).encode(charset_of(content_type)) if value.startswith(b'"') else value


def _is_json(content_type: str) -> bool:
    return bool(re.match(r"application/(.+\+)?json\b", content_type))


def _is_text(content_type: str) -> bool:
    return _is_json(content_type) or content_type.startswith("text/")
