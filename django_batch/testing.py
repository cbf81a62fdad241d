"""For the tests of a site: a client that sends batches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from django.urls import reverse
from rest_framework.test import APIClient


class BatchClient(APIClient):
    """DRF's `APIClient`, which also sends batches.

    A view that raises is its item's 500, as it is for a real client, unless `raise_request_exception=True` is given.
    """

    def __init__(self, *, raise_request_exception: bool = False, **defaults: Any) -> None:
        super().__init__(raise_request_exception=raise_request_exception, **defaults)

    def batch(
        self, requests: Sequence[Mapping[str, Any]], *, path: str | None = None, **members: Any
    ) -> list[dict[str, Any]]:
        """The answers to `requests`, in their order. `members` stand beside them, such as `atomic=True`.

        `path` is by default that of `django_batch.urls`. Raises `AssertionError` if the whole batch is refused.
        """
        response = self.send_batch({"requests": requests, **members}, path=path)
        assert response.status_code == 207, f"{response.status_code}: {response.content.decode(errors='replace')}"
        return cast("list[dict[str, Any]]", response.json()["responses"])

    def send_batch(self, content: object, *, path: str | None = None) -> Any:
        """The response to the whole batch, whatever it is. `content` is its JSON value, or its exact bytes."""
        data = content if isinstance(content, bytes) else json.dumps(content)
        return self.post(path or reverse("django_batch:batch"), data, content_type="application/json")
