"""Decorators of views."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse, JsonResponse

from django_batch.errors import BatchExempt

View = TypeVar("View", bound=Callable[..., Any])


def batch_exempt(view: View) -> View:
    """Keep `view` out of batches: a sub-request that reaches it is answered 403 (`batch_exempt`).

    On a class: `@method_decorator(batch_exempt, name="dispatch")`. It can also mark single methods and actions of one.
    As the outermost decorator of a view, it refuses before anything else is looked at.
    """

    async def async_wrapper(*args: Any, **kwargs: Any) -> Any:
        request = _subrequest(*args[:2])
        return await view(*args, **kwargs) if request is None else refuse_exempt(request)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        request = _subrequest(*args[:2])
        return view(*args, **kwargs) if request is None else refuse_exempt(request)

    wrapped = wraps(view)(async_wrapper if iscoroutinefunction(view) else wrapper)
    wrapped.batch_exempt = True  # type: ignore[attr-defined]
    return cast("View", wrapped)


def refuse_exempt(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
    """What a sub-request that reaches an exempt view is answered."""
    error = BatchExempt(f"{request.path} cannot be reached through a batch. Send it alone.")
    response = JsonResponse(error.problem(), status=error.status, content_type="application/problem+json")
    response.refusal = error  # type: ignore[attr-defined]  # for the batch, which writes it in its dialect
    return response


# Nothing is done, so nothing needs to be checked before it.
refuse_exempt.csrf_exempt = True  # type: ignore[attr-defined]
refuse_exempt.login_required = False  # type: ignore[attr-defined]


def _subrequest(*arguments: object) -> HttpRequest | None:
    """The sub-request among the first arguments of a view: of a method it is the second."""
    return next((cast("HttpRequest", each) for each in arguments if hasattr(each, "_batch_subrequest")), None)
