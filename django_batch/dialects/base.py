"""The interface of dialects, which read bytes into a `Batch`, and write subresponses into the bytes of an answer.

A dialect knows one wire format and runs nothing. It writes an answer in pieces (`begin`, `write`, `end`), so the same
writer serves a whole body, a stream, and a stream under ASGI. Dialects import no Django: everything that they need of
the request is in its `Envelope`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from io import BytesIO
from types import MappingProxyType
from typing import ClassVar, TypeVar

import msgspec
from msgspec import Struct

from django_batch.core.batch import Batch, File, Subresponse
from django_batch.core.media_types import media_type_of
from django_batch.errors import BatchError, SubrequestFailed

T = TypeVar("T")
logger = logging.getLogger("django_batch")


class Form(Struct, frozen=True):
    """A form: the values and the files of each name, in the order in which they were sent."""

    fields: Mapping[str, Sequence[str]]
    files: Mapping[str, Sequence[File]]


class Envelope(Struct, frozen=True):
    """The request that carries a batch: its body as it was sent, and its absolute URL.

    If the request is a form, `body` is empty, and the form is in `form` if the dialect reads forms. `headers` finds a
    name in any letter case. `query` is the part of the URL behind the `?`.
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

    `status`, `content_type` and `headers` belong to the response that carries the answer. If `streamed` is set, the
    answer is sent piece by piece while the batch runs: in request order, or, without `in_order`, in the order in which
    sub-requests finish.
    """

    streamed: bool = False
    in_order: bool = True
    status: int = 207
    content_type: str = "application/json"
    headers: Mapping[str, str] = MappingProxyType({})

    def begin(self) -> bytes:
        """The bytes before the first subresponse."""
        return b""

    @abstractmethod
    def write(self, subresponse: Subresponse) -> bytes:
        """One subresponse, with the separator between it and the previous one.

        If this raises an exception, it is called again with a failure of the same sub-request, so it should change
        `self` only once nothing can fail any more.
        """

    def end(self) -> bytes:
        """The bytes behind the last subresponse."""
        return b""

    def whole(self, subresponses: Iterable[Subresponse]) -> bytes:
        """The whole answer at once."""
        answer = BytesIO()  # one growing buffer needs less memory than a list of pieces that are joined in the end
        answer.write(self.begin())
        for subresponse in subresponses:
            answer.write(written(self.write, subresponse))
        answer.write(self.end())
        return answer.getvalue()


class Dialect(ABC):
    """A wire format. An instance holds only options, so it can serve any number of batches at once.

    `media_types` lists the types of the batches that it reads, in lower case; "" stands for a request without a type.
    `max_requests` is the dialect's own limit of sub-requests in one batch. The view's limit applies as well. `name` and
    `features` tell a client what it meets at a URL; the features are "atomic", "dry_run", "parallel", "streaming",
    "references", "jsonpath", "files" and "read_only". With `can_be_kept`, a
    batch may become a job: it can be read again from its body, and its answer has a place to wait at. The format of a
    protocol that says how its clients wait has a `monitored` one, whose answer is that of the batch.
    """

    name: str = ""  # the name of the class, if it is empty
    features: Collection[str] = ()
    media_types: ClassVar[tuple[str, ...]]
    error_content_type: str = "application/problem+json"
    max_requests: int | None = None
    can_be_kept: bool = False
    monitored: bool = False

    @abstractmethod
    def parse(self, envelope: Envelope) -> Batch:
        """The batch in `envelope`.

        Raises `BatchError` if no batch can be read at all. Anything else that is wrong is added to `Batch.faults`.
        """

    @abstractmethod
    def writer(self, batch: Batch) -> Writer:
        """A writer for the answer to `batch`."""

    def write_error(self, error: BatchError) -> bytes:
        """The refusal of a whole batch, in `error_content_type`."""
        return msgspec.json.encode(error.problem())


def written(write: Callable[[Subresponse], T], subresponse: Subresponse) -> T:
    """The result of `write`. If it raises an exception, that is logged, and the answer is a 500 (`SubrequestFailed`).

    One answer that cannot be written must not cost the sender all others.
    """
    try:
        return write(subresponse)
    except Exception:
        subrequest = subresponse.subrequest
        logger.exception("The answer to sub-request %r could not be written", subrequest.id)
        error = SubrequestFailed("The answer to this sub-request could not be written.", pointer=subrequest.pointer)
        return write(subresponse.corrected(error))


def choose(dialects: Sequence[Dialect], content_type: str) -> Dialect:
    """The first of `dialects` that reads `content_type`. If none does, the first of all, which then refuses it."""
    if len(dialects) == 1:
        return dialects[0]
    media_type = media_type_of(content_type)
    return next((dialect for dialect in dialects if media_type in dialect.media_types), dialects[0])
