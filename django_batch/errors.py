"""Every refusal of a batch, of a sub-request, and of a group's commit.

An error says what was found, where (a JSON Pointer into the batch) and what to do instead. `problem()` gives the form
in which it is sent (RFC 9457). Errors are raised where they are noticed and caught in two places: the view refuses the
whole batch, and `answering` answers one sub-request. Wrong settings are not here: they are `ImproperlyConfigured`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http.client import responses
from typing import ClassVar

_LONGEST = 5_000  # characters of a detail. It quotes what a sender wrote, which may be as long as the whole batch.


class BatchError(Exception):
    """A refusal with a fixed `status` and `code`. `errors` lists each thing that is wrong, by default only this one."""

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
        self.headers = dict(headers or {})
        self._errors = tuple(errors)

    @property
    def errors(self) -> tuple[BatchError, ...]:
        """Each thing that is wrong."""
        # The default is not stored: an error that held itself would keep its traceback, and so the batch, in memory.
        return self._errors or (self,)

    def problem(self, *, status: int | None = None) -> dict[str, object]:
        """The problem details object (RFC 9457 §3), with `code` and `errors` as its extensions."""
        status = status or self.status
        return {
            "type": "about:blank",
            "title": responses.get(status, "Unknown Status Code"),  # Django's phrase for a status that it does not know
            "status": status,
            "detail": self.detail,
            "code": self.code,
            "errors": [{"pointer": error.pointer, "detail": error.detail} for error in self.errors],
        }


def refusal(faults: Sequence[BatchError]) -> BatchError:
    """One error that reports all `faults`, with the status and code of the first."""
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
    """A sub-request depends on a name that no sub-request or group of the batch has."""

    code = "unknown_dependency"


class DependencyCycle(BatchError):
    """Some sub-requests wait for each other, so none of them can start."""

    code = "dependency_cycle"


class TooManyRequests(BatchError):
    """The batch has more sub-requests than `MAX_REQUESTS`."""

    status = 413
    code = "too_many_requests"


class TooLarge(BatchError):
    """The batch has more bytes than `MAX_SIZE`."""

    status = 413
    code = "too_large"


class KeyReused(BatchError):
    """An idempotency key was sent before, with another batch or item."""

    status = 422
    code = "key_reused"


class InProgress(BatchError):
    """The batch, or an item, with this idempotency key is being run, or the job is not over yet."""

    status = 409
    code = "in_progress"


class CannotBeKept(BatchError):
    """The batch cannot become a job: it has files or credentials, or its dialect or its sender cannot be stored."""

    code = "cannot_be_kept"


class TooManyJobs(BatchError):
    """The sender has `MAX_JOBS` jobs that are not over."""

    status = 429
    code = "too_many_jobs"


class JobExpired(BatchError):
    """The answers of the job were kept for their time, and are not any more."""

    status = 410
    code = "job_expired"


class StorageFailed(BatchError):
    """The database refused to store the job. Nothing of it was kept, and nothing was run."""

    status = 503
    code = "storage_failed"


class UnsupportedMediaType(BatchError):
    """The batch is not in the media type of its dialect."""

    status = 415
    code = "unsupported_media_type"


class DryRunNotAllowed(BatchError):
    """The batch asks for a dry run, but the site does not allow dry runs (`DRY_RUN`)."""

    status = 403
    code = "dry_run_not_allowed"


class UnsafeMethod(BatchError):
    """An item of a read-only batch has a method that may write, or a header that may change its method."""

    code = "unsafe_method"


class ChainFailed(BatchError):
    """A middleware of the site cannot be created a second time, so no sub-request can be answered."""

    status = 500
    code = "chain_failed"


# Refusals of one sub-request: the others are still run.


class HeaderNotAllowed(BatchError):
    """A sub-request sets a header that it may not set, or gives it a value that it may not have."""

    code = "header_not_allowed"


class BatchLimitExceeded(BatchError):
    """More sub-requests than the site allows in one batch are for the same view (`LIMITS`, `@batch_limit`).

    If this is known before the batch is run, the whole batch is refused.
    """

    status = 413
    code = "batch_limit_exceeded"


class NestedBatch(BatchError):
    """A sub-request reached a batch view."""

    status = 403
    code = "nested_batch"


class BatchExempt(BatchError):
    """A sub-request reached a view that is marked `@batch_exempt`."""

    status = 403
    code = "batch_exempt"


class GroupExempt(BatchError):
    """A sub-request in a group or a dry run reached a view that checks credentials or may not be undone."""

    status = 403
    code = "group_exempt"


class WriteRefused(BatchError):
    """A sub-request of a read-only batch reached a view that would have written."""

    status = 403
    code = "write_refused"


class SubrequestFailed(BatchError):
    """A sub-request failed, and the site's own error page failed too."""

    status = 500
    code = "subrequest_failed"


class OutsideScriptPrefix(BatchError):
    """The path of a sub-request is outside the script prefix, where this site answers nothing."""

    status = 404
    code = "not_found"


class SenderGone(BatchError):
    """A sub-request of a job was not run because its sender may not act any more."""

    status = 401
    code = "sender_gone"


class MethodNotAllowed(BatchError):
    """The method of a sub-request is not on `METHODS`."""

    status = 405
    code = "method_not_allowed"


class BodyTooLarge(BatchError):
    """The body of a subresponse is larger than `MAX_RESPONSE_SIZE` allows. Its status and headers are kept."""

    status = 413
    code = "body_too_large"


class TimedOut(BatchError):
    """A sub-request was cancelled because the time of the batch was over."""

    status = 504
    code = "timed_out"


# The answers of sub-requests that were not run, or were undone (424: RFC 4918 §11.4).


class FailedDependency(BatchError):
    """A sub-request was not run because one that it depends on failed."""

    status = 424
    code = "failed_dependency"


class UnresolvedReference(BatchError):
    """A sub-request was not run because a reference in it finds nothing, or a value that cannot stand in its place."""

    status = 424
    code = "unresolved_reference"


class NotRun(BatchError):
    """A sub-request was not run because the batch or its group had stopped before."""

    status = 424
    code = "not_run"


class RolledBack(BatchError):
    """A sub-request succeeded, but was rolled back with its group."""

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


class OutcomeUnknown(BatchError):
    """The connection was lost during the commit of a group, so nobody knows whether the group was committed."""

    status = 500
    code = "outcome_unknown"


class CommitFailed(BatchError):
    """Every sub-request of a group succeeded, but the database refused the commit."""

    status = 500
    code = "commit_failed"


class OnCommitFailed(BatchError):
    """A sub-request was committed, but one of its `on_commit` hooks raised."""

    status = 500
    code = "on_commit_failed"
