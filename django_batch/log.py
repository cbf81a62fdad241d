"""The package's own log lines: INFO for batches and retries, WARNING for failed sub-requests, DEBUG for all of them.

They are written by receivers of the package's signals, so a site that wants other lines can connect its own receivers.
A line never has anything of a body, and what a sender wrote is escaped in it, so that it cannot look like another line.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from urllib.parse import unquote

from django.http import HttpRequest
from django.urls import resolve

from django_batch.core.batch import Subrequest, Subresponse

logger = logging.getLogger("django_batch")
subrequest_logger = logging.getLogger("django_batch.subrequest")
_LONGEST_METHOD = 20  # characters


def log_retry(*, subrequests: Sequence[Subrequest], attempt: int, error: Exception, **kwargs: object) -> None:
    """Write one line for a group that is run again."""
    logger.info("Group of %d sub-requests is run again, retry %d: %s", len(subrequests), attempt, error)


def log_failures(*, request: HttpRequest, subresponses: Sequence[Subresponse], batch_id: str, **kwargs: object) -> None:
    """Write one line for each sub-request that failed, with the route that its path has in the URLconf."""
    if not subrequest_logger.isEnabledFor(logging.WARNING):
        return
    for each in subresponses:
        if each.failed:
            method = _escaped(each.subrequest.method[:_LONGEST_METHOD])
            values = {
                "method": method,
                "route": _escaped(_route(each.subrequest.path, request)),
                "status_code": each.status,
                "batch_id": batch_id,
            }
            subrequest_logger.warning("%s %s: %d in batch %s", *values.values(), extra=values)


def log_batch(*, subresponses: Sequence[Subresponse], duration: float, batch_id: str, **kwargs: object) -> None:
    """Write one line for each sub-request, then one for the whole batch."""
    if not logger.isEnabledFor(logging.INFO):
        return
    extra = {"batch_id": batch_id}
    if logger.isEnabledFor(logging.DEBUG):
        for each in subresponses:
            method, path = _escaped(each.subrequest.method), _escaped(each.subrequest.path)
            logger.debug("%s %s: %d in %.3f s", method, path, each.status, each.duration, extra=extra)
    failures = sum(subresponse.failed for subresponse in subresponses)
    logger.info("Batch of %d sub-requests, %d failed, in %.3f s", len(subresponses), failures, duration, extra=extra)


def _route(path: str, request: HttpRequest) -> str:
    """The route that `path` leads to on the site of `request`, or "-" if there is none, or it is not known yet."""
    prefix = request.path.removesuffix(request.path_info)
    try:
        match = resolve(unquote(path.partition("?")[0]).removeprefix(prefix), getattr(request, "urlconf", None))
    except Exception:  # a converter of the site's own may raise anything
        return "-"
    return f"/{match.route}"


def _escaped(text: str) -> str:
    """`text` in one line, escaped as Django escapes paths in its log. A sender may have put line ends into it."""
    return text.encode("unicode_escape").decode()
