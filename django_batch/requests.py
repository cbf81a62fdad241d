"""Which requests are sub-requests, and of which batch: for a site's middlewares and views.

A sub-request is Django's own request, of exactly the class that a server's request has. Its attribute `batch` is the
one thing that it has besides.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from msgspec import Struct, field

from django_batch.core.batch import Subrequest
from django_batch.core.limits import Counts


class RequestBatch(Struct, frozen=True, eq=False):
    """The batch that a sub-request belongs to.

    `request` is the one that carries the batch, `subrequest` is what its sender wrote. `can_roll_back` says whether
    the effects of the sub-request may be undone after it was answered: it is in a group or in a dry run. With
    `read_only`, its view cannot write. With `may_log_in` it may check credentials even then, because the site names its
    view in `GROUP_ALLOWED`. `counts` are those of the whole batch, for `@batch_limit`.
    """

    request: HttpRequest
    subrequest: Subrequest
    can_roll_back: bool = False
    read_only: bool = False
    counts: Counts = field(default_factory=Counts)
    may_log_in: bool = False


def batch_of(request: Any) -> RequestBatch | None:
    """The batch that `request` belongs to, or None for a request that was sent alone.

    It takes Django's requests and those of REST framework.
    """
    batch = getattr(request, "batch", None)
    return batch if isinstance(batch, RequestBatch) else None


def is_subrequest(request: Any) -> bool:
    """Whether `request` was built for an item of a batch."""
    return batch_of(request) is not None
