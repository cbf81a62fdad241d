"""Decorators of views."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction

View = TypeVar("View", bound=Callable[..., Any])


def batch_exempt(view: View) -> View:
    """Keep `view` out of batches: a sub-request that reaches it is answered 403 (`batch_exempt`).

    It is the outermost decorator. On a class: `@method_decorator(batch_exempt, name="dispatch")`.
    """

    async def async_wrapper(*args: Any, **kwargs: Any) -> Any:
        return await view(*args, **kwargs)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    wrapped = wraps(view)(async_wrapper if iscoroutinefunction(view) else wrapper)
    wrapped.batch_exempt = True  # type: ignore[attr-defined]
    return cast("View", wrapped)
