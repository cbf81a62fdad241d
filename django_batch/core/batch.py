"""The values that travel through a batch: `Batch` and `Subrequest` in, `Subresponse` out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http.cookies import Morsel

from msgspec import Struct

from django_batch.errors import BatchError

# Structs: frozen as a dataclass is, at a tenth of what one costs to make; 4 % of a plain view.


class Reference(Struct, frozen=True):
    """The span of `place` that is filled in with what `query` finds in the answer to `id`.

    `place` is "path", "body" or "headers/" and a name. `query` takes the answer as the native format shows it, and
    raises `LookupError`. `write` makes a text of what it finds, or raises `ValueError`; by default its place decides.
    `text` is the reference as it was written, for errors.
    """

    place: str
    start: int
    end: int
    id: str
    query: Callable[[object], object]
    text: str
    write: Callable[[object], str] | None = None


class File(Struct, frozen=True):
    """A file that came with a batch, for the form field `field` of a sub-request.

    `read` takes a position and a number of bytes. Any number of sub-requests may read at once. `content_type` is empty
    if the sender named none.
    """

    field: str
    name: str
    content_type: str
    size: int
    read: Callable[[int, int], bytes]


class Subrequest(Struct, frozen=True):
    """One request of a batch, as its sender wrote it.

    `path` is origin-form (RFC 9112 §3.2.1), percent-encoded, with its query. `body` are the exact bytes for the view.
    `depends_on` holds ids and group names. `pointer` is the JSON Pointer to its place in the batch, for errors.
    `references` are in the order of their spans. With `omit_body`, a success is answered without its body.
    `condition` decides whether it is run, by which of `depends_on` succeeded, or raises `ValueError`; without one, all
    of them have to. With `files` it is sent as multipart/form-data, and `body` are its other fields, urlencoded.
    """

    id: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | memoryview = b""
    depends_on: tuple[str, ...] = ()
    atomicity_group: str | None = None
    pointer: str = ""
    references: tuple[Reference, ...] = ()
    omit_body: bool = False
    condition: Callable[[Mapping[str, bool]], bool] | None = None
    files: tuple[File, ...] = ()


class Batch(Struct, frozen=True):
    """The sub-requests of one batch, in the order of their sender.

    `parallel` lets an executor that can run steps side by side. With `dry_run`, all of it is rolled back in the end.
    With `lenient`, headers that a sub-request may not set are left out of it instead of refusing it.
    `faults` are errors found while reading; a batch that has any is never run. `layout` is what a dialect remembers
    from reading to writing, and means nothing to anyone else.
    """

    subrequests: tuple[Subrequest, ...]
    atomic: bool = False
    continue_on_error: bool = True
    parallel: bool = False
    dry_run: bool = False
    lenient: bool = False
    faults: tuple[BatchError, ...] = ()
    layout: object = None


class Subresponse(Struct, frozen=True):
    """The answer to one sub-request.

    Where `error` is set it stands for the body, which the dialect writes in its own form. `cookies` are those that it
    sets, each with an explicit Path; they are never in `headers`. `duration` is in seconds.
    """

    subrequest: Subrequest
    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    cookies: tuple[Morsel[str], ...] = ()
    error: BatchError | None = None
    duration: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether what depends on it may not run: a redirect is no failure."""
        return self.status >= 400

    @classmethod
    def refused(cls, subrequest: Subrequest, error: BatchError, *, duration: float = 0.0) -> Subresponse:
        """The answer that `error` is. No cookie outlives it."""
        return cls(subrequest, error.status, error.headers, error=error, duration=duration)
