"""The place where `django_batch.jobs` joins in, so that nothing else has to import it.

The app sets `keeper` when it is installed. Without it, every batch is run and forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from django.http import HttpResponseBase
from rest_framework.request import Request

from django_batch.errors import CannotBeKept

if TYPE_CHECKING:
    from django_batch.core.batch import Batch
    from django_batch.dialects.base import Dialect, Envelope


class Keeper(Protocol):
    """What keeps batches and their answers."""

    def answer(
        self, view: Any, request: Request, batch: Batch, *, dialect: Dialect, envelope: Envelope
    ) -> HttpResponseBase | None:
        """The response to a batch that is to be kept, or None for one that is only run."""

    def record_sender(self, view: Any, request: Request) -> dict[str, Any]:
        """What has to be known later to act in the name of the sender of `request`, as JSON, without any secret."""

    def restore_sender(self, view: Any, user_key: str, record: dict[str, Any]) -> Any:
        """The sender that `record` describes, as it is now, or None if it may not act any more."""


keeper: Keeper | None = None


def answer(
    view: Any, request: Request, batch: Batch, *, dialect: Dialect, envelope: Envelope
) -> HttpResponseBase | None:
    """The response to a batch that is to be kept, or None. Raises `CannotBeKept` if it asks for that in vain."""
    if keeper is not None:
        return keeper.answer(view, request, batch, dialect=dialect, envelope=envelope)
    check_keys(batch, kept=False)
    return None


def check_keys(batch: Batch, *, kept: bool) -> bool:
    """Whether an item has a key of its own. Raises `CannotBeKept` if the batch is not `kept`, but run and forgotten."""
    keyed = next((each for each in batch.subrequests if each.idempotency_key is not None), None)
    if keyed is not None and not kept:
        detail = "This URL keeps no batches, so it would do the item again. Send it without 'idempotency_key'."
        raise CannotBeKept(detail, pointer=f"{keyed.pointer}/idempotency_key")
    return keyed is not None
