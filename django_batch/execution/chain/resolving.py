"""The URL patterns of a site, looked through twice for one path of a batch, and no more.

What importers send has one path, a thousand times. It takes Django as long to find the view of it as some views take to
answer, and longer, the more patterns there are. What is asked for twice is likely to be asked for again, and only then
is it worth while to see whether nothing but the path decides.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

from django.http import HttpRequest
from django.urls import ResolverMatch, URLPattern, URLResolver
from django.urls.converters import DEFAULT_CONVERTERS
from django.urls.resolvers import RegexPattern, RoutePattern

# By path, of one batch. None: it was looked for once. False: it is looked for each time.
Matches = dict[str, ResolverMatch | Literal[False] | None]
_COPIED = ("kwargs", "captured_kwargs", "extra_kwargs", "app_names", "namespaces", "tried")
_MAX_PATHS = 1_000  # of one batch
_MAX_PATTERNS = 4096  # that are known to be plain or not; a site has as many as its URLconf
_CONVERTERS = frozenset(map(type, DEFAULT_CONVERTERS.values()))


def resolve_once(
    request: HttpRequest, matches: Matches, resolve: Callable[[HttpRequest], ResolverMatch]
) -> ResolverMatch:
    """What `resolve` finds for `request`, or has found for the same path in the batch: 8 % of a plain view.

    Not so where a middleware has chosen another `urlconf`.
    """
    path = request.path_info
    if "urlconf" in vars(request):
        return resolve(request)
    if kept := matches.get(path):
        request.resolver_match = found = _another(kept)
        return found
    found = resolve(request)
    if len(matches) >= _MAX_PATHS:
        matches.clear()
    matches[path] = None if path not in matches else _decided_by_path(found) and _another(found)
    return found


def _another(match: ResolverMatch) -> ResolverMatch:
    """A match like `match`, whose lists and dicts are its own, as if the path had been looked for again."""
    another = ResolverMatch.__new__(ResolverMatch)
    another.__dict__ = fields = vars(match).copy()
    for name in _COPIED:
        fields[name] = fields[name].copy()
    return another


def _decided_by_path(match: ResolverMatch) -> bool:
    """Whether all patterns that were tried look at nothing but the path."""
    tried = [pattern for patterns in match.tried or () for pattern in patterns]
    if type(match) is not ResolverMatch or not {URLPattern, URLResolver}.issuperset(map(type, tried)):
        return False  # a site's own may be anything, and no key
    return all(map(_is_plain, set(tried)))


@lru_cache(maxsize=_MAX_PATTERNS)
def _is_plain(pattern: URLPattern | URLResolver) -> bool:
    """Whether the part of a path that `pattern` is for is Django's own kind, in all languages the same."""
    part = pattern.pattern
    if type(part) is RegexPattern:
        return isinstance(part._regex, str)  # type: ignore[attr-defined]
    if type(part) is RoutePattern:
        in_all_languages = isinstance(part._route, str)  # type: ignore[attr-defined]
        return in_all_languages and _CONVERTERS.issuperset(map(type, part.converters.values()))
    return False
