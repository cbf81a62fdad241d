"""The routes of the site that the sender of a request may use, for the examples of the console.

Only views of REST framework are listed, because only they can be asked: each is made as for a request, finds out by its
own authenticators who the sender is, and checks its own permissions. A view that raises anything is not listed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any, NamedTuple
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest
from django.urls import Resolver404, get_script_prefix, resolve
from rest_framework.request import clone_request
from rest_framework.schemas.generators import EndpointEnumerator

from django_batch.execution.chain.access import Access

_MOST_TRIED, _MOST = 300, 100
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PLAIN = "/:@!$&'()*+,;=~"  # characters that a path has unencoded (RFC 3986 §3.3)
_PARAMETER = re.compile(r"\{\w+\}")


class Route(NamedTuple):
    """A method and a path. The parameters of a path are filled in with 1, and may have to be changed."""

    method: str
    path: str
    has_parameters: bool


def routes(request: HttpRequest, access: Access, *, besides: type) -> list[Route]:
    """What the sender of `request` may use in a batch, but for views of the class `besides`."""
    found: list[Route] = []
    tried = 0
    user = get_user(request) if hasattr(request, "session") else None
    endpoints = EndpointEnumerator(urlconf=getattr(request, "urlconf", None) or settings.ROOT_URLCONF)
    for path, method, callback in sorted(endpoints.get_api_endpoints(), key=_by_path):
        if method not in _METHODS or issubclass(callback.cls, besides):
            continue
        tried += 1
        if tried > _MOST_TRIED or len(found) >= _MOST:
            break
        example = _PARAMETER.sub("1", path)
        if _leads_to(example, callback, access) and _is_permitted(callback, method, _as_sent(request, user)):
            found.append(Route(method, get_script_prefix().rstrip("/") + quote(example, safe=_PLAIN), example != path))
    return found


def _by_path(endpoint: tuple[str, str, Any]) -> tuple[str, int]:
    path, method, _ = endpoint
    return path, _METHODS.index(method) if method in _METHODS else len(_METHODS)


def _leads_to(path: str, callback: Any, access: Access) -> bool:
    """Whether `path` leads to the view `callback`, and a batch may go there."""
    try:
        match = resolve(path)
    except (Resolver404, ValueError):
        return False
    return match.func is callback and access.refusal(match, path, can_roll_back=False) is None


def _as_sent(request: HttpRequest, user: object) -> HttpRequest:
    """A copy of `request` with the user of its session. Any view that was asked has set the user that it has found."""
    sent = copy(request)
    if user is None:
        vars(sent).pop("user", None)
    else:
        vars(sent)["user"] = user
    return sent


def _is_permitted(callback: Any, method: str, request: HttpRequest) -> bool:
    """Whether the permissions of the view let the sender of `request` use `method`."""
    try:
        view = callback.cls(**callback.initkwargs)
        view.args, view.kwargs, view.format_kwarg = (), {}, None
        view.action_map = getattr(callback, "actions", None)
        read = view.initialize_request(request)
        read.user  # noqa: B018  # by GET, for which a session needs no CSRF token
        view.action = (view.action_map or {}).get(method.lower())  # a view set has taken that of the request
        view.request = clone_request(read, method)
        view.check_permissions(view.request)
    except Exception:  # whatever the site's own code may raise: then there is no example
        return False
    return True


def examples(found: list[Route], *, dry_run: bool) -> Iterator[tuple[str, str]]:
    """The title and the text of each example, made of the routes `found`. Nothing in them writes."""
    reads = [route.path for route in found if route.method == "GET" and not route.has_parameters] or ["/"]
    items: list[dict[str, object]] = [{"id": name, "path": path} for name, path in _named(reads[:6])]
    yield "Several requests in one", _text(items[:4])
    yield "Side by side", _text(items, '"parallel": true')
    yield "All or nothing", _text(items[:3], '"atomic": true')
    first, *others = items[:3]
    yield "One waits for another", _text([first, *({**each, "depends_on": first["id"]} for each in others)])
    if dry_run:
        yield "A dry run, which is rolled back", _text(items[:3], '"dry_run": true')


def _named(paths: list[str]) -> Iterator[tuple[str, str]]:
    """Each path with an id that is made of it, and that no other has."""
    names: set[str] = set()
    for place, path in enumerate(paths):
        parts = re.findall(r"[a-z][\w-]*", path.lower())
        name = parts[-1] if parts else "root"
        name = f"{name}-{place + 1}" if name in names else name
        names.add(name)
        yield name, path


def _text(items: Sequence[dict[str, object]], *options: str) -> str:
    lines = ",\n    ".join(map(json.dumps, items))
    members = ",\n  ".join([*options, f'"requests": [\n    {lines}\n  ]'])
    return f"{{\n  {members}\n}}\n"
