"""From a `Batch` to a `Plan`: which steps there are, and which wait for which.

A step is one sub-request, or all members of a group. Whatever cannot be run as it is written is refused here, with all
that is wrong, before anything is run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from itertools import count, repeat

from msgspec import Struct

from django_batch.core.batch import Batch, Subrequest
from django_batch.errors import BatchError, DependencyCycle, DuplicateId, UnknownDependency, refusal

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 §9.2.1

_NONE: frozenset[int] = frozenset()

Members = tuple[Subrequest, ...]
Waits = Mapping[int, set[int]]  # position -> the positions that come before it


class Step(Struct, frozen=True):
    """What is run as one. `subrequests` are in the order they are run, `after` the positions of the steps before it."""

    position: int
    subrequests: Members
    atomic: bool = False
    after: frozenset[int] = frozenset()


class Plan(Struct, frozen=True):
    """The steps of a batch, each at the place of its first member."""

    batch: Batch
    steps: tuple[Step, ...]


def plan(batch: Batch, *, parallel_writes: bool = False) -> Plan:
    """The plan of `batch`. Raises one `BatchError` that tells of every fault in it.

    Steps that may run side by side keep the order of writes, unless `parallel_writes`.
    """
    groups = {subrequest.atomicity_group for subrequest in batch.subrequests}
    faults: list[BatchError] = [*batch.faults, *_duplicate_ids(batch, groups)]
    has_groups = not groups <= {None}
    members = _members(batch, has_groups=has_groups)
    waits: Waits = {}
    if any(subrequest.depends_on or subrequest.references for subrequest in batch.subrequests):
        waits = _waits_of_steps(members)
        faults += [*_unknown_dependencies(batch), *_cycles([group[0] for group in members], waits)]
        members = [_in_order(group, faults) for group in members]
    if faults:
        raise refusal(faults)
    if batch.parallel and not parallel_writes:
        waits = _keep_writes_in_order(members, waits)
    after = [frozenset(waits[place]) for place in range(len(members))] if waits else repeat(_NONE)
    atomic: Iterable[bool] = repeat(batch.atomic)
    if has_groups and not batch.atomic:
        atomic = [group[0].atomicity_group is not None for group in members]
    return Plan(batch, tuple(map(Step, count(), members, atomic, after)))


def _keep_writes_in_order(members: Sequence[Members], waits: Waits) -> Waits:
    """`waits`, with unsafe sub-requests that wait for all before them and hold all after them, as in a serial run."""
    waits = {place: {*waits.get(place, ())} for place in range(len(members))}
    write: int | None = None
    since: list[int] = []  # steps after that write
    for place in _sorted(waits)[0]:
        first = members[place][0]
        if write is not None:
            waits[place].add(write)
        if first.atomicity_group is None and first.method not in _SAFE_METHODS:
            waits[place].update(since)
            write, since = place, []
        else:
            since.append(place)
    return waits


def _members(batch: Batch, *, has_groups: bool) -> list[Members]:
    """The sub-requests of each step, in batch order."""
    if batch.atomic:
        return [batch.subrequests] if batch.subrequests else []
    if not has_groups:
        return [(subrequest,) for subrequest in batch.subrequests]
    groups: dict[object, list[Subrequest]] = {}
    for place, subrequest in enumerate(batch.subrequests):
        group = subrequest.atomicity_group
        groups.setdefault(place if group is None else group, []).append(subrequest)
    return [tuple(group) for group in groups.values()]


def _duplicate_ids(batch: Batch, groups: Collection[str | None]) -> Iterator[DuplicateId]:
    ids = {subrequest.id for subrequest in batch.subrequests}
    if len(ids) == len(batch.subrequests) and ids.isdisjoint(groups):
        return
    uses = Counter(subrequest.id for subrequest in batch.subrequests)
    for subrequest in batch.subrequests:
        if uses[subrequest.id] > 1 or subrequest.id in groups:
            uses_too = "another sub-request" if uses[subrequest.id] > 1 else "a group"
            detail = f"The id {subrequest.id!r} is that of {uses_too} too. Each must be unique."
            yield DuplicateId(detail, pointer=f"{subrequest.pointer}/id")


def _unknown_dependencies(batch: Batch) -> Iterator[UnknownDependency]:
    groups = {subrequest.atomicity_group for subrequest in batch.subrequests}
    known = groups.union(subrequest.id for subrequest in batch.subrequests)
    for subrequest in batch.subrequests:  # one fault for all names: there may be as many as fit into a batch
        pointer = f"{subrequest.pointer}/depends_on"
        if unknown := [name for name in subrequest.depends_on if name not in known]:
            names = ", ".join(map(repr, unknown))
            detail = f"{subrequest.id!r} depends on what is no id or group of this batch: {names}."
            yield UnknownDependency(detail, pointer=pointer)
        referred = {reference.id for reference in subrequest.references}
        if unknown := sorted(referred.difference(subrequest.depends_on) | (referred & groups)):
            names = ", ".join(map(repr, unknown))
            yield UnknownDependency(
                f"{subrequest.id!r} refers to what is no id that it depends on: {names}.", pointer=pointer
            )


def _waits_of_steps(members: Sequence[Members]) -> Waits:
    places: dict[str | None, int] = {}
    for place, group in enumerate(members):
        places |= {name: place for subrequest in group for name in (subrequest.id, subrequest.atomicity_group)}
    return {
        place: {places[name] for subrequest in group for name in subrequest.depends_on if name in places} - {place}
        for place, group in enumerate(members)
    }


def _in_order(group: Members, faults: list[BatchError]) -> Members:
    """The members of one step, in batch order as far as their dependencies on each other allow."""
    places: dict[str | None, Iterable[int]] = {subrequest.id: [place] for place, subrequest in enumerate(group)}
    if (name := group[0].atomicity_group) is not None:
        places[name] = range(len(group))  # a member that waits for its own group waits for itself
    waits: Waits = {
        place: {other for name in subrequest.depends_on for other in places.get(name, ())}
        for place, subrequest in enumerate(group)
    }
    faults += _cycles(group, waits)
    return tuple(group[place] for place in _sorted(waits)[0])


def _cycles(subrequests: Sequence[Subrequest], waits: Waits) -> Iterator[DependencyCycle]:
    """A fault for each of `subrequests` that can never start, if some wait for each other."""
    order, cycle = _sorted(waits)
    for place in sorted(waits.keys() - set(order)):
        subrequest = subrequests[place]
        ids = " -> ".join(subrequests[each].id for each in cycle)
        detail = f"{subrequest.id!r} can never start, as these wait for each other: {ids}."
        yield DependencyCycle(detail, pointer=f"{subrequest.pointer}/depends_on")


def _sorted(waits: Waits) -> tuple[list[int], list[int]]:
    """The positions in an order that can be run, else the smallest first; and a cycle that keeps the rest out of it."""
    sorter, cycle = TopologicalSorter(waits), []
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = list(reversed(error.args[1]))
    order: list[int] = []
    ready: list[int] = []
    while sorter.is_active():
        for place in sorter.get_ready():
            heappush(ready, place)
        order.append(heappop(ready))
        sorter.done(order[-1])
    return order, cycle
