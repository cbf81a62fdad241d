"""Which views a batch may not reach, and which of them a group or a dry run may not.

Views are compared as they were resolved, never by path: `/v1/%62atch` reaches `/v1/batch`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from django.urls import ResolverMatch

from django_batch.decorators import group_exempted
from django_batch.errors import BatchError, BatchExempt


class Access:
    """The views that are kept out of the batches of one URL, by dotted path or by URL name.

    A dotted path is that of a function or of a class, and stands for its subclasses, too. In the name of a URL a `*`
    stands for any characters: `"account_*"`, `"admin:*"`. A URL without a name is named by its route, as it stands in
    the URLconfs together: `"auth/login/"`.
    """

    def __init__(
        self, *, exempt: Collection[str], group_exempt: Collection[str], group_allowed: Collection[str]
    ) -> None:
        self._exempt = Names(exempt)
        self._group_exempt = Names(group_exempt)
        self._group_allowed = Names(group_allowed)

    def refusal(
        self, match: ResolverMatch, path: str, *, can_roll_back: bool = False, read_only: bool = False
    ) -> BatchError | None:
        """Why a sub-request to the view of `match` is not answered, if it is not."""
        if getattr(match.func, "batch_exempt", False) or self._exempt.include(match):
            return BatchExempt(f"{path} cannot be reached through a batch. Send it alone.")
        if (can_roll_back or read_only) and self.is_group_exempt(match):
            return group_exempted(path, read_only=read_only)
        return None

    def may_log_in(self, match: ResolverMatch) -> bool:
        """Whether the site lets the view of `match` check credentials inside a group."""
        return self._group_allowed.include(match)

    def is_group_exempt(self, match: ResolverMatch) -> bool:
        """Whether the view of `match` is kept out of groups, by its decorator or by name."""
        is_exempt = getattr(match.func, "group_exempt", False) or self._group_exempt.include(match)
        return is_exempt and not self.may_log_in(match)


class Names:
    """Names of views and URLs, as a site lists them."""

    def __init__(self, names: Collection[str]) -> None:
        self._exact, self._patterns = _exact_and_patterns(tuple(names))
        self._found: dict[int, tuple[object, bool]] = {}  # id of a view, which is kept so that the id stays its own

    def include(self, match: ResolverMatch) -> bool:
        """Whether the view of `match`, or its URL, is one of them."""
        if not self._exact and not self._patterns:
            return False
        url = match.view_name or ""
        if url in self._exact or match.route in self._exact or self._include_view(match.func):
            return True
        return any(fnmatchcase(url, each) for each in self._patterns)

    def _include_view(self, view: Callable[..., Any]) -> bool:
        known = self._found.get(id(view))
        if known is None:
            known = self._found[id(view)] = view, not self._exact.isdisjoint(dotted_paths(view))
        return known[1]


@lru_cache(maxsize=32)  # because a site lists the same for each batch
def _exact_and_patterns(names: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    patterns = frozenset(name for name in names if "*" in name)
    return frozenset(names) - patterns, patterns


def dotted_paths(view: Callable[..., Any] | None) -> Iterator[str]:
    """The dotted paths by which `view` can be named: its own, that of what it wraps, and those of its classes."""
    while view is not None:
        if hasattr(view, "__qualname__"):
            yield f"{view.__module__}.{view.__qualname__}"
        for kind in _classes(view):
            yield f"{kind.__module__}.{kind.__qualname__}"
            yield f"{kind.__module__}.{kind.__name__}"  # REST framework names the class of an `@api_view` so
            if hasattr(view, "__self__"):  # a method, which a subclass inherits
                yield f"{kind.__module__}.{kind.__qualname__}.{view.__name__}"
        view = getattr(view, "__wrapped__", None)


def _classes(view: Any) -> tuple[type, ...]:
    """The classes of a class-based view, of a view that is an object, or of the object whose method a view is."""
    for kind in (getattr(view, "view_class", None), getattr(view, "cls", None)):
        if isinstance(kind, type):
            return kind.__mro__
    owner = getattr(view, "__self__", view)
    return type(owner).__mro__
