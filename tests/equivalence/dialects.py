"""Other ways to send calls than the native format in JSON: the same in a form, and Facebook's."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence

from django_batch.dialects.facebook import FacebookBatch
from tests.forms import CONTENT_TYPE, form, part

from .client import JSON, Answer, Call, Client
from .differences import refusal_of
from .senders import Sender
from .sites import Site
from .wire import charset_of, read_answers, write_batch

# Whose answers say what the views have said, and nothing for any client's sake.
PLAIN = FacebookBatch(max_requests=None, plain_success=False, fill_empty=False, wrap_errors=False)


def in_a_form(client: Client, site: Site, sender: Sender, calls: Sequence[Call]) -> list[Answer]:
    """The answers to `calls`, sent as one batch that is a part of a form."""
    content = form(part("batch", write_batch(calls, prefix=site.prefix)))
    answer = client.exchange("POST", site.batch_path, {"Content-Type": CONTENT_TYPE}, content)
    assert answer.status == 207, answer
    return read_answers(answer.body)


def in_facebooks_batch(client: Client, site: Site, sender: Sender, calls: Sequence[Call]) -> list[Answer]:
    """The answers to `calls`, sent as one batch of Facebook's."""
    operations = [
        {
            "method": call.method,
            "relative_url": site.prefix + call.path,
            "headers": call.headers,
            "body": (call.body or b"").decode(),
        }
        for call in calls
    ]
    path = site.batch_path.replace("batch", "facebook")
    content = form(part("batch", json.dumps(operations).encode()))
    answer = client.exchange("POST", path, {"Content-Type": CONTENT_TYPE}, content)
    assert (answer.status, answer.headers["content-type"]) == (200, JSON), answer
    return [_answer(**each) for each in json.loads(answer.body)]


def is_carried(call: Call) -> bool:
    """Whether no batch refuses `call`."""
    return refusal_of(call) is None


def fits_facebook(call: Call) -> bool:
    """Whether `call` can be sent in a text in UTF-8, too."""
    charset = charset_of(call.headers.get("Content-Type", "")).lower()
    return is_carried(call) and not call.as_base64 and charset in ("utf-8", "utf8")


def _answer(code: int, headers: list[dict[str, str]], body: str) -> Answer:
    told = {each["name"].lower(): each["value"] for each in headers}
    if told.pop("content-transfer-encoding", ""):
        return Answer(code, told, b64decode(body, validate=True))
    return Answer(code, told, body.encode(charset_of(told.get("content-type", ""))))
