"""Which views must not be called twice for one item: those with the mark of `@not_repeatable`."""

from __future__ import annotations

from typing import Any

from django.urls import ResolverMatch


def may_be_repeated(match: ResolverMatch | None, method: str) -> bool:
    """Whether a request with `method` to the view of `match` may be sent again after a crash."""
    if match is None:
        return True
    return not any(getattr(each, "not_repeatable", False) for each in (match.func, _handler(match.func, method)))


def _handler(view: Any, method: str) -> Any:
    """The method of a class-based view that answers `method`, or an action of a view set, or None."""
    kind = getattr(view, "cls", None) or getattr(view, "view_class", None)
    name = (getattr(view, "actions", None) or {}).get(method.lower(), method.lower())
    return getattr(kind, name, None)
