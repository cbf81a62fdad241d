"""Batches that only read: which items they refuse before anything is run.

A safe method (RFC 9110 §9.2.1) asks for no change. A header that overrides the method could turn one into another on
its way to the view, so it has no place in a batch that only reads, whatever its value is.
"""

from __future__ import annotations

from collections.abc import Iterator

from django_batch.core.batch import SAFE_METHODS, Batch, Subrequest
from django_batch.core.names import listed
from django_batch.errors import UnsafeMethod

_OVERRIDES = frozenset({"x-http-method", "x-http-method-override", "x-method-override"})


def unsafe_items(batch: Batch) -> Iterator[UnsafeMethod]:
    """An error for every item of a read-only `batch` that may not be in one."""
    for subrequest in batch.subrequests if batch.read_only else ():
        if subrequest.method not in SAFE_METHODS:
            detail = f"The method {listed([subrequest.method])} may write, but the batch only reads. Send it with POST"
            yield UnsafeMethod(f"{detail}, and without 'read_only'.", pointer=f"{subrequest.pointer}/method")
        elif name := _override(subrequest):
            detail = f"The header {name!r} may change the method, but the batch only reads. Leave it out."
            yield UnsafeMethod(detail, pointer=f"{subrequest.pointer}/headers/{name}")


def _override(subrequest: Subrequest) -> str | None:
    return next((name for name, _ in subrequest.headers if name.lower() in _OVERRIDES), None)
