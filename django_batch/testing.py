"""Clients that send batches, for the tests of a site.

They extend the test clients of REST framework and Django, so logins, credentials and formats work as in a site's other
tests. What they send and return is typed, so that a type checker finds a misspelt member before the test runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NotRequired, TypedDict, Unpack, cast

from django.apps import apps
from django.db import connections, router
from django.test import AsyncClient
from django.urls import reverse
from rest_framework.test import APIClient


class Item(TypedDict, total=False):
    """A sub-request, as it is written in the native format."""

    id: str
    method: str
    path: str
    url: str
    headers: Mapping[str, str]
    body: object
    body_base64: str
    depends_on: str | Sequence[str]
    atomicity_group: str
    omit_body: bool
    files: Mapping[str, str | Sequence[str]]


class Members(TypedDict, total=False):
    """What a batch may say beside its requests."""

    atomic: bool
    continue_on_error: bool
    dry_run: bool
    read_only: bool
    parallel: bool
    timing: bool


class Answer(TypedDict):
    """The answer to an item."""

    id: str
    status: int
    headers: dict[str, str]
    body: Any
    body_base64: NotRequired[str]
    atomicity_group: NotRequired[str]
    duration: NotRequired[float]


class BatchClient(APIClient):
    """REST framework's `APIClient`, which also sends batches.

    A view that raises an exception gives a 500 for its item, as it does for a real client. With
    `raise_request_exception=True` the exception reaches the test instead.
    """

    def __init__(self, *, raise_request_exception: bool = False, **defaults: Any) -> None:
        super().__init__(raise_request_exception=raise_request_exception, **defaults)

    def batch(self, requests: Sequence[Item], *, path: str | None = None, **members: Unpack[Members]) -> list[Answer]:
        """The answers to `requests`, in the same order.

        `members` are further members of the batch, such as `atomic=True`. `path` defaults to the URL of
        `django_batch.urls`. Raises `AssertionError` if the whole batch is refused.
        """
        return _answers(self.send_batch({"requests": requests, **members}, path=path))

    def send_batch(self, content: object, *, path: str | None = None) -> Any:
        """The response to the whole batch, even if it is refused. `content` is a JSON value, or the exact bytes."""
        return self.post(path or _path(), _bytes(content), content_type="application/json")


class AsyncBatchClient(AsyncClient):
    """Django's `AsyncClient`, which also sends batches, to the site as an ASGI application."""

    def __init__(self, *, raise_request_exception: bool = False, **defaults: Any) -> None:
        super().__init__(raise_request_exception=raise_request_exception, **defaults)

    async def batch(
        self, requests: Sequence[Item], *, path: str | None = None, **members: Unpack[Members]
    ) -> list[Answer]:
        """As `BatchClient.batch`."""
        return _answers(await self.send_batch({"requests": requests, **members}, path=path))

    async def send_batch(self, content: object, *, path: str | None = None) -> Any:
        """As `BatchClient.send_batch`."""
        return await self.post(path or _path(), _bytes(content), content_type="application/json")


def _path() -> str:
    return reverse("django_batch:batch")


def _bytes(content: object) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def _answers(response: Any) -> list[Answer]:
    assert response.status_code == 207, f"{response.status_code}: {response.content.decode(errors='replace')}"
    return cast("list[Answer]", response.json()["responses"])


def assert_atomic(client: BatchClient, requests: Sequence[Item], *, path: str | None = None) -> None:
    """Assert that a group of `requests` leaves nothing in any database if it fails at its end.

    They are sent with one more request, whose method no site allows. Each of them has to succeed until then, and to be
    rolled back. All rows of all models are compared.
    """
    before = _rows()
    last: Item = {"method": "FAIL", "path": "/"}
    *answers, _ = client.batch([*requests, last], path=path, atomic=True)
    for answer in answers:
        code = answer["body"].get("code") if isinstance(answer["body"], dict) else None
        assert (answer["status"], code) == (424, "rolled_back"), f"The group failed too early, at {answer}"
    after = _rows()
    changed = [name for name, rows in after.items() if rows != before[name]]
    assert not changed, f"The group was rolled back, but it has changed the rows of {', '.join(changed)}."


def _rows() -> dict[str, list[str]]:
    """The rows of each model in each database."""
    return {f"{model} in {alias!r}": rows for alias in connections for model, rows in _rows_of(alias)}


def _rows_of(alias: str) -> Iterator[tuple[str, list[str]]]:
    for model in apps.get_models():
        if model._meta.managed and router.allow_migrate_model(alias, model):
            yield model._meta.label, sorted(map(repr, model._base_manager.using(alias).values_list()))
