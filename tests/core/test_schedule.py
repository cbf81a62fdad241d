"""The record of a batch while it runs: what may start, and what has been answered."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from django_batch.core.batch import Batch, Subrequest, Subresponse
from django_batch.core.plan import Step, plan
from django_batch.core.references import in_text
from django_batch.core.schedule import Schedule


def answered(step: Step, status: int = 200) -> list[Subresponse]:
    return [Subresponse(subrequest, status) for subrequest in step.subrequests]


def run_of(*subrequests: Subrequest, continue_on_error: bool = True) -> Schedule:
    return Schedule(plan(Batch(subrequests, continue_on_error=continue_on_error)))


def subrequest(id_: str, *depends_on: str, group: str | None = None) -> Subrequest:
    return Subrequest(id_, "GET", "/", depends_on=depends_on, atomicity_group=group)


def positions(steps: Sequence[Step]) -> list[int]:
    return [step.position for step in steps]


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Batches without cycles. Each sub-request depends on earlier ones of a random order, not that of the batch."""
    order = draw(st.permutations(range(draw(st.integers(1, 8)))))
    members = {}
    for index, place in enumerate(order):
        depends_on = draw(st.sets(st.sampled_from(order[:index]))) if index else ()
        members[place] = subrequest(str(place), *map(str, depends_on))
    return Batch(tuple(members[place] for place in range(len(order))), continue_on_error=draw(st.booleans()))


@given(batches(), st.data())
def test_steps_start_in_batch_order_as_soon_as_they_may(batch, data):
    run = Schedule(plan(batch))
    started: list[Step] = []
    in_progress: list[Step] = []
    finished: set[int] = set()
    failed = False
    while True:
        free = [step.position for step in run.plan.steps if step not in started and step.after <= finished]
        steps = run.start(limit := data.draw(st.integers(1, 3)))
        assert positions(steps) == ([] if failed and not batch.continue_on_error else free[:limit])
        started += steps
        in_progress += steps
        if not in_progress:
            break
        step = in_progress.pop(data.draw(st.integers(0, len(in_progress) - 1)))
        status = data.draw(st.sampled_from([200, 302, 400]))
        failed = failed or status == 400
        finished.add(step.position)
        run.finish(step, answered(step, status))
    assert len(started) == len(run.plan.steps) or run.stopped
    assert [each.subrequest for each in run.subresponses()] == list(batch.subrequests)


def test_answers_are_known_by_id_and_by_group():
    run = run_of(subrequest("a", group="g"), subrequest("b"), subrequest("c", group="g"))
    for step in run.start(2):
        run.finish(step, answered(step))
    assert {name: [each.subrequest.id for each in found] for name, found in run.answers.items()} == {
        "a": ["a"],
        "b": ["b"],
        "c": ["c"],
        "g": ["a", "c"],
    }


def test_group_without_a_name_to_speak_of_is_known_too():
    run = run_of(subrequest("a", group=""), subrequest("b", ""))
    (step,) = run.start()
    run.finish(step, answered(step, 404))
    assert [each.status for each in run.answers[""]] == [404]


def test_answers_are_in_the_order_of_the_requests():
    run = run_of(subrequest("a", "b"), subrequest("b"), subrequest("c"))
    while steps := run.start(3):
        for step in reversed(steps):
            run.finish(step, answered(step))
    assert [each.subrequest.id for each in run.subresponses()] == ["a", "b", "c"]


@pytest.mark.parametrize(("status", "second"), [(200, 200), (302, 200), (399, 200), (400, 424), (500, 424)])
def test_stop_at_the_first_failure_answers_the_rest_as_not_run(status, second):
    run = run_of(subrequest("a"), subrequest("b"), continue_on_error=False)
    (step,) = run.start()
    run.finish(step, answered(step, status))
    for step in run.start():
        run.finish(step, answered(step))
    assert [each.status for each in run.subresponses()] == [status, second]


def test_what_is_not_run_says_so():
    run = run_of(subrequest("a"), subrequest("b"), continue_on_error=False)
    (step,) = run.start()
    run.finish(step, answered(step, 404))
    assert run.stopped
    assert run.subresponses()[1].error.code == "not_run"


def test_step_in_progress_ends_after_a_stop():
    run = run_of(subrequest("a"), subrequest("b"), subrequest("c"), continue_on_error=False)
    first, second = run.start(2)
    run.finish(first, answered(first, 404))
    run.finish(second, answered(second))
    assert run.start() == []
    assert [each.status for each in run.subresponses()] == [404, 200, 424]


# Streamed batches: answers that were sent are not kept


def referring(id_: str, *ids: str) -> Subrequest:
    text = "".join(f"{{{each}#}}" for each in ids)
    return replace(subrequest(id_, *ids), references=tuple(in_text("path", text, lambda query: lambda found: found)))


def bodies(run: Schedule) -> dict[str, bytes]:
    return {id_: answers[0].body for id_, answers in run.answers.items() if answers[0].body}


def go_on(run: Schedule) -> None:
    (step,) = run.start()
    run.finish(step, [Subresponse(each, 200, {"ETag": "x"}, each.id.encode()) for each in step.subrequests])


def test_body_is_kept_until_nobody_refers_to_it_any_more():
    batch = Batch((subrequest("a"), subrequest("b"), referring("c", "a"), referring("d", "a", "c")))
    run = Schedule(plan(batch), streamed=True)
    kept = []
    for _ in batch.subrequests:
        go_on(run)
        kept.append(bodies(run))
    assert kept == [{"a": b"a"}, {"a": b"a"}, {"a": b"a", "c": b"c"}, {}]
    assert [(each.status, each.headers) for each in run.subresponses()] == [(200, {})] * 4


def test_members_of_a_group_are_kept_no_longer():
    batch = Batch((subrequest("a", group="g"), subrequest("b", group="g"), subrequest("c", "g"), referring("d", "b")))
    run = Schedule(plan(batch), streamed=True)
    go_on(run)
    assert bodies(run) == {"b": b"b"}
    assert [each.status for each in run.answers["g"]] == [200, 200]
    go_on(run)
    go_on(run)
    assert bodies(run) == {}


def test_rest_is_what_was_not_run():
    run = run_of(subrequest("a"), subrequest("b"), subrequest("c"))
    go_on(run)
    run.stop("of a reason")
    run.stop("of another")
    assert run.start() == []
    assert [(each.subrequest.id, each.error.detail) for each in run.rest()] == [
        ("b", "Not run because of a reason."),
        ("c", "Not run because of a reason."),
    ]


# When the time of the batch is over


def test_nothing_is_started_when_the_time_is_over():
    time = iter([False, True, True])
    run = Schedule(plan(Batch((subrequest("a"), subrequest("b")))), over=lambda: next(time))
    go_on(run)
    assert (run.start(), run.start()) == ([], [])
    assert [each.error and each.error.code for each in run.subresponses()] == [None, "not_run"]


def test_run_that_is_at_its_end_anyway_is_not_stopped():
    time = iter([False])
    run = Schedule(plan(Batch((subrequest("a"),))), over=lambda: next(time))
    go_on(run)
    assert (run.start(), run.stopped) == ([], "")
