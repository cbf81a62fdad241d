"""A client of batches for other programs: it needs httpx, and no Django.

Two ways lead to a batch. The transports gather the requests that a program sends at the same time, without a change to
the code that sends them. `batch()` is for requests that belong together: it builds references between them and can make
them all or nothing.

Gathering must never change an answer. So a request that a batch cannot carry, or that the server refuses to answer in
one, is sent alone; and requests of different senders never share a `POST`.
"""

from django_batch.client.asynchronous import AsyncBatchTransport
from django_batch.client.builder import (
    AnswerValue,
    AsyncBatchBuilder,
    BatchBuilder,
    BatchFailed,
    BatchRefused,
    PlannedRequest,
    batch,
)
from django_batch.client.transport import BatchTransport

__all__ = [
    "AnswerValue",
    "AsyncBatchBuilder",
    "AsyncBatchTransport",
    "BatchBuilder",
    "BatchFailed",
    "BatchRefused",
    "BatchTransport",
    "PlannedRequest",
    "batch",
]
