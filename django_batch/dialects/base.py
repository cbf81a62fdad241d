"""A dialect reads the bytes of a request into a `Batch`, and writes subresponses into the bytes of an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import ClassVar

import msgspec

from django_batch.core.messages import Batch, Subresponse
from django_batch.errors import BatchError


@dataclass(frozen=True, slots=True)
class Envelope:
    """The request that carries a batch: its body as it came, and its absolute URL."""

    body: bytes
    content_type: str
    url: str
    max_requests: int


class Writer(ABC):
    """Writes the answer to one batch, piece by piece: `begin`, `write` for each subresponse in order, `end`."""

    def begin(self) -> bytes:
        """What stands before the first subresponse."""
        return b""

    @abstractmethod
    def write(self, subresponse: Subresponse) -> bytes:
        """One subresponse, with what separates it from the one before."""

    def end(self) -> bytes:
        """What stands behind the last subresponse."""
        return b""


class Dialect(ABC):
    """A wire format. An instance holds options only, and serves any number of batches at once."""

    media_type: ClassVar[str]
    content_type: str = "application/json"
    error_content_type: str = "application/problem+json"
    status: int = 207

    @abstractmethod
    def parse(self, envelope: Envelope) -> Batch:
        """The batch in `envelope`. Raises `BatchError` if there is none to be read; `Batch.faults` tells the rest."""

    @abstractmethod
    def writer(self, batch: Batch) -> Writer:
        """A writer for the answer to `batch`."""

    def write(self, batch: Batch, subresponses: Iterable[Subresponse]) -> bytes:
        """The whole answer to `batch`."""
        writer = self.writer(batch)
        answer = BytesIO()  # one buffer that grows, so that an answer is never held in pieces and joined
        answer.write(writer.begin())
        for subresponse in subresponses:
            answer.write(writer.write(subresponse))
        answer.write(writer.end())
        return answer.getvalue()

    def write_error(self, error: BatchError) -> bytes:
        """The refusal of a whole batch, in `error_content_type`."""
        return msgspec.json.encode(error.problem())
