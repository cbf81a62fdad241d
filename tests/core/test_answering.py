"""How sub-requests and groups are answered: every rule about failure and groups."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
from msgspec.structs import replace

from django_batch.core.answering import Answers, Errors, Prepare, aanswer, answer, answer_group, ready
from django_batch.core.batch import Reference, Subrequest, Subresponse
from django_batch.core.plan import Step
from django_batch.core.references import Budget
from django_batch.errors import CommitFailed, HeaderNotAllowed, MethodNotAllowed, OnCommitFailed, TransactionBroken


def subrequest(id_: str, *depends_on: str, group: str | None = None) -> Subrequest:
    return Subrequest(id_, "GET", "/", depends_on=depends_on, atomicity_group=group)


def single(*depends_on: str) -> Step:
    return Step(0, (subrequest("a", *depends_on),))


def group(*subrequests: Subrequest) -> Step:
    return Step(0, subrequests or (subrequest("a"), subrequest("b"), subrequest("c")), atomic=True)


def preparing(answers: Answers) -> Prepare:
    return lambda subrequest: ready(subrequest, answers, budget=Budget(100))


class Site:
    """Answers each sub-request with a status, or refuses it, and remembers what it was asked to do.

    `errors` are what it tells of a commit, or of a rollback.
    """

    def __init__(self, answers: Mapping[str, int | Exception] | None = None, errors: Errors | None = None) -> None:
        self.asked: list[str] = []
        self._answers = answers or {}
        self._errors = errors or {}

    def send(self, subrequest: Subrequest) -> Subresponse:
        self.asked.append(subrequest.id)
        answer = self._answers.get(subrequest.id, 200)
        if isinstance(answer, Exception):
            raise answer
        return Subresponse(subrequest, answer, duration=0.5)

    async def asend(self, subrequest: Subrequest) -> Subresponse:
        return self.send(subrequest)

    def commit(self) -> Errors:
        self.asked.append("COMMIT")
        return self._errors

    def roll_back(self) -> Errors:
        self.asked.append("ROLLBACK")
        return self._errors

    def subresponses(self, step: Step, answers: Answers, over: Callable[[], bool]) -> list[Subresponse]:
        if step.atomic:
            return [*answer_group(step.subrequests, answers, self, budget=Budget(100), over=over)]
        prepare = preparing(answers)
        subresponse = answer(step.subrequests[0], self.send, prepare=prepare)
        again = asyncio.run(aanswer(step.subrequests[0], self.asend, prepare=prepare))
        assert again.error == subresponse.error or str(again.error) == str(subresponse.error)
        assert (again.subrequest, again.status) == (subresponse.subrequest, subresponse.status)
        self.asked = self.asked[: len(self.asked) // 2]  # because each was asked for twice
        return [subresponse]

    def answer(
        self, step: Step, over: Callable[[], bool] = lambda: False, **before: int
    ) -> list[tuple[str, int, str | None]]:
        """The id, status and code of each sub-request. `before` holds the statuses of earlier answers."""
        answers = {id_: (Subresponse(subrequest(id_), status),) for id_, status in before.items()}
        self.answers = self.subresponses(step, answers, over)
        return [(each.subrequest.id, each.status, each.error and each.error.code) for each in self.answers]


@pytest.mark.parametrize("status", [200, 204, 302, 404, 500])
def test_single_step_gives_the_answer_of_the_site(status):
    site = Site({"a": status})
    assert site.answer(single()) == [("a", status, None)]
    assert site.asked == ["a"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE", "MERGE"])
@pytest.mark.parametrize("status", [301, 307, 308])
def test_redirect_to_another_place_is_a_failure_of_an_unsafe_method(method, status):
    is_safe = method in ("GET", "HEAD", "OPTIONS", "TRACE")
    assert Subresponse(Subrequest("a", method, "/"), status).failed is not is_safe
    assert not Subresponse(Subrequest("a", method, "/"), 303).failed


def test_refused_subrequest_is_answered_with_the_refusal():
    assert Site({"a": MethodNotAllowed("No.")}).answer(single()) == [("a", 405, "method_not_allowed")]


@pytest.mark.parametrize("status", [200, 302, 399])
def test_dependency_that_succeeded_lets_it_run(status):
    assert Site().answer(single("x"), x=status) == [("a", 200, None)]


@pytest.mark.parametrize("status", [400, 404, 424, 500])
def test_dependency_that_failed_keeps_it_from_running(status):
    site = Site()
    assert site.answer(single("x", "y", "z"), x=status, y=200, z=status) == [("a", 424, "failed_dependency")]
    assert site.asked == []
    assert "depends on 'x', 'z'" in site.answers[0].error.detail


@pytest.mark.parametrize(("holds", "status"), [(lambda by: by["b"] and not by["c"], 200), (lambda by: by["c"], 424)])
def test_condition_decides_instead_of_its_dependencies(holds, status):
    step = Step(0, (replace(subrequest("a", "b", "c"), condition=holds),))
    site = Site()
    assert [told[1] for told in site.answer(step, b=200, c=404)] == [status]
    assert site.asked == ["a"] * (status == 200)


def test_condition_that_cannot_be_told_does_not_hold():
    def condition(by):
        raise ValueError("is not understood")

    site = Site()
    assert site.answer(Step(0, (replace(subrequest("a", "b"), condition=condition),)), b=200) == [
        ("a", 424, "failed_dependency")
    ]
    assert site.answers[0].error.detail == "Not run because its condition is not understood."


def test_answer_tells_the_path_that_was_sent_and_keeps_the_references():
    reference = Reference("path", 0, 2, "a", lambda answer: "/books/1", "$a")
    referring = replace(subrequest("b", "a"), path="$a/price", references=(reference,))
    site = Site()
    site.answer(Step(0, (referring,)), a=200)
    assert site.answers[0].subrequest == replace(referring, path="/books/1/price")


def test_condition_of_a_member_knows_that_those_of_its_group_before_it_succeed():
    unless = replace(subrequest("b", "a"), condition=lambda by: not by["a"])
    site = Site()
    assert site.answer(group(subrequest("a"), unless)) == [
        ("a", 424, "not_run"),
        ("b", 424, "failed_dependency"),
    ]
    assert site.asked == []


def test_dependency_on_a_group_fails_if_any_member_did():
    failed = (Subresponse(subrequest("x"), 200), Subresponse(subrequest("y"), 500))
    subresponse = answer(single("g").subrequests[0], Site().send, prepare=preparing({"g": failed}))
    assert subresponse.error.code == "failed_dependency"


def test_group_in_which_all_succeed_is_committed():
    site = Site({"b": 302})
    assert site.answer(group()) == [("a", 200, None), ("b", 302, None), ("c", 200, None)]
    assert site.asked == ["a", "b", "c", "COMMIT"]


@pytest.mark.parametrize(
    ("status", "code"), [(400, None), (500, None), (HeaderNotAllowed("No."), "header_not_allowed")]
)
def test_group_stops_at_the_first_failure_and_is_rolled_back(status, code):
    site = Site({"b": status, "c": 500})
    assert site.answer(group()) == [
        ("a", 424, "rolled_back"),
        ("b", status if code is None else 400, code),
        ("c", 424, "not_run"),
    ]
    assert site.asked == ["a", "b", "ROLLBACK"]
    assert all("'b'" in site.answers[place].error.detail for place in (0, 2))


def test_rolled_back_member_keeps_its_duration():
    site = Site({"b": 400})
    site.answer(group())
    assert [each.duration for each in site.answers] == [0.5, 0.5, 0.0]


def test_group_whose_commit_failed_answers_none_with_success():
    failed = CommitFailed("No.")
    site = Site(errors={"a": failed, "b": failed, "c": failed})
    assert [told[1:] for told in site.answer(group())] == [(500, "commit_failed")] * 3


def test_member_that_could_not_be_rolled_back_says_so():
    site = Site({"c": 400}, errors={"a": TransactionBroken("It may be stored.")})
    assert site.answer(group()) == [("a", 500, "transaction_broken"), ("b", 424, "rolled_back"), ("c", 400, None)]


def test_hook_that_failed_after_the_commit_is_told_by_its_own_member():
    site = Site(errors={"b": OnCommitFailed("No.")})
    assert site.answer(group()) == [("a", 200, None), ("b", 500, "on_commit_failed"), ("c", 200, None)]


def test_group_of_which_a_dependency_failed_does_not_start():
    site = Site()
    members = group(subrequest("a"), subrequest("b", "x"), subrequest("c", "a"))
    assert site.answer(members, x=404) == [
        ("a", 424, "not_run"),
        ("b", 424, "failed_dependency"),
        ("c", 424, "not_run"),
    ]
    assert site.asked == []


def test_member_that_depends_on_an_earlier_one_is_run_after_it():
    site = Site()
    site.answer(group(subrequest("a"), subrequest("b", "a")))
    assert site.asked == ["a", "b", "COMMIT"]


# When the time of the batch is over


@pytest.mark.parametrize(("members", "effects"), [(1, ["a"]), (2, ["a", "b"])])
def test_group_whose_time_is_over_between_its_members_is_rolled_back(members, effects):
    site = Site()
    site.answer(group(), over=lambda: len(site.asked) == members)
    assert site.asked == [*effects, "ROLLBACK"]
    codes = ["rolled_back"] * members + ["not_run"] * (3 - members)
    assert [(each.status, each.error.code) for each in site.answers] == [(424, code) for code in codes]
    assert site.answers[0].error.detail == "Rolled back with its group because the time of the batch was over."
    assert site.answers[-1].error.detail == "Not run because the time of the batch was over."


def test_group_whose_time_is_over_after_its_last_member_is_committed():
    site = Site()
    site.answer(group(), over=lambda: len(site.asked) == 3)
    assert site.asked == ["a", "b", "c", "COMMIT"]
