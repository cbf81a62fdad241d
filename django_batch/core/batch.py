"""The values that travel through a batch: `Batch` and `Subrequest` in, `Subresponse` out.

All of them are frozen, so threads can share them, and a value that has to change is replaced by a new one. They are
msgspec structs and not dataclasses because those take much longer to create, and a batch creates several for each item.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http.cookies import Morsel

from msgspec import Struct
from msgspec.structs import replace

from django_batch.errors import BatchError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})  # RFC 9110 §9.2.1, RFC 10008 §2
_NOT_HERE = frozenset({301, 307, 308})  # redirects that ask the client to repeat the same request at another URL


class Reference(Struct, frozen=True):
    """A span of a sub-request that is replaced with the value that `query` finds in the answer to `id`.

    `place` is "path", "body" or "headers/" with a name. `query` takes the answer as the native format shows it, and
    raises `LookupError` if it finds nothing. `write` turns the value into text, or raises `ValueError`; without it, the
    place decides how the value is written. `text` is the reference as it was written, for errors.
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

    `read` takes a position and a number of bytes, and may be called on several threads at once. `content_type` is empty
    if the sender named none.
    """

    field: str
    name: str
    content_type: str
    size: int
    read: Callable[[int, int], bytes]


class Subrequest(Struct, frozen=True):
    """One request of a batch, as its sender wrote it.

    `path` is origin-form (RFC 9112 §3.2.1), percent-encoded, with its query. `body` holds the exact bytes for the view.
    `depends_on` holds ids and group names. `pointer` is the JSON Pointer to the item in the batch, for errors.
    `references` are in the order of their spans. With `omit_body`, a success is answered without its body.
    `condition` is told which names in `depends_on` succeeded, and decides whether the sub-request is run; it may raise
    `ValueError`. Without a condition, all of them have to succeed. With `files`, the sub-request is sent as
    multipart/form-data, and `body` holds its other fields, urlencoded. An item with an `idempotency_key` of its own is
    answered once, in whatever batches its sender repeats it.
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
    idempotency_key: str | None = None


class Batch(Struct, frozen=True):
    """The sub-requests of one batch, in the order in which they were sent.

    `parallel` allows an executor to run steps side by side. With `dry_run`, everything is rolled back in the end. With
    `read_only`, all sub-requests have safe methods, and no view writes. `faults` are errors found while reading; a
    batch with faults is never run. `layout` is a value that the dialect stores when it reads the batch and uses when it
    writes the answer. Nothing else looks at it.
    """

    subrequests: tuple[Subrequest, ...]
    atomic: bool = False
    continue_on_error: bool = True
    parallel: bool = False
    dry_run: bool = False
    read_only: bool = False
    faults: tuple[BatchError, ...] = ()
    layout: object = None


class Subresponse(Struct, frozen=True):
    """The answer to one sub-request.

    If `error` is set, the dialect writes the error in its own form in place of the body. `cookies` are the cookies that
    the answer sets, each with an explicit Path; they are never in `headers`. `duration` is in seconds. `reason` is the
    phrase beside the status (RFC 9112 §4), empty if it is the usual one. `started` is the moment when the sub-request
    was begun, in seconds of `time.perf_counter`, and `worker` the thread that ran it; both are 0 if it was not run.
    """

    subrequest: Subrequest
    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    cookies: tuple[Morsel[str], ...] = ()
    error: BatchError | None = None
    duration: float = 0.0
    reason: str = ""
    started: float = 0.0
    worker: int = 0

    @property
    def failed(self) -> bool:
        """Whether this is a failure, so that nothing that depends on it may run.

        A redirect that asks for the same request again is a failure of an unsafe method, because nothing has been
        changed yet. Other redirects are successes.
        """
        if self.status in _NOT_HERE:
            return self.subrequest.method not in SAFE_METHODS
        return self.status >= 400

    @classmethod
    def refused(cls, subrequest: Subrequest, error: BatchError) -> Subresponse:
        """The answer to `subrequest` that reports `error`. It sets no cookies."""
        return cls(subrequest, error.status, error.headers, error=error)

    def corrected(self, error: BatchError) -> Subresponse:
        """The answer that reports `error` in place of this one. It sets no cookies, and was run as this one was."""
        refused = self.refused(self.subrequest, error)
        return replace(refused, duration=self.duration, started=self.started, worker=self.worker)
