"""The items of a batch as its pictures show them: one mark for each, or one for all of a route if there are many.

A route is made of the text of a path alone, without the numbers in it. The URL patterns of the site are not asked,
because they could tell a sender more than its own batch does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from django_batch.core.batch import Subrequest
from django_batch.core.plan import Plan

MOST = 500  # items that have a mark of their own
_MOST_ROUTES = 100  # others share one
_MOST_LINES = 1_500  # between items that have a mark of their own
_STATES = ("failed", "skipped", "ok", "planned")  # of several items the first counts
_REFERENCE = re.compile(r"\{[^{}]*\}")
_VARIABLE = re.compile(r"[^/]*[0-9*%][^/]*|[^/]{33,}")
_OTHERS = ("", "other requests")


Time = Annotated[float, Meta(ge=0, le=1e9)]


class Answer(Struct, frozen=True):
    """What is known of the answer to an item; times in milliseconds, as the native format tells them."""

    status: Annotated[int, Meta(ge=100, le=999)]
    duration: Time = 0.0
    started: Time | None = None
    worker: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None


class Mark(Struct, frozen=True):
    """One or more items in a picture: their positions in the batch, a name, and what they ask for.

    `state` is "ok", "failed", "skipped" (424: it was not run, or undone) or "planned". `told` says what came of it.
    """

    items: tuple[int, ...]
    name: str
    asks: str
    state: str
    told: str
    answers: tuple[Answer, ...] = ()


class Frame(Struct, frozen=True):
    """A group of a batch, around the `marks` at these positions."""

    name: str
    marks: tuple[int, ...]


class Picture(Struct, frozen=True):
    """All of a batch. `lines` lead from what is waited for to what waits; behind the marks, they count the frames."""

    marks: tuple[Mark, ...]
    frames: tuple[Frame, ...]
    lines: frozenset[tuple[int, int]]


def picture(plan: Plan, answers: Sequence[Answer]) -> Picture:
    """The picture of `plan`, with the `answers` in the order of its items. None are there before it has run."""
    subrequests = plan.batch.subrequests
    lines = sum(len(each.depends_on) for each in subrequests)
    if len(subrequests) > MOST or lines > _MOST_LINES:
        return _put_together(subrequests, answers)
    marks = tuple(_mark(place, each, answers[place : place + 1]) for place, each in enumerate(subrequests))
    names: dict[str | None, int] = {each.id: place for place, each in enumerate(subrequests)}
    frames = [
        Frame(_title(step.subrequests[0].atomicity_group), tuple(names[each.id] for each in step.subrequests))
        for step in plan.steps
        if step.atomic
    ]
    places = dict(names)
    for place, frame in enumerate(frames, len(marks)):
        places[subrequests[frame.marks[0]].atomicity_group] = place
    found = {(places[name], names[each.id]) for each in subrequests for name in each.depends_on}
    return Picture(marks, tuple(frames), frozenset(found))


def route_of(path: str) -> str:
    """`path` without its query, and with `*` in place of each part that seems to be an id or a reference."""
    parts = _REFERENCE.sub("*", path).partition("?")[0].split("/")
    return "/".join("*" if _VARIABLE.fullmatch(part) else part for part in parts)


def _mark(place: int, subrequest: Subrequest, answers: Sequence[Answer]) -> Mark:
    state, told = "planned", "not run yet"
    for answer in answers:
        state, told = _state(answer), f"{answer.status}, {answer.duration:.0f} ms"
        if answer.started is None:
            told = f"{answer.status}, not run"
    asks = f"{subrequest.method} {subrequest.path}"
    return Mark((place,), subrequest.id, asks, state, told, tuple(answers))


def _put_together(subrequests: Sequence[Subrequest], answers: Sequence[Answer]) -> Picture:
    """One mark for each route. What waits for others of its own route has no line."""
    items: dict[tuple[str, str], list[int]] = {}
    routes: dict[str, tuple[str, str]] = {}  # id -> route
    for place, each in enumerate(subrequests):
        route = each.method, route_of(each.path)
        if route not in items and len(items) >= _MOST_ROUTES:
            route = _OTHERS
        items.setdefault(route, []).append(place)
        routes[each.id] = route
    groups: dict[str, set[tuple[str, str]]] = {}
    for each in subrequests:
        if each.atomicity_group is not None:
            groups.setdefault(each.atomicity_group, set()).add(routes[each.id])
    places = {route: place for place, route in enumerate(items)}
    waits = {(name, routes[each.id]) for each in subrequests for name in each.depends_on}
    lines = {
        (places[other], places[route])
        for name, route in waits
        for other in ([routes[name]] if name in routes else groups[name])
        if other != route
    }
    marks = tuple(_mark_of_route(route, found, answers) for route, found in items.items())
    return Picture(marks, (), frozenset(lines))


def _mark_of_route(route: tuple[str, str], items: Sequence[int], answers: Sequence[Answer]) -> Mark:
    found = tuple(answers[place] for place in items if place < len(answers))
    states = [_state(answer) for answer in found] or ["planned"]
    failed = len(states) - states.count("ok")
    told = "not run yet"
    if found:
        told = f"{failed} of {len(items)} failed" if failed else f"{len(items)} succeeded"
    name = "1 request" if len(items) == 1 else f"{len(items)} requests"
    return Mark(tuple(items), name, " ".join(route).strip(), min(states, key=_STATES.index), told, found)


def _state(answer: Answer) -> str:
    if answer.status == 424:
        return "skipped"
    return "failed" if answer.status >= 400 else "ok"


def _title(group: str | None) -> str:
    return "all or nothing" if group is None else f"{group}: all or nothing"
