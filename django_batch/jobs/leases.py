"""Who runs a chunk: the worker that holds its lease, a random number that expires by the clock of the database.

A worker takes a lease by compare-and-set, and every answer is stored only while the lease is its own. So a worker that
was taken for dead, and is not, changes nothing any more.
"""

from __future__ import annotations

from datetime import timedelta
from secrets import randbits

from django.db.models import DateTimeField, ExpressionWrapper, Q
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from django_batch.jobs.conf import database, jobs_settings
from django_batch.jobs.models import Chunk

_BITS = 62


class LeaseLost(Exception):
    """Another worker has the chunk now. What this one has not committed is rolled back."""


def new_lease() -> int:
    """A number that no other worker has."""
    return randbits(_BITS)


def lease_end() -> ExpressionWrapper[CombinedExpression]:
    """The moment when a lease that is taken now expires, for a query."""
    return ExpressionWrapper(Now() + timedelta(seconds=jobs_settings.LEASE), output_field=DateTimeField())


def long_ago() -> ExpressionWrapper[CombinedExpression]:
    """The moment before which a chunk was submitted that was lost since, for a query."""
    return ExpressionWrapper(Now() - timedelta(seconds=jobs_settings.LEASE), output_field=DateTimeField())


FREE = Q(done=False) & (Q(lease_expires__isnull=True) | Q(lease_expires__lte=Now()))


def claim(chunk_id: int) -> Chunk | None:
    """The chunk, with a lease of the caller's own, or None if another worker has it, or it is done."""
    lease = new_lease()
    chunks = Chunk.objects.using(database())
    if not chunks.filter(FREE, pk=chunk_id).update(lease=lease, lease_expires=lease_end()):
        return None
    return chunks.select_related("job").filter(pk=chunk_id, lease=lease).first()
