"""Answers that are whole, of batches that run on the loop of an ASGI server."""

from __future__ import annotations

from django.http import HttpResponse

from django_batch.dialects.base import Writer
from django_batch.execution.batch_run import BatchRun


class AwaitedAnswer(HttpResponse):
    """The answer that `writer` writes when `run` has ended, which is not before it has left the thread of the view."""

    def __init__(self, writer: Writer, run: BatchRun) -> None:
        super().__init__(status=writer.status, content_type=writer.content_type, headers=writer.headers)
        self.writer = writer
        self.run = run
