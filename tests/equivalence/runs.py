"""The two runs that the law compares, each on a site that is as it was in the beginning."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.test import override_settings

from django_batch.errors import BatchExempt, NestedBatch
from tests.roads import whole

from .calls import TOKEN
from .client import JSON, Answer, Call, Client
from .differences import empty_batches, refusal_of
from .senders import Sender, connect
from .sites import Site, serving
from .traces import traces
from .wire import read_answers, write_batch

# What a batch says of itself as a message, and what is not said of the requests in it.
OF_THE_BATCH = {
    "Content-Type": JSON,
    "Accept": "text/html",
    "Accept-Encoding": "gzip",
    "Idempotency-Key": "batch",
    "If-None-Match": "*",
    "Prefer": "return=minimal",
    "Range": "bytes=0-1",
}
NOTHING = Call("GET", "/nothing/")

How = Callable[[Client, Site, Sender, Sequence[Call]], list[Answer]]


def alone(client: Client, site: Site, sender: Sender, calls: Sequence[Call]) -> list[Answer]:
    """The answers to `calls`, sent one after another, each on a thread that no other has left anything on."""
    places = empty_batches(site, sender)
    if "before" in places:
        _send_empty_batch(client, site)
    answers = [Context().run(_send, client, call) for call in calls]
    if "after" in places:
        _send_empty_batch(client, site)
    return answers


def _send_empty_batch(client: Client, site: Site) -> None:
    client.exchange("POST", site.batch_path, {"Content-Type": JSON}, b"[]")


def _send(client: Client, call: Call) -> Answer:
    refusal = refusal_of(call)
    if refusal is None:
        return client.send(call)
    if refusal in (NestedBatch, BatchExempt):  # which know the view, so that the middleware has been gone through
        client.send(NOTHING)
    return Answer(refusal.status, {}, refusal.code.encode())


def in_a_batch(client: Client, site: Site, sender: Sender, calls: Sequence[Call]) -> list[Answer]:
    """The answers to `calls`, sent as one batch."""
    content = write_batch(calls, prefix=site.prefix)
    answer = client.exchange("POST", site.batch_path, OF_THE_BATCH | site.road.headers, content)
    assert answer.status == 207, answer
    answers = read_answers(whole(answer.body) if site.road.lines else answer.body)
    return [_told(call, told) for call, told in zip(calls, answers, strict=True)]


def in_a_batch_that_reads(client: Client, site: Site, sender: Sender, calls: Sequence[Call]) -> list[Answer]:
    """The answers to `calls`, sent as one batch that says it only reads."""
    content = write_batch(calls, prefix=site.prefix)
    content = b'{"read_only": true, ' + content.lstrip()[1:]
    answer = client.exchange("POST", site.batch_path, OF_THE_BATCH | site.road.headers, content)
    assert answer.status == 207, answer
    return read_answers(whole(answer.body) if site.road.lines else answer.body)


def with_limits(how: How) -> How:
    """What `how` does where so many items may go to any view that no batch has too many."""

    def do(client: Client, site: Site, sender: Sender, calls: Sequence[Call]) -> list[Answer]:
        with override_settings(BATCH={**settings.BATCH, "LIMITS": {"*": 1_000, "rest_framework.views.APIView": 1_000}}):
            return how(client, site, sender, calls)

    return do


def without_sharing(how: How) -> How:
    """What `how` does where everything is looked up each time, whatever the site has opted in to."""

    def do(client: Client, site: Site, sender: Sender, calls: Sequence[Call]) -> list[Answer]:
        with override_settings(BATCH={**settings.BATCH, "SHARE": False}):
            return how(client, site, sender, calls)

    return do


def _told(call: Call, answer: Answer) -> Answer:
    return Answer(answer.status, {}, json.loads(answer.body)["code"].encode()) if refusal_of(call) else answer


def run(how: How, site: Site, sender: Sender, calls: Sequence[Call], *, folder: Path) -> dict[str, Any]:
    """The traces of `calls`, where they are sent in this way. `folder` is for the files of the site."""
    with serving(site, folder) as application:
        client = connect(application, site, sender)
        answers = how(client, site, sender, [_with_token(call, client.token) for call in calls])
        if site.road.lines:  # no cookie can follow the headers, and each answer stands on one line
            client.jar.clear()
            answers = [replace(each, body=re.sub(rb"[\r\n]", b" ", each.body)) for each in answers]
        return traces(client, answers, folder)


def _with_token(call: Call, token: str | None) -> Call:
    """`call` with the client's own token in its form."""
    return replace(call, body=call.body.replace(TOKEN, token.encode())) if call.body and token else call
