"""A client that sends batches, for the tests of a site.

It extends REST framework's `APIClient`, so logins, credentials and formats work as in a site's other tests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from django.urls import reverse
from rest_framework.test import APIClient


class BatchClient(APIClient):
    """REST framework's `APIClient`, which also sends batches.

    A view that raises an exception gives a 500 for its item, as it does for a real client. With
    `raise_request_exception=True` the exception reaches the test instead.
    """

    def __init__(self, *, raise_request_exception: bool = False, **defaults: Any) -> None:
        super().__init__(raise_request_exception=raise_request_exception, **defaults)

    def batch(
        self, requests: Sequence[Mapping[str, Any]], *, path: str | None = None, **members: Any
    ) -> list[dict[str, Any]]:
        """The answers to `requests`, in the same order.

        `members` are further members of the batch, such as `atomic=True`. `path` defaults to the URL of
        `django_batch.urls`. Raises `AssertionError` if the whole batch is refused.
        """
        response = self.send_batch({"requests": requests, **members}, path=path)
        assert response.status_code == 207, f"{response.status_code}: {response.content.decode(errors='replace')}"
        return cast("list[dict[str, Any]]", response.json()["responses"])

    def send_batch(self, content: object, *, path: str | None = None) -> Any:
        """The response to the whole batch, even if it is refused. `content` is a JSON value, or the exact bytes."""
        data = content if isinstance(content, bytes) else json.dumps(content)
        return self.post(path or reverse("django_batch:batch"), data, content_type="application/json")
