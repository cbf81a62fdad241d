"""Decorators that keep views out of batches or groups, or let only a few sub-requests of a batch reach them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, JsonResponse

from django_batch.core.batch import Subrequest
from django_batch.core.names import listed
from django_batch.errors import BatchError, BatchExempt, BatchLimitExceeded, GroupExempt
from django_batch.requests import RequestBatch, batch_of

View = TypeVar("View", bound=Callable[..., Any])


def batch_exempt(view: View) -> View:
    """Keep `view` out of batches: a sub-request that reaches it is answered 403 (`batch_exempt`).

    On a class: `@method_decorator(batch_exempt, name="dispatch")`. It can also mark single methods and actions of one.
    As the outermost decorator of a view, it refuses before anything else is looked at.
    """

    def objection(batch: RequestBatch, path: str) -> BatchError:
        return BatchExempt(f"{path} cannot be reached through a batch. Send it alone.")

    wrapped = _guarded(view, objection)
    wrapped.batch_exempt = True  # type: ignore[attr-defined]
    return wrapped


def group_exempt(view: View) -> View:
    """Keep `view` out of groups and dry runs: there it is answered 403 (`group_exempt`), and its group is not begun.

    It is for views that check a password or a code: a sender who can have a failed attempt rolled back, can try again.
    A read-only batch, in which no attempt could be counted, does not reach it either.
    """

    def objection(batch: RequestBatch, path: str) -> BatchError | None:
        if batch.may_log_in or not (batch.can_roll_back or batch.read_only):
            return None
        return group_exempted(path, read_only=not batch.can_roll_back)

    wrapped = _guarded(view, objection)
    wrapped.group_exempt = True  # type: ignore[attr-defined]
    return wrapped


def group_exempted(path: str, *, read_only: bool) -> GroupExempt:
    """The refusal of a sub-request to a view whose effects have to last."""
    if read_only:
        return GroupExempt(f"{path} cannot be in a read-only batch, where it could not count. Send it outside of one.")
    return GroupExempt(f"{path} cannot be in a group or a dry run, which could undo it. Send it outside of one.")


class Limit:
    """The `number` of sub-requests of one batch that may reach something. Each limit is counted by itself."""

    def __init__(self, number: int) -> None:
        self.number = number


def batch_limit(number: int) -> Callable[[View], View]:
    """Let at most `number` sub-requests of one batch reach the view: `@batch_limit(1)`.

    A batch with more of them is refused as a whole (413, `batch_limit_exceeded`) before anything is run. If the path of
    an item is known only later, because of a reference, the item is refused. It marks functions, classes and methods as
    `batch_exempt` does.
    """
    if type(number) is not int or number < 1:
        raise ImproperlyConfigured(
            f"@batch_limit takes a whole number above 0, such as @batch_limit(1), not {number!r}."
        )
    limit = Limit(number)
    _limits.append(limit)

    def objection(batch: RequestBatch, path: str) -> BatchError | None:
        admitted = batch.counts.admit(batch.subrequest.id, limit, number)
        return None if admitted else limit_exceeded(limit, batch.subrequest)

    def decorator(view: View) -> View:
        wrapped = _guarded(view, objection)
        wrapped.batch_limit = limit  # type: ignore[attr-defined]
        return wrapped

    return decorator


_limits: list[Limit] = []  # of the views that are marked


def is_any_view_limited() -> bool:
    """Whether a view of this process is marked with `batch_limit`."""
    return bool(_limits)


def limit_exceeded(limit: Limit, subrequest: Subrequest) -> BatchLimitExceeded:
    """The refusal of `subrequest`, which is one too many."""
    detail = f"Item {listed([subrequest.id])} is one too many: at most {limit.number} of one batch may go to its view."
    return BatchLimitExceeded(f"{detail} Send it in another batch.", pointer=f"{subrequest.pointer}/path")


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


def _guarded(view: View, objection: Callable[[RequestBatch, str], BatchError | None]) -> View:
    """`view`, which does not answer a sub-request to which there is an `objection`, given its batch and its path."""
    if not callable(view):
        raise TypeError("This decorates a view. Name URLs that come by include() in BATCH['EXEMPT'] or 'GROUP_EXEMPT'.")

    def refusal(args: tuple[Any, ...], kwargs: dict[str, Any]) -> HttpResponse | None:
        for each in (*args[:2], *kwargs.values()):  # a method has the request second, and some are given it by name
            batch = batch_of(each)
            if batch and (error := objection(batch, each.path)):
                return refusing(error)(each)
        return None

    async def async_wrapper(*args: Any, **kwargs: Any) -> Any:
        return refusal(args, kwargs) or await view(*args, **kwargs)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return refusal(args, kwargs) or view(*args, **kwargs)

    return cast("View", wraps(view)(async_wrapper if iscoroutinefunction(view) else wrapper))


def not_repeatable(view: View) -> View:
    """Never let a job call `view` twice for one item. It can also mark the methods and actions of a class.

    If the process dies while the view is running, nobody knows whether the view was done: the item is answered 500
    (`outcome_unknown`) and is not run again. Without the mark it would be run again, because its database effects were
    rolled back. In a batch that is not kept, the mark changes nothing.
    """
    view.not_repeatable = True  # type: ignore[attr-defined]
    return view
