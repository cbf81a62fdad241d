"""From a batch to its steps, against a model that is slow and plain."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from django_batch.core.batch import Batch, Reference, Subrequest
from django_batch.core.plan import Step, plan
from django_batch.errors import BatchError, DependencyCycle, DuplicateId, Malformed, UnknownDependency


def subrequest(id_: str, *depends_on: str, group: str | None = None, method: str = "GET") -> Subrequest:
    return Subrequest(id_, method, "/", depends_on=depends_on, atomicity_group=group, pointer=f"/{id_}")


def batch(*subrequests: Subrequest, atomic: bool = False, parallel: bool = False) -> Batch:
    return Batch(subrequests, atomic=atomic, parallel=parallel)


def steps(planned: Batch) -> list[tuple[str, bool, set[int]]]:
    """For each step, the ids of its members, whether it is atomic, and the steps before it."""
    return [
        ("".join(each.id for each in step.subrequests), step.atomic, set(step.after)) for step in plan(planned).steps
    ]


@st.composite
def graphs(draw: st.DrawFn) -> Batch:
    """Batches of up to seven sub-requests, some in two groups, with dependencies any way round."""
    count = draw(st.integers(1, 7))
    groups = draw(st.lists(st.sampled_from([None, "g", "h"]), min_size=count, max_size=count))
    names = [*map(str, range(count)), *sorted({group for group in groups if group})]
    depends_on = st.lists(st.sampled_from(names), max_size=2, unique=True)
    methods = st.sampled_from(["GET", "POST"])
    members = [
        subrequest(str(place), *draw(depends_on), group=group, method=draw(methods))
        for place, group in enumerate(groups)
    ]
    return batch(*members, atomic=not any(groups) and draw(st.booleans()), parallel=draw(st.booleans()))


# The model: sets of names, and a search that tries everything again after each find.


def model_members(planned: Batch) -> list[list[Subrequest]]:
    if planned.atomic:
        return [list(planned.subrequests)]
    names = list(dict.fromkeys(each.atomicity_group or each.id for each in planned.subrequests))
    return [[each for each in planned.subrequests if name == (each.atomicity_group or each.id)] for name in names]


def model_waits(parties: list[list[Subrequest]]) -> dict[int, set[int]]:
    """Each party with the other parties that one of its members waits for, by id or by group."""
    known_as = [{name for each in party for name in (each.id, each.atomicity_group)} for party in parties]
    waited_for = [{name for each in party for name in each.depends_on} for party in parties]
    return {
        place: {other for other, names in enumerate(known_as) if names & waited_for[place]}
        for place in range(len(parties))
    }


def peel(waits: dict[int, set[int]]) -> list[int]:
    """The order that results if each time the first party is taken that waits for no other remaining party."""
    order: list[int] = []
    while free := [place for place in waits if place not in order and waits[place] <= set(order)]:
        order.append(min(free))
    return order


def model_steps(members: list[list[Subrequest]]) -> dict[int, set[int]]:
    return {place: others - {place} for place, others in model_waits(members).items()}


def stuck(parties: list[list[Subrequest]], waits: dict[int, set[int]]) -> set[str]:
    """The pointers of the sub-requests that can never start."""
    return {parties[place][0].pointer for place in waits.keys() - set(peel(waits))}


def cycles(planned: Batch) -> set[str]:
    """The pointers of the faults that report a cycle."""
    try:
        plan(planned)
    except DependencyCycle as error:
        return {fault.pointer for fault in error.errors}
    return set()


@given(graphs())
def test_plan_of_any_graph_is_that_of_the_model(planned):
    members = model_members(planned)
    inside = [[[each] for each in party] for party in members]
    endless = stuck(members, model_steps(members)).union(*(stuck(each, model_waits(each)) for each in inside))
    assert cycles(planned) == {f"{pointer}/depends_on" for pointer in endless}
    if endless:
        return
    steps = plan(planned, parallel_writes=True).steps
    assert {step.position: step.after for step in steps} == model_steps(members)
    assert [list(step.subrequests) for step in steps] == [
        [party[place] for place in peel(model_waits(each))] for party, each in zip(members, inside, strict=True)
    ]
    assert [step.atomic for step in steps] == [
        planned.atomic or party[0].atomicity_group is not None for party in members
    ]


def before(steps: tuple[Step, ...], position: int) -> set[int]:
    """Everything that has ended when a step starts."""
    direct = steps[position].after
    return set(direct).union(*(before(steps, other) for other in direct))


@given(graphs())
def test_writes_side_by_side_keep_their_order(planned):
    if cycles(planned):
        return
    steps = plan(replace(planned, parallel=True)).steps
    order = peel({step.position: set(step.after) for step in steps})
    writes = {step.position for step in steps if not step.atomic and step.subrequests[0].method == "POST"}
    for index, position in enumerate(order):
        if position in writes:
            assert before(steps, position) == set(order[:index])
        else:
            assert before(steps, position) >= writes & set(order[:index])


@pytest.mark.parametrize(
    ("planned", "expected"),
    [
        (batch(), []),
        (batch(subrequest("a"), subrequest("b")), [("a", False, set()), ("b", False, set())]),
        (batch(subrequest("a"), subrequest("b"), atomic=True), [("ab", True, set())]),
        (batch(subrequest("a", "b"), subrequest("b")), [("a", False, {1}), ("b", False, set())]),
        (
            batch(subrequest("a", group="g"), subrequest("b"), subrequest("c", group="g")),
            [("ac", True, set()), ("b", False, set())],
        ),
        (
            batch(subrequest("a", group="g"), subrequest("b", "g"), subrequest("c", "b")),
            [("a", True, set()), ("b", False, {0}), ("c", False, {1})],
        ),
        (batch(subrequest("a", "b", group="g"), subrequest("b", group="g")), [("ba", True, set())]),
        (batch(subrequest("a", group=""), subrequest("b", "")), [("a", True, set()), ("b", False, {0})]),
    ],
)
def test_batch_is_cut_into_steps(planned, expected):
    assert steps(planned) == expected


@pytest.mark.parametrize(
    ("planned", "cycle"),
    [
        (batch(subrequest("a", "a")), "a -> a"),
        (batch(subrequest("a", "b"), subrequest("b", "a")), "a -> b -> a"),
        (batch(subrequest("a", "g", group="g")), "a -> a"),
        (batch(subrequest("a", "b", group="g"), subrequest("b", "a", group="g")), "a -> b -> a"),
        (batch(subrequest("a", "b", group="g"), subrequest("b", "c"), subrequest("c", group="g")), "a -> b -> a"),
        (batch(subrequest("a", "b"), subrequest("b", "a"), atomic=True), "a -> b -> a"),
    ],
)
def test_cycle_is_refused_with_its_ids(planned, cycle):
    with pytest.raises(DependencyCycle) as caught:
        plan(planned)
    names = re.search(r"wait for each other: (.*)\.$", caught.value.errors[0].detail)[1].split(" -> ")
    assert (names[0], {*names}, len(names)) == (names[-1], {*cycle.split(" -> ")}, len(cycle.split(" -> ")))


def test_what_waits_for_a_cycle_is_blamed_too():
    planned = batch(subrequest("a", "b"), subrequest("b", "a"), subrequest("c", "a"), subrequest("d"))
    with pytest.raises(DependencyCycle) as caught:
        plan(planned)
    assert [fault.pointer for fault in caught.value.errors] == ["/a/depends_on", "/b/depends_on", "/c/depends_on"]


@pytest.mark.parametrize(
    ("planned", "pointers"),
    [
        (batch(subrequest("a"), subrequest("b"), subrequest("a")), ["/a/id", "/a/id"]),
        (batch(subrequest("g"), subrequest("b", group="g")), ["/g/id"]),
        (batch(subrequest("g", group="g")), ["/g/id"]),
        (batch(subrequest("", group="")), ["//id"]),
    ],
)
def test_id_that_is_used_twice_is_refused_wherever_it_stands(planned, pointers):
    with pytest.raises(DuplicateId) as caught:
        plan(planned)
    assert [fault.pointer for fault in caught.value.errors] == pointers


def test_unknown_dependencies_of_one_subrequest_are_one_fault():
    with pytest.raises(UnknownDependency, match="'x', 'y'") as caught:
        plan(batch(subrequest("a", "x", "b", "y"), subrequest("b", "z")))
    assert [fault.pointer for fault in caught.value.errors] == ["/a/depends_on", "/b/depends_on"]


@pytest.mark.parametrize("referred", ["b", "g", "x"])
def test_reference_to_what_is_no_id_that_it_depends_on_is_refused(referred):
    reference = Reference("path", 0, 1, referred, lambda document: document, f"{referred}#")
    refers = replace(subrequest("a", "c", "g"), references=(reference,))
    with pytest.raises(UnknownDependency, match=f"'{referred}'") as caught:
        plan(batch(refers, subrequest("b"), subrequest("c"), subrequest("d", group="g")))
    assert caught.value.pointer == "/a/depends_on"


def test_reference_of_a_batch_without_dependencies_is_refused():
    reference = Reference("path", 0, 1, "b", lambda document: document, "b#")
    with pytest.raises(UnknownDependency):
        plan(batch(replace(subrequest("a"), references=(reference,)), subrequest("b")))


def test_all_that_is_wrong_is_told_at_once():
    faulty = replace(
        batch(subrequest("a"), subrequest("a"), subrequest("b", "x"), subrequest("c", "c")),
        faults=(Malformed("No JSON.", pointer="/d"),),
    )
    with pytest.raises(BatchError) as caught:
        plan(faulty)
    assert [(type(fault), fault.pointer) for fault in caught.value.errors] == [
        (Malformed, "/d"),
        (DuplicateId, "/a/id"),
        (DuplicateId, "/a/id"),
        (UnknownDependency, "/b/depends_on"),
        (DependencyCycle, "/c/depends_on"),
    ]
    assert (caught.value.code, caught.value.detail) == ("malformed", "5 errors, the first: No JSON.")


def test_long_ids_do_not_make_a_long_refusal():
    names = [f"{place}{'x' * 10_000}" for place in range(50)]
    endless = batch(*(subrequest(name, names[place - 1]) for place, name in enumerate(names)))
    with pytest.raises(DependencyCycle) as caught:
        plan(endless)
    assert sum(len(fault.detail) for fault in caught.value.errors) < 50 * 10_000
