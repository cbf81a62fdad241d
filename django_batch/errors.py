"""Every refusal of a batch, of a sub-request, and of a group's commit.

An error says what was found, where (a JSON Pointer into the batch) and what to do instead; `problem()` is how it
travels (RFC 9457). Errors are raised where they are noticed and caught in two places: the view, which refuses the whole
batch, and the flow, which answers one sub-request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http.client import responses
from typing import ClassVar

_LONGEST = 5_000  # characters of a detail: what a sender wrote is quoted in it, and may be as long as the whole batch


class BatchError(Exception):
    """A refusal with a fixed `status` and `code`. `errors` tells each thing that is wrong; by default, this one."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "malformed"

    def __init__(
        self,
        detail: str,
        *,
        pointer: str = "",
        errors: Sequence[BatchError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        detail = detail if len(detail) <= _LONGEST else f"{detail[:_LONGEST]} …"
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        self.errors = tuple(errors) or (self,)
        self.headers = dict(headers or {})

    def problem(self, *, status: int | None = None) -> dict[str, object]:
        """The problem details object (RFC 9457 §3), with `code` and `errors` as its extensions."""
        status = status or self.status
        return {
            "type": "about:blank",
            "title": responses.get(status, "Unknown Status Code"),  # as Django's: a view may have one of its own
            "status": status,
            "detail": self.detail,
            "code": self.code,
            "errors": [{"pointer": error.pointer, "detail": error.detail} for error in self.errors],
        }


def refusal(faults: Sequence[BatchError]) -> BatchError:
    """One error that tells of all `faults`, with the status and code of the first."""
    first = faults[0]
    detail = first.detail if len(faults) == 1 else f"{len(faults)} errors, the first: {first.detail}"
    return type(first)(detail, pointer=first.pointer, errors=faults)


# Refusals of the whole batch: nothing is run.


class Malformed(BatchError):
    """The batch cannot be read, or one of its members is missing, mistyped or unknown."""


class DuplicateId(BatchError):
    """Two sub-requests have the same id, or an id is also the name of a group."""

    code = "duplicate_id"


class UnknownDependency(BatchError):
    """A sub-request depends on what is no id or group of the batch."""

    code = "unknown_dependency"


class DependencyCycle(BatchError):
    """Sub-requests wait for each other, so that none can be first."""

    code = "dependency_cycle"


class TooManyRequests(BatchError):
    """The batch has more sub-requests than `MAX_REQUESTS`."""

    status = 413
    code = "too_many_requests"


class TooLarge(BatchError):
    """The batch has more bytes than `MAX_SIZE`."""

    status = 413
    code = "too_large"


class UnsupportedMediaType(BatchError):
    """The batch is not in the media type of its dialect."""

    status = 415
    code = "unsupported_media_type"


# Refusals of one sub-request: the others go on.


class HeaderNotAllowed(BatchError):
    """A sub-request sets a header that it may not set, or not to this value."""

    code = "header_not_allowed"


class NestedBatch(BatchError):
    """A sub-request reached a batch view."""

    status = 403
    code = "nested_batch"


class BatchExempt(BatchError):
    """A sub-request reached a view that is marked `@batch_exempt`."""

    status = 403
    code = "batch_exempt"


class OutsideScriptPrefix(BatchError):
    """The path of a sub-request is outside the script prefix, where this site answers nothing."""

    status = 404
    code = "not_found"


class MethodNotAllowed(BatchError):
    """The method of a sub-request is not on `METHODS`."""

    status = 405
    code = "method_not_allowed"


class BodyTooLarge(BatchError):
    """The body of a subresponse is past `MAX_RESPONSE_SIZE`. Its status and headers are kept."""

    status = 413
    code = "body_too_large"


class TimedOut(BatchError):
    """A sub-request was cancelled, as the time of the batch was over."""

    status = 504
    code = "timed_out"


# What was not done, or was undone (424: RFC 4918 §11.4), and why.


class FailedDependency(BatchError):
    """A sub-request was not run, as one that it depends on failed."""

    status = 424
    code = "failed_dependency"


class UnresolvedReference(BatchError):
    """A sub-request was not run, as a reference in it finds nothing, or nothing that can stand where it is."""

    status = 424
    code = "unresolved_reference"


class NotRun(BatchError):
    """A sub-request was not run, as the batch or its group had stopped before."""

    status = 424
    code = "not_run"


class RolledBack(BatchError):
    """A sub-request succeeded, and was rolled back with its group."""

    status = 424
    code = "rolled_back"


class TransactionBroken(BatchError):
    """A sub-request answered with success, but left its group's transaction unable to commit."""

    status = 500
    code = "transaction_broken"


class ConstraintViolated(BatchError):
    """A sub-request answered with success, but left rows that violate a deferred constraint."""

    status = 500
    code = "constraint_violated"


class CommitFailed(BatchError):
    """Every sub-request of a group succeeded, but the database refused the commit."""

    status = 500
    code = "commit_failed"


class OnCommitFailed(BatchError):
    """A sub-request was committed, but an `on_commit` hook of it raised."""

    status = 500
    code = "on_commit_failed"
