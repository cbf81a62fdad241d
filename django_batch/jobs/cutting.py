"""From a plan to chunks: consecutive steps, few enough for one worker to run in seconds.

The order of the steps is that of `Schedule`, so that a job runs in the order in which a batch would. Without `parallel`
a chunk waits for the one before it, otherwise for those that hold what its items depend on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, field

from django_batch.core.plan import Plan, Step
from django_batch.core.schedule import Schedule


class Cut(Struct):
    """One chunk: see the fields of `Chunk`."""

    number: int
    steps: list[list[int]]
    needs: dict[str, list[int]] = field(default_factory=dict)
    after: list[int] = field(default_factory=list)
    before: list[int] = field(default_factory=list)


def cut(plan: Plan, size: int, *, parallel: bool) -> list[Cut]:
    """The chunks of `plan`, with at most `size` items each. A group is never divided, however large it is."""
    places = {each.id: place for place, each in enumerate(plan.batch.subrequests)}
    groups: dict[str, list[int]] = defaultdict(list)
    for each in plan.batch.subrequests:
        if each.atomicity_group is not None:
            groups[each.atomicity_group].append(places[each.id])
    cuts: list[Cut] = []
    of_step: dict[int, int] = {}  # position of a step -> number of its chunk
    for number, steps in enumerate(_portions(in_order(plan), size)):
        members = [[places[each.id] for each in step.subrequests] for step in steps]
        inside = {place for step in members for place in step}
        names = {name for step in steps for each in step.subrequests for name in each.depends_on}
        positions = {name: groups[name] if name in groups else [places[name]] for name in sorted(names)}
        needs = {name: found for name, found in positions.items() if not inside.issuperset(found)}
        of_step.update((step.position, number) for step in steps)
        waits = {of_step[position] for step in steps for position in step.after} - {number}
        after = sorted(waits) if parallel else [number - 1] if number else []
        cuts.append(Cut(number, members, needs, after))
    for each_cut in cuts:
        for earlier in each_cut.after:
            cuts[earlier].before.append(each_cut.number)
    return cuts


def cut_unrelated(total: int, size: int, *, parallel: bool) -> Iterator[Cut]:
    """The chunks of `total` items that neither depend on each other nor form groups."""
    numbers = range(-(-total // size))
    for number in numbers:
        steps = [[place] for place in range(number * size, min(total, (number + 1) * size))]
        after = [number - 1] if number and not parallel else []
        before = [number + 1] if number + 1 in numbers and not parallel else []
        yield Cut(number, steps, after=after, before=before)


def in_order(plan: Plan) -> Iterator[Step]:
    """The steps in the order in which they are run one after another."""
    schedule = Schedule(plan)
    while started := schedule.start():
        yield started[0]
        schedule.finish(started[0], ())


def _portions(steps: Iterable[Step], size: int) -> Iterator[Sequence[Step]]:
    portion: list[Step] = []
    count = 0
    for step in steps:
        if portion and count + len(step.subrequests) > size:
            yield portion
            portion, count = [], 0
        portion.append(step)
        count += len(step.subrequests)
    yield portion  # a plan has at least one step
