"""The package's own log lines: INFO for batches and retries, DEBUG for sub-requests.

They are written by receivers of the package's signals, so a site that wants other lines can connect its own receivers.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django_batch.core.batch import Subrequest, Subresponse

logger = logging.getLogger("django_batch")


def log_retry(*, subrequests: Sequence[Subrequest], attempt: int, error: Exception, **kwargs: object) -> None:
    """Write one line for a group that is run again."""
    logger.info("Group of %d sub-requests is run again, retry %d: %s", len(subrequests), attempt, error)


def log_batch(*, subresponses: Sequence[Subresponse], duration: float, **kwargs: object) -> None:
    """Write one line for each sub-request, then one for the whole batch."""
    if not logger.isEnabledFor(logging.INFO):
        return
    if logger.isEnabledFor(logging.DEBUG):
        for each in subresponses:
            method, path = _escaped(each.subrequest.method), _escaped(each.subrequest.path)
            logger.debug("%s %s: %d in %.3f s", method, path, each.status, each.duration)
    failures = sum(subresponse.failed for subresponse in subresponses)
    logger.info("Batch of %d sub-requests, %d failed, in %.3f s", len(subresponses), failures, duration)


def _escaped(text: str) -> str:
    """`text` in one line, escaped as Django escapes paths in its log. A sender may have put line ends into it."""
    return text.encode("unicode_escape").decode()
