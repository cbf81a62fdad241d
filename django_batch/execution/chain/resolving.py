"""The URL patterns of a site, looked through twice for one path of a batch, and no more.

An importer sends one path a thousand times, and it takes Django as long to find the view of it as some views take to
answer. A path that is asked for twice is likely to be asked for again, and only then is it worth while to see whether
nothing but the path decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from django.http import HttpRequest
from django.urls import ResolverMatch, URLPattern, URLResolver
from django.urls.converters import DEFAULT_CONVERTERS

from django_batch.execution.internals import copy_of_match, looks_at_the_path_alone

# By path, of one batch. None: it was resolved once. False: it is resolved each time.
Matches = dict[str, ResolverMatch | Literal[False] | None]
_MAX_PATHS = 1_000  # of one batch
_CONVERTERS = frozenset(map(type, DEFAULT_CONVERTERS.values()))


def resolve_once(
    request: HttpRequest, matches: Matches, resolve: Callable[[HttpRequest], ResolverMatch]
) -> ResolverMatch:
    """The match that `resolve` finds for `request`, or has found for the same path in the batch.

    Where a middleware has chosen another `urlconf`, it is resolved each time.
    """
    path = request.path_info
    if "urlconf" in vars(request):
        return resolve(request)
    if kept := matches.get(path):
        request.resolver_match = found = copy_of_match(kept)
        return found
    found = resolve(request)
    if len(matches) >= _MAX_PATHS:
        matches.clear()
    matches[path] = None if path not in matches else _decided_by_path(found) and copy_of_match(found)
    return found


def _decided_by_path(match: ResolverMatch) -> bool:
    """Whether all patterns that were tried look at nothing but the path."""
    tried = [pattern for patterns in match.tried or () for pattern in patterns]
    if type(match) is not ResolverMatch or not {URLPattern, URLResolver}.issuperset(map(type, tried)):
        return False  # a site's own may be anything, and no key
    return all(looks_at_the_path_alone(pattern, _CONVERTERS) for pattern in set(tried))
