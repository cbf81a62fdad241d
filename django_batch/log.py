"""The package's own log lines, as receivers of its signals: INFO for batches and retries, DEBUG for sub-requests."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django_batch.core.batch import Subrequest, Subresponse

logger = logging.getLogger("django_batch")


def log_retry(*, subrequests: Sequence[Subrequest], attempt: int, error: Exception, **kwargs: object) -> None:
    """One line for a group that is run again."""
    logger.info("Group of %d sub-requests is run again, retry %d: %s", len(subrequests), attempt, error)


def log_batch(*, subresponses: Sequence[Subresponse], duration: float, **kwargs: object) -> None:
    """One line for the whole batch, behind those of its sub-requests."""
    if not logger.isEnabledFor(logging.INFO):
        return
    if logger.isEnabledFor(logging.DEBUG):
        for each in subresponses:
            method, path = _escaped(each.subrequest.method), _escaped(each.subrequest.path)
            logger.debug("%s %s: %d in %.3f s", method, path, each.status, each.duration)
    failures = sum(subresponse.failed for subresponse in subresponses)
    logger.info("Batch of %d sub-requests, %d failed, in %.3f s", len(subresponses), failures, duration)


def _escaped(text: str) -> str:
    """`text`, which a sender wrote, in one line, as Django writes paths."""
    return text.encode("unicode_escape").decode()
