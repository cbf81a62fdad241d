"""A dialect reads the bytes of a request into a `Batch`, and writes subresponses into the bytes of an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from types import MappingProxyType
from typing import ClassVar

import msgspec
from msgspec import Struct

from django_batch.core.batch import Batch, File, Subresponse
from django_batch.core.media_types import media_type_of
from django_batch.errors import BatchError


class Form(Struct, frozen=True):
    """A form: of each name its values, or its files, in the order in which they came."""

    fields: Mapping[str, Sequence[str]]
    files: Mapping[str, Sequence[File]]


class Envelope(Struct, frozen=True):
    """The request that carries a batch: its body as it came, and its absolute URL.

    A form that the dialect reads is in `form`, and the body is empty; so is that of a form which it does not read.
    `headers` finds a name in any letter case. `query` is what stands behind the `?` of the URL.
    """

    body: bytes
    content_type: str
    url: str
    max_requests: int
    headers: Mapping[str, str] = {}
    form: Form | None = None
    query: str = ""


class Writer(ABC):
    """Writes the answer to one batch, piece by piece: `begin`, `write` for each subresponse in order, `end`.

    `status`, `content_type` and `headers` are those of the response that carries the answer. One that is `streamed` is
    sent piece by piece, while the batch runs: in request order, or, unless `in_order`, each answer as it is finished.
    """

    streamed: bool = False
    in_order: bool = True
    status: int = 207
    content_type: str = "application/json"
    headers: Mapping[str, str] = MappingProxyType({})

    def begin(self) -> bytes:
        """What stands before the first subresponse."""
        return b""

    @abstractmethod
    def write(self, subresponse: Subresponse) -> bytes:
        """One subresponse, with what separates it from the one before."""

    def end(self) -> bytes:
        """What stands behind the last subresponse."""
        return b""

    def whole(self, subresponses: Iterable[Subresponse]) -> bytes:
        """The whole answer at once."""
        answer = BytesIO()  # one buffer that grows, so that an answer is never held in pieces and joined
        answer.write(self.begin())
        for subresponse in subresponses:
            answer.write(self.write(subresponse))
        answer.write(self.end())
        return answer.getvalue()


class Dialect(ABC):
    """A wire format. An instance holds options only, and serves any number of batches at once.

    `media_types` are those of the batches that it reads, in lower case; "" stands for a request that names none.
    `max_requests` is its own limit of sub-requests in one batch, within that of the view.
    """

    media_types: ClassVar[tuple[str, ...]]
    error_content_type: str = "application/problem+json"
    max_requests: int | None = None

    @abstractmethod
    def parse(self, envelope: Envelope) -> Batch:
        """The batch in `envelope`. Raises `BatchError` if there is none to be read; `Batch.faults` tells the rest."""

    @abstractmethod
    def writer(self, batch: Batch) -> Writer:
        """A writer for the answer to `batch`."""

    def write_error(self, error: BatchError) -> bytes:
        """The refusal of a whole batch, in `error_content_type`."""
        return msgspec.json.encode(error.problem())


def choose(dialects: Sequence[Dialect], content_type: str) -> Dialect:
    """The one of `dialects` that reads `content_type`, else the first, which refuses it."""
    if len(dialects) == 1:
        return dialects[0]
    media_type = media_type_of(content_type)
    return next((dialect for dialect in dialects if media_type in dialect.media_types), dialects[0])
