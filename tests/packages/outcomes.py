"""A site to which the same requests are sent alone and in a batch, and what comes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.core.management import call_command

from tests.roads import Road, RoadClient, answered_by

SERIAL, THREADS, LOOP = Road("serial"), Road("threads"), Road("loop", asgi=True)
TOKEN = "t" * 32
Requests = Sequence[dict[str, Any]]
Read = Callable[[], Any]


class Outcome(NamedTuple):
    """What the sender was told, as status and body, and what was left on the site."""

    answers: list[tuple[int, Any]]
    traces: Any

    @property
    def statuses(self) -> list[int]:
        return [status for status, _ in self.answers]


class Site:
    """Sends requests of a user to the site of this process, which has no other rows before."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings
        self._urlconf = settings.ROOT_URLCONF
        self._batch = getattr(settings, "BATCH", {})

    def take(self, road: Road) -> None:
        """Let all batches go this way."""
        for name, value in road.settings(self._urlconf, BATCH=self._batch).items():
            setattr(self._settings, name, value)

    def client(self, road: Road, *, logged_in: bool = True) -> RoadClient:
        """A client of a site that is as new, with a user."""
        self.take(road)
        call_command("flush", verbosity=0, interactive=False)
        for cache in caches.all(initialized_only=True):
            cache.clear()
        client = road.client()
        client.handler = answered_by(road.application)  # through Django's own handler, which some packages change
        user = get_user_model().objects.create_superuser("ada", "ada@example.com", "pw")
        if logged_in:
            client.force_login(user)
        client.cookies["csrftoken"] = TOKEN
        client.credentials(HTTP_X_CSRFTOKEN=TOKEN)
        return client

    def alone(self, road: Road, requests: Requests, read: Read = list) -> Outcome:
        """What comes of `requests`, sent one after another. `read` returns what they left on the site."""
        client = self.client(road)
        return Outcome([sent(client, each) for each in requests], read())

    def batch(self, road: Road, requests: Requests, read: Read = list, **members: Any) -> Outcome:
        """What comes of `requests` in one batch, whose steps run side by side if they can."""
        members = {"parallel": road.executor != "serial", **members}
        answers = self.client(road).batch(requests, **members)
        return Outcome([(each["status"], each["body"]) for each in answers], read())


def sent(client: RoadClient, request: dict[str, Any]) -> tuple[int, Any]:
    """What `client` is answered when it sends an item of a batch alone, as status and body."""
    headers = {"Accept": "application/json", **request.get("headers", {})}
    content_type = headers.pop("Content-Type", "application/json")
    body = request.get("body", "")
    if body and content_type == "application/json":
        body = json.dumps(body)
    method = request.get("method", "GET")
    response = client.generic(method, request["path"], body, content_type=content_type, headers=headers)
    try:
        return response.status_code, json.loads(response.content or "null")
    except ValueError:
        return response.status_code, response.content.decode()
