"""The items of a job, read again from what its sender wrote."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.urls import resolve
from django.utils.datastructures import CaseInsensitiveMapping
from msgspec import Raw
from rest_framework.request import Request

from django_batch.core.batch import Batch, Subrequest
from django_batch.dialects.base import Dialect, Envelope
from django_batch.dialects.native import NativeDialect
from django_batch.dialects.native.items import read_item
from django_batch.dialects.native.queries import Compiler
from django_batch.dialects.shared.forms import FileParts
from django_batch.dialects.shared.json_text import masked
from django_batch.jobs.environ import request_for
from django_batch.jobs.models import Job
from django_batch.views import BatchView

_HEADERS = ("Accept", "DataServiceVersion", "MaxDataServiceVersion", "OData-MaxVersion", "OData-Version", "Prefer")


def view_of(job: Job) -> BatchView:
    """The batch view that accepted `job`, with its options of today. Raises `LookupError` if it is there no more."""
    match = resolve(job.path, job.urlconf or None)  # Resolver404 is no LookupError
    kind = getattr(match.func, "view_class", None)
    if not isinstance(kind, type) or not issubclass(kind, BatchView):
        raise LookupError(f"{job.path} leads to no batch view any more.")
    view = kind(**getattr(match.func, "view_initkwargs", {}))
    sent = request_for(job.sender["environ"], job.path, content_type=job.envelope.get("content_type", ""))
    view.request, view.args, view.kwargs = Request(sent), match.args, match.kwargs
    return view


def recorded_envelope(envelope: Envelope) -> dict[str, Any]:
    """What a job keeps of `envelope` besides its body."""
    headers = {name: envelope.headers[name] for name in _HEADERS if name in envelope.headers}
    return {"content_type": envelope.content_type, "headers": headers}


def dialect_of(job: Job, view: BatchView) -> Dialect:
    """The dialect in which `job` came, which is also that of its answer."""
    return NativeDialect() if job.body is None else view.get_dialect()


def batch_of(job: Job, view: BatchView) -> Batch:
    """The whole batch of a job that came in a dialect."""
    return view.get_dialect().parse(_envelope(job, view, bytes(job.body or b"")))


def subrequests_of(job: Job, view: BatchView, positions: Collection[int]) -> Mapping[int, Subrequest]:
    """The sub-requests at `positions`."""
    if job.body is not None:
        every = batch_of(job, view).subrequests
        return {position: every[position] for position in positions}
    envelope = _envelope(job, view, b"")
    items = job.item_set.filter(position__in=positions)
    return {item.position: line_of(envelope, bytes(item.content), item.position) for item in items.iterator()}


def line_of(envelope: Envelope, content: bytes, position: int) -> Subrequest:
    """The sub-request in a line. Raises `Malformed`."""
    return read_item(envelope, FileParts(None), Compiler(), Raw(masked(content)), position, f"/{position}")


def _envelope(job: Job, view: BatchView, body: bytes) -> Envelope:
    from django_batch.execution.requests.factory import absolute_url  # late: Django's test tools lie beside it

    return Envelope(
        body,
        content_type=job.envelope.get("content_type", "application/json"),
        url=absolute_url(view.request._request),
        max_requests=max(job.total, 1),
        headers=CaseInsensitiveMapping(job.envelope.get("headers", {})),
    )
