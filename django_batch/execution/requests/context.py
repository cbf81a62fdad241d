"""The context in which a sub-request is answered: as clean as that of a request that comes alone, on a fresh thread.

A copy of the batch's context would hold what the middlewares around the batch keep there, so that a nested one would
add to the outer one's revision, span or transaction instead of beginning its own. An empty context holds too little:
the script prefix, the caches that are already connected, and what says on which threads sync code runs. These are
carried into a context that is prepared once per batch and thread; each sub-request gets a copy of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from threading import get_ident
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.urls import get_script_prefix, set_script_prefix

from django_batch.execution.internals import threads_of_this_request
from django_batch.sharing.lookups import Lookups, current_lookups

# Django's cache middlewares and `cache_page` store under keys that begin so.
_PAGES = "views.decorators.cache."


class Contexts:
    """Makes the contexts of one batch's sub-requests.

    `carried` are the names of context variables that each has besides. Where it is `tentative`, because what is done
    there may be rolled back, Django's cache middlewares store nothing: nobody is to be served a page that never was.
    """

    def __init__(self, carried: Collection[str], lookups: Lookups | None, *, tentative: bool = False) -> None:
        self._carried = frozenset(carried)
        self._lookups = lookups
        self._tentative = tentative
        self._prefix = get_script_prefix()
        self._prepared: dict[int, Context] = {}  # of each thread, because asgiref ties what it keeps to one

    def new(self) -> Context:
        """A context for one sub-request, on the thread of the caller."""
        prepared = self._prepared.get(get_ident())
        return (prepared or self._prepare()).copy()

    def tentative(self) -> Contexts:
        """The same, for what may be rolled back."""
        twin = Contexts(self._carried, self._lookups, tentative=True)
        twin._prefix = self._prefix
        return twin

    def _prepare(self) -> Context:
        around = copy_context()
        context = Context()
        values = [(variable, value) for variable, value in around.items() if variable.name in self._carried]
        if self._lookups:
            self._lookups.listen()
        context.run(self._enter, values, dict(_connected_caches()), threads_of_this_request())
        self._prepared[get_ident()] = context
        return context

    def _enter(self, values: list[tuple[ContextVar[Any], Any]], kept: dict[str, BaseCache], threads: Any) -> None:
        threads()
        if self._prefix != "/":  # which it is for a site without one, by Django's default
            set_script_prefix(self._prefix)
        for alias, cache in kept.items():
            caches[alias] = without_pages(cache) if self._tentative else cache
        for variable, value in values:
            variable.set(value)
        current_lookups.set(self._lookups)


def _connected_caches() -> Iterator[tuple[str, BaseCache]]:
    """The caches of this thread. One that cannot be made fails the sub-request that uses it, as it does alone."""
    for alias in caches:
        with suppress(Exception):
            yield alias, caches[alias]


def without_pages(cache: BaseCache) -> BaseCache:
    """`cache`, with the same connection and content, but it stores no pages of Django's cache middlewares."""
    kind = type(cache)
    twin: BaseCache = object.__new__(type(kind.__name__, (_StoresNoPages, kind), {"__module__": kind.__module__}))
    twin.__dict__ = vars(cache)
    return twin


class _StoresNoPages(BaseCache):
    def set(self, key: Any, *args: Any, **options: Any) -> None:
        if not str(key).startswith(_PAGES):
            super().set(key, *args, **options)
