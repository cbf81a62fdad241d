"""The system checks: the setting `BATCH`, the chain of middlewares, and views that log in and can be reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.urls import ResolverMatch, URLResolver, get_resolver

from django_batch.conf import DEFAULT_GROUP_EXEMPT, SETTINGS, Setting
from django_batch.errors import ChainFailed
from django_batch.execution.chain.access import Access, Names
from django_batch.execution.chain.handler import load_chain
from django_batch.execution.chain.sources import checks_credentials, class_of


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """An error for every unknown key and wrong value."""
    batch = getattr(settings, "BATCH", {})
    if not isinstance(batch, dict):
        return [Error(f"BATCH must be a dict, not {batch!r}.", id="django_batch.E001")]
    return list(setting_errors("BATCH", batch, SETTINGS, unknown="django_batch.E002", wrong="django_batch.E003"))


def setting_errors(
    name: str, values: Mapping[object, object], known: Mapping[str, Setting[Any]], *, unknown: str, wrong: str
) -> Iterator[Error]:
    """An error for each key of the setting `name` that is not `known`, and for each value that is `wrong`."""
    for key, value in values.items():
        setting = known.get(str(key))
        if setting is None:
            close = get_close_matches(str(key), known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known are {', '.join(known)}."
            yield Error(f"{name} has the unknown key {key!r}.", hint=hint, id=unknown)
        elif not setting.accepts(value):
            yield Error(f"{name}[{key!r}] is {value!r}, but must be {setting.expects}.", id=wrong)


def check_chain(**kwargs: Any) -> list[CheckMessage]:
    """An error if a middleware cannot be made a second time, for the sub-requests of batches."""
    try:
        load_chain()
    except ChainFailed as error:
        hint = "Let its constructor be called more than once in a process."
        return [Error(error.detail, hint=hint, id="django_batch.E004")]
    return []


def check_logins(**kwargs: Any) -> list[CheckMessage]:
    """A warning about views that check credentials, and can be reached in a group."""
    matches = [*_matches(get_resolver().url_patterns)]
    batches: list[Any] = [match.func for match in matches if is_batch_view(match.func)]
    views = [each.view_class(**each.view_initkwargs) for each in batches]
    found = {_described(match) for view in views for match in matches if _is_open(match, _access_of(view))}
    if not found:
        return []
    hint = (
        "A group that fails is rolled back with what counts the attempts. Decorate them with @batch_exempt or "
        "@group_exempt, or name them in BATCH['EXEMPT'] or BATCH['GROUP_EXEMPT']; a view that may log in there, in "
        "BATCH['GROUP_ALLOWED']."
    )
    listed = ", ".join(sorted(found))
    return [
        checks.Warning(
            f"Groups of a batch reach views that check credentials: {listed}.", hint=hint, id="django_batch.W001"
        )
    ]


def check_limits(**kwargs: Any) -> list[CheckMessage]:
    """A warning about names in `LIMITS` that no view of the site has, so that they limit nothing."""
    matches = [*_matches(get_resolver().url_patterns)]
    limited = {name for match in matches if is_batch_view(match.func) for name in _limits_of(match.func)}
    unknown = sorted(name for name in limited if not any(map(Names([name]).include, matches)))
    hint = "Write the name of a URL with its namespaces, its route, or the dotted path of a view."
    return [
        checks.Warning(f"LIMITS names {name!r}, but no URL or view has that name.", hint=hint, id="django_batch.W002")
        for name in unknown
    ]


def _limits_of(view: Any) -> Iterable[str]:
    limits = view.view_class(**view.view_initkwargs).limits
    return limits if SETTINGS["LIMITS"].accepts(limits) else ()


def is_batch_view(view: Any) -> bool:
    """Whether `view` was made by `BatchView.as_view()`, or by that of a subclass."""
    from django_batch.views import BatchView

    kind = getattr(view, "view_class", None)
    return isinstance(kind, type) and issubclass(kind, BatchView)


def _access_of(view: Any) -> Access:
    return Access(exempt=view.exempt, group_exempt=view.group_exempt, group_allowed=view.group_allowed)


def _is_open(match: ResolverMatch, access: Access) -> bool:
    refused = access.refusal(match, "", can_roll_back=True) or access.may_log_in(match)
    return not refused and (Names(DEFAULT_GROUP_EXEMPT).include(match) or checks_credentials(match.func))


def _described(match: ResolverMatch) -> str:
    view = class_of(match.func) or match.func
    path = f"{view.__module__}.{getattr(view, '__qualname__', type(view).__qualname__)}"
    return f"{match.view_name} ({path})" if match.url_name else path


def _matches(patterns: Iterable[Any], names: tuple[str, ...] = (), route: str = "") -> Iterator[ResolverMatch]:
    """A match for each view of `patterns`, which are below the namespaces `names` and the start of a `route`."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inside = (*names, pattern.namespace) if pattern.namespace else names
            yield from _matches(pattern.url_patterns, inside, route + str(pattern.pattern))
        else:
            whole = route + str(pattern.pattern)
            yield ResolverMatch(pattern.callback, (), {}, pattern.name, namespaces=[*names], route=whole)
