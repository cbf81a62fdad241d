"""Other ways to send calls than the native format in JSON: the same in a form, Facebook's, and `multipart/mixed`."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import replace

from django_batch.dialects.facebook import FacebookBatch
from tests.forms import CONTENT_TYPE, form, part
from tests.parts import answers, message, multipart
from tests.parts import part as part_of_parts

from .client import JSON, Answer, Call, Client
from .differences import refusal_of
from .runs import OF_THE_BATCH, How, alone
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


def in_facebooks_form(client: Client, site: Site, sender: Sender, calls: Sequence[Call]) -> list[Answer]:
    """The answers to `calls`, sent as one batch of Facebook's that is a form."""
    return _facebooks_answers(client, site, CONTENT_TYPE, form(part("batch", _operations(site, calls))))


def in_facebooks_batch(client: Client, site: Site, sender: Sender, calls: Sequence[Call]) -> list[Answer]:
    """The answers to `calls`, sent as one batch of Facebook's in JSON."""
    return _facebooks_answers(client, site, JSON, b'{"batch": %b}' % _operations(site, calls))


def _operations(site: Site, calls: Sequence[Call]) -> bytes:
    operations = [
        {
            "method": call.method,
            "relative_url": site.prefix + call.path,
            "headers": call.headers,
            "body": (call.body or b"").decode(),
        }
        for call in calls
    ]
    return json.dumps(operations).encode()


def _facebooks_answers(client: Client, site: Site, content_type: str, content: bytes) -> list[Answer]:
    path = site.batch_path.replace("batch", "facebook")
    answer = client.exchange("POST", path, {**OF_THE_BATCH, "Content-Type": content_type}, content)
    assert (answer.status, answer.headers["content-type"]) == (200, JSON), answer
    return [_answer(**each) for each in json.loads(answer.body)]


def in_parts(name: str) -> How:
    """How calls are sent as one batch of `multipart/mixed`, to the view `name`."""

    def send(client: Client, site: Site, sender: Sender, calls: Sequence[Call]) -> list[Answer]:
        requests = [
            message(call.method, site.prefix + call.path, call.body or b"", **_without_length(call.headers))
            for call in calls
        ]
        path = site.batch_path.replace("batch", name)
        own = {"Content-Type": "multipart/mixed; boundary=batch", "Prefer": "return=minimal, continue-on-error"}
        headers = {**OF_THE_BATCH, **own}
        answer = client.exchange("POST", path, headers, multipart(map(part_of_parts, requests)))
        assert answer.status == 200, answer
        found = answers(answer.body, answer.headers["content-type"])
        return [_without_a_length(Answer(each.status, _lowered(each.headers), each.body)) for each in found]

    return send


def alone_without_lengths(client: Client, site: Site, sender: Sender, calls: Sequence[Call]) -> list[Answer]:
    """As `alone`, but for the length of each answer, which a part always has."""
    return [*map(_without_a_length, alone(client, site, sender, calls))]


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _without_length(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() != "content-length"}


def _without_a_length(answer: Answer) -> Answer:
    return replace(answer, headers=_without_length(answer.headers))


def fits_a_part(call: Call) -> bool:
    """Whether `call` can be sent in a part, and its answer be read by who does not know that it was a HEAD."""
    return is_carried(call) and call.method != "HEAD" and call.path.isascii()


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
