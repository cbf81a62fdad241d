"""Who attacks, from where, and what is sent: as one batch, or one request after another."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import override_settings

from django_batch.testing import BatchClient
from tests.forms import CONTENT_TYPE as UPLOAD
from tests.forms import form, part
from tests.roads import PLAIN, Road, read

JSON = "application/json"
CSRF_TOKEN, WRONG_TOKEN = "a" * 32, "b" * 32
Item = dict[str, Any]


@dataclass(frozen=True)
class Sender:
    """What stands in each of its requests. The right CSRF token is read from the cookie each time, as a page does.

    A batch that is a form has it in a field, if it is `in_a_field`, and else in the header, as all others.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    session_of: str = ""
    csrf_token: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    secure: bool = False
    batch_path: str = "/batch/"
    content_type: str = JSON
    in_a_field: bool = False
    has_cookies: bool = True
    road: Road = PLAIN

    def client(self) -> BatchClient:
        client = self.road.client(enforce_csrf_checks=True, headers=self.headers, **self.environ)
        if self.session_of:
            client.force_login(User.objects.get(username=self.session_of), "django.contrib.auth.backends.ModelBackend")
        if self.has_cookies:
            client.cookies[settings.CSRF_COOKIE_NAME] = CSRF_TOKEN
        return client

    def send_batch(self, items: Sequence[Item], **members: Any) -> Any:
        """The answer to `items` in one request."""
        content = json.dumps({"requests": items, **members}).encode()
        response = self.post(self.batch_path, content, self.content_type, **self.road.headers)
        return read(response, [item.get("id", str(place)) for place, item in enumerate(items)])

    def post(self, path: str, content: bytes, content_type: str, **headers: str) -> Any:
        """The answer to `content`, which a form has in the part `batch`."""
        client = self.client()
        if not self.in_a_field:
            headers |= self._csrf_header(client)
        if content_type == UPLOAD:
            token = [part("csrfmiddlewaretoken", self.csrf_token.encode())] if self.in_a_field else []
            content = form(*token, part("batch", content))
        return client.generic("POST", path, content, content_type, secure=self.secure, headers=headers)

    def send_alone(self, items: Sequence[Item]) -> list[Any]:
        """The answers to `items` in requests of their own."""
        client = self.client()
        return [self._send(client, item) for item in items]

    def _send(self, client: BatchClient, item: Item) -> Any:
        prefix = self.environ.get("SCRIPT_NAME") or settings.FORCE_SCRIPT_NAME or ""
        path = item["path"].removeprefix(prefix)
        headers = {**self._csrf_header(client), **item.get("headers", {})}
        try:
            return client.generic(
                item.get("method", "GET"), path, bytes_of(**item), JSON, secure=self.secure, headers=headers
            )
        except BaseException as error:  # which a server turns into a 500, and a test client does not
            if isinstance(error, KeyboardInterrupt):
                raise
            return HttpResponse(status=500)

    def _csrf_header(self, client: BatchClient) -> dict[str, str]:
        cookie = client.cookies.get(settings.CSRF_COOKIE_NAME)
        token = cookie.value if cookie and self.csrf_token == CSRF_TOKEN else self.csrf_token
        return {"X-CSRFToken": token} if token else {}


def bytes_of(body: object = None, **members: Any) -> bytes:
    return b"" if body is None else json.dumps(body).encode()


@dataclass(frozen=True)
class Attack:
    """`answers` has the status of each item, or the code of its refusal. If it is no list, the batch is refused so.

    `members` stand in the batch beside its items, and `around` is entered before it is sent.
    """

    answers: list[int | str] | int | str
    items: Sequence[Item]
    sender: Sender = field(default_factory=Sender)
    site: Mapping[str, Any] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)
    around: Callable[[], AbstractContextManager[object]] = nullcontext

    @contextmanager
    def on_site(self) -> Iterator[None]:
        """The site that is attacked."""
        with override_settings(**self.site), self.around():
            yield

    def on(self, road: Road) -> Attack:
        """The attack, which goes this way."""
        return replace(
            self, sender=replace(self.sender, road=road), site=road.settings("tests.attacks.site", **self.site)
        )

    @property
    def expected(self) -> list[int | str]:
        """What is expected of each item."""
        return self.answers if isinstance(self.answers, list) else [self.answers] * len(self.items)

    @property
    def may_be_refused(self) -> bool:
        """Whether the batch may be refused as a whole, be it for one of its items."""
        return self.sender.content_type != JSON or any(
            isinstance(each, str) or self.answers == each for each in self.expected
        )

    def where(self, says: Callable[[Item], bool]) -> Attack:
        """The attack without items that have no form."""
        kept = [pair for pair in zip(self.items, self.expected, strict=True) if says(pair[0])]
        answers = [answer for _, answer in kept] if isinstance(self.answers, list) else self.answers
        return replace(self, items=[item for item, _ in kept], answers=answers)

    def each(self) -> Iterator[Attack]:
        """Of several items that do not need each other, each by itself."""
        if len(self.items) > 1:
            for item, answer in zip(self.items, self.expected, strict=True):
                yield replace(self, items=[item], answers=[answer] if isinstance(self.answers, list) else answer)


def get(url: str, **members: Any) -> Item:
    return {"path": url, **members}


def post(url: str, body: object = None, **members: Any) -> Item:
    return {"method": "POST", "path": url, "body": body or {}, **members}


def with_header(name: str, value: str = "staff") -> Item:
    return get("/seen/", headers={name: value})


def said(body: bytes, content_type: str) -> Item:
    """An item that is answered with `body`."""
    return get(f"/say/?type={quote(content_type)}&body={urlsafe_b64encode(body).decode()}")


def authorized(value: str) -> Item:
    return get("/api/me/", headers={"Authorization": value})
