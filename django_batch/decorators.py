"""Decorators that keep views out of batches, or out of groups."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse, JsonResponse

from django_batch.errors import BatchError, BatchExempt, GroupExempt
from django_batch.requests import RequestBatch, batch_of

View = TypeVar("View", bound=Callable[..., Any])


def batch_exempt(view: View) -> View:
    """Keep `view` out of batches: a sub-request that reaches it is answered 403 (`batch_exempt`).

    On a class: `@method_decorator(batch_exempt, name="dispatch")`. It can also mark single methods and actions of one.
    As the outermost decorator of a view, it refuses before anything else is looked at.
    """
    wrapped = _guarded(view, lambda batch: True, BatchExempt, "be reached through a batch. Send it alone.")
    wrapped.batch_exempt = True  # type: ignore[attr-defined]
    return wrapped


def group_exempt(view: View) -> View:
    """Keep `view` out of groups and dry runs: there it is answered 403 (`group_exempt`), and its group is not begun.

    It is for views that check a password or a code: a sender who can have a failed attempt rolled back, can try again.
    """
    wrapped = _guarded(view, _could_undo, GroupExempt, "be in a group or a dry run. Send it outside of one.")
    wrapped.group_exempt = True  # type: ignore[attr-defined]
    return wrapped


def _could_undo(batch: RequestBatch) -> bool:
    return (batch.can_roll_back or batch.read_only) and not batch.may_log_in


def refusing(error: BatchError) -> Callable[..., HttpResponse]:
    """A view that answers with `error`."""

    def refuse(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        response = JsonResponse(error.problem(), status=error.status, content_type="application/problem+json")
        response.refusal = error  # type: ignore[attr-defined]  # for the batch, which writes it in its dialect
        return response

    # Nothing is done, so nothing needs to be checked before it.
    refuse.csrf_exempt = True  # type: ignore[attr-defined]
    refuse.login_required = False  # type: ignore[attr-defined]
    return refuse


def _guarded(view: View, applies: Callable[[RequestBatch], bool], kind: type[BatchError], detail: str) -> View:
    def refusal(args: tuple[Any, ...], kwargs: dict[str, Any]) -> HttpResponse | None:
        for each in (*args[:2], *kwargs.values()):  # a method has the request second, and some are given it by name
            batch = batch_of(each)
            if batch and applies(batch):
                return refusing(kind(f"{each.path} cannot {detail}"))(each)
        return None

    async def async_wrapper(*args: Any, **kwargs: Any) -> Any:
        return refusal(args, kwargs) or await view(*args, **kwargs)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return refusal(args, kwargs) or view(*args, **kwargs)

    return cast("View", wraps(view)(async_wrapper if iscoroutinefunction(view) else wrapper))
