"""From a `Batch` to a `Plan`: which steps there are, and which steps wait for which.

A step is one sub-request, or all members of a group. A batch that cannot be run as it is written is refused here,
before anything is run: ids that are used twice, dependencies that do not exist, cycles. The error reports everything
that is wrong, so a sender can correct it all at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from itertools import count, repeat

from msgspec import Struct

from django_batch.core.batch import SAFE_METHODS, Batch, Subrequest
from django_batch.core.names import hint, listed
from django_batch.core.reading import unsafe_items
from django_batch.errors import BatchError, DependencyCycle, DuplicateId, UnknownDependency, refusal

_NONE: frozenset[int] = frozenset()

Members = tuple[Subrequest, ...]
Waits = Mapping[int, set[int]]  # position -> the positions that come before it


class Step(Struct, frozen=True):
    """A unit of work. `subrequests` are in the order in which they run; `after` has the positions of earlier steps."""

    position: int
    subrequests: Members
    atomic: bool = False
    after: frozenset[int] = frozenset()


class Plan(Struct, frozen=True):
    """The steps of a batch, each at the place of its first member."""

    batch: Batch
    steps: tuple[Step, ...]


def plan(batch: Batch, *, parallel_writes: bool = False) -> Plan:
    """The plan of `batch`. Raises one `BatchError` that reports every fault in it.

    Steps that may run side by side still keep the order of writes, unless `parallel_writes` is set.
    """
    groups = {subrequest.atomicity_group for subrequest in batch.subrequests}
    faults: list[BatchError] = [*batch.faults, *unsafe_items(batch), *_duplicate_ids(batch, groups)]
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
    """`waits`, extended so that each unsafe sub-request runs after all earlier steps and before all later ones."""
    waits = {place: {*waits.get(place, ())} for place in range(len(members))}
    write: int | None = None
    since: list[int] = []  # the steps after the last write
    for place in _sorted(waits)[0]:
        first = members[place][0]
        if write is not None:
            waits[place].add(write)
        if first.atomicity_group is None and first.method not in SAFE_METHODS:
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
            also = "another item" if uses[subrequest.id] > 1 else "a group"
            default = " An item without an id gets its position as id." if subrequest.id.isdecimal() else ""
            detail = f"The id {listed([subrequest.id])} is also that of {also}. Each must be unique.{default}"
            yield DuplicateId(detail, pointer=f"{subrequest.pointer}/id")


def _unknown_dependencies(batch: Batch) -> Iterator[UnknownDependency]:
    groups = {subrequest.atomicity_group for subrequest in batch.subrequests}
    names = {subrequest.id: None for subrequest in batch.subrequests}
    names |= {group: None for group in groups if group is not None}
    for subrequest in batch.subrequests:  # one fault for all names of an item, because there may be very many
        pointer = f"{subrequest.pointer}/depends_on"
        item = f"Item {listed([subrequest.id])}"
        if unknown := [name for name in subrequest.depends_on if name not in names]:
            detail = f"{item} depends on {listed(unknown)}, but no item or group of this batch has that id."
            yield UnknownDependency(f"{detail} {_guess(unknown[0], names)}".rstrip(), pointer=pointer)
        referred = {reference.id for reference in subrequest.references}
        if whole := sorted(referred & groups):
            detail = f"{item} refers to {listed(whole)}, which is a group. Refer to one of its members."
            yield UnknownDependency(detail, pointer=pointer)
        if unknown := sorted(referred.difference(subrequest.depends_on, groups)):
            detail = f"{item} refers to {listed(unknown)}, which is not in its depends_on."
            yield UnknownDependency(f"{detail} {_guess(unknown[0], subrequest.depends_on)}".rstrip(), pointer=pointer)


def _guess(name: str, known: Iterable[str]) -> str:
    """A question that suggests one of `known` for `name`, or an empty text."""
    found = hint(name, known)
    return found if found.startswith("Did") else ""


def _waits_of_steps(members: Sequence[Members]) -> Waits:
    places: dict[str | None, int] = {}
    for place, group in enumerate(members):
        places |= {name: place for subrequest in group for name in (subrequest.id, subrequest.atomicity_group)}
    return {
        place: {places[name] for subrequest in group for name in subrequest.depends_on if name in places} - {place}
        for place, group in enumerate(members)
    }


def _in_order(group: Members, faults: list[BatchError]) -> Members:
    """The members of one step, in batch order as far as the dependencies between them allow."""
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
    """A fault for each of `subrequests` that can never start because of a cycle."""
    order, cycle = _sorted(waits)
    for place in sorted(waits.keys() - set(order)):
        subrequest = subrequests[place]
        ids = " -> ".join(subrequests[each].id for each in cycle)
        detail = f"Item {subrequest.id!r} can never start, because these wait for each other: {ids}."
        yield DependencyCycle(detail, pointer=f"{subrequest.pointer}/depends_on")


def _sorted(waits: Waits) -> tuple[list[int], list[int]]:
    """The positions in an order that can be run, and a cycle if there is one.

    If several positions could be next, the smallest comes first. Positions that wait for a cycle are missing.
    """
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
