"""A bookshop whose jobs run on the thread of the test, and clients of its senders."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from django_batch.jobs.models import Answer, Chunk, Item, Job
from tests.jobs import urls
from tests.jobs.engines import Inline


class Sender(Client):
    """A client that sends batches and asks for jobs, as one user."""

    def batch(self, content: object, path: str = "/batch/", **headers: str) -> Any:
        data = content if isinstance(content, bytes | str) else json.dumps(content)
        return self.post(path, data, content_type="application/json", headers=headers)

    def later(self, content: object, path: str = "/batch/", **headers: str) -> Any:
        return self.batch(content, path, Prefer="respond-async", **headers)

    def lines(self, items: Any, path: str = "/batch/jobs/", **headers: str) -> Any:
        data = items if isinstance(items, bytes) else b"".join(json.dumps(each).encode() + b"\n" for each in items)
        return self.post(path, data, content_type="application/jsonl", headers=headers)

    def answers(self, job: Any, query: str = "") -> list[Any]:
        response = self.get(job.json()["answers"] + query)
        assert response.status_code == 200, response.content
        *lines, end = response.getvalue().split(b"\n")
        assert end == b""
        return [json.loads(line) for line in lines]


def sender(name: str | None = "ada", **options: Any) -> Sender:
    headers = {"Authorization": f"Token {name}-token"} if name else {}
    return Sender(headers=headers, SERVER_NAME="localhost", raise_request_exception=False, **options)


@pytest.fixture
def ada() -> Sender:
    return sender("ada")


@pytest.fixture
def ben() -> Sender:
    return sender("ben")


@pytest.fixture
def engine(settings) -> Inline:
    """An engine that runs chunks at once."""
    chosen = Inline()
    settings.JOBS = {"ENGINE": chosen, "KEEP": True}
    return chosen


@pytest.fixture
def shop(bookshop, engine, settings):
    """The bookshop and the views of `urls.py`, without any jobs. Calling it puts everything back."""
    settings.ROOT_URLCONF = "tests.jobs.urls"
    urls.during.clear()

    def restore() -> None:
        for model in (Answer, Item, Chunk, Job):
            model.objects.all().delete()
        bookshop()

    restore()
    yield restore
    urls.during.clear()
