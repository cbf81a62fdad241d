"""The package's own log lines, as receivers of its signals: a line per batch and retry at INFO, per sub-request at DEBUG."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django_batch.core.messages import Subrequest, Subresponse

logger = logging.getLogger("django_batch")


def log_subrequest(*, subrequest: Subrequest, subresponse: Subresponse, duration: float, **kwargs: object) -> None:
    """One line for what one sub-request was answered."""
    logger.debug("%s %s: %d in %.3f s", subrequest.method, subrequest.path, subresponse.status, duration)


def log_retry(*, subrequests: Sequence[Subrequest], attempt: int, error: Exception, **kwargs: object) -> None:
    """One line for a group that is run again."""
    logger.info("Group of %d sub-requests is run again, retry %d: %s", len(subrequests), attempt, error)


def log_batch(*, subresponses: Sequence[Subresponse], duration: float, **kwargs: object) -> None:
    """One line for the whole batch."""
    failures = sum(subresponse.failed for subresponse in subresponses)
    logger.info("Batch of %d sub-requests, %d failed, in %.3f s", len(subresponses), failures, duration)
