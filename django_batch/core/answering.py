"""How sub-requests and groups are answered. Every rule about failure and groups is here, once, as plain functions.

`answer` sends one sub-request, unless something that it depends on failed. `answer_group` sends the members of a group
through a transaction, stops at the first failure, and reports for each member what happened to it. Both know nothing
about Django: the caller passes in the function that sends, or the transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace

from django_batch.core.batch import Subrequest, Subresponse
from django_batch.core.references import Budget, fill
from django_batch.errors import BatchError, FailedDependency, NotRun, RolledBack

TIME_OVER = "the time of the batch was over"

Answers = Mapping[str, Sequence[Subresponse]]  # every id and group name that has been answered -> its subresponses
Prepare = Callable[[Subrequest], Subrequest]  # what `ready` does, with the answers so far
Errors = Mapping[str, BatchError]  # id of a sub-request -> the error that replaces its answer


class Transaction(Protocol):
    """The transaction through which the members of a group are sent. It begins with the first member."""

    def send(self, subrequest: Subrequest) -> Subresponse:
        """The site's answer. Raises a `BatchError` if the group has failed even though the site answered."""

    def commit(self) -> Errors:
        """Commit. The result names the members that cannot be answered with success, and why."""

    def roll_back(self) -> Errors:
        """Roll back. The result names the members that cannot be answered with `rolled_back`, and why."""


def ready(subrequest: Subrequest, answers: Answers, *, budget: Budget) -> Subrequest:
    """`subrequest` with its references filled in, within `budget`. Raises a `BatchError` (424) if it may not run."""
    if (subrequest.depends_on or subrequest.condition) and (obstacle := _obstacle(subrequest, answers)):
        raise FailedDependency(f"Not run because {obstacle}.")
    return fill(subrequest, answers, budget=budget) if subrequest.references else subrequest


def answer(subrequest: Subrequest, send: Callable[[Subrequest], Subresponse], *, prepare: Prepare) -> Subresponse:
    """The answer to `subrequest`. If `prepare` or `send` raises a `BatchError`, that is the answer."""
    try:
        if not (subrequest.depends_on or subrequest.condition):
            return send(subrequest)
        return _with_references_of(subrequest, send(prepare(subrequest)))
    except BatchError as error:
        return Subresponse.refused(subrequest, error)


async def aanswer(
    subrequest: Subrequest, send: Callable[[Subrequest], Awaitable[Subresponse]], *, prepare: Prepare
) -> Subresponse:
    """`answer` with a `send` that is awaited."""
    try:
        return _with_references_of(subrequest, await send(prepare(subrequest)))
    except BatchError as error:
        return Subresponse.refused(subrequest, error)


def answer_group(
    subrequests: Sequence[Subrequest],
    answers: Answers,
    transaction: Transaction,
    *,
    budget: Budget,
    over: Callable[[], bool] = lambda: False,
) -> Sequence[Subresponse]:
    """The answers to `subrequests`, which are committed together or not at all.

    Once the time is `over`, no further member is started, and the group is rolled back.
    """
    known = {name: answers[name] for each in subrequests for name in each.depends_on if name in answers}
    obstacles = {each.id: _obstacle(each, known) for each in subrequests}
    if any(obstacles.values()):
        return [_not_begun(each, obstacles[each.id]) for each in subrequests]
    done: list[Subresponse] = []
    for position, subrequest in enumerate(subrequests):
        if done and over():
            later = [not_run(each, TIME_OVER) for each in subrequests[position:]]
            return [*_rolled_back(done, TIME_OVER, transaction.roll_back()), *later]
        subresponse = answer(subrequest, transaction.send, prepare=lambda each: ready(each, known, budget=budget))
        if subresponse.failed:
            later = [not_run(each, f"{subrequest.id!r} of its group failed") for each in subrequests[position + 1 :]]
            return [*_rolled_back(done, f"{subrequest.id!r} failed", transaction.roll_back()), subresponse, *later]
        done.append(subresponse)
        known[subrequest.id] = (subresponse,)
    return _corrected(done, transaction.commit())


def not_run(subrequest: Subrequest, reason: str) -> Subresponse:
    """The answer to a sub-request that was never started."""
    return Subresponse.refused(subrequest, NotRun(f"Not run because {reason}."))


def _obstacle(subrequest: Subrequest, answers: Answers) -> str | None:
    """The reason why `subrequest` may not run, or None.

    Names not yet answered belong to the same group and run earlier, so they count as successes.
    """
    succeeded = {name: not any(answer.failed for answer in answers.get(name, ())) for name in subrequest.depends_on}
    if subrequest.condition:
        try:
            return None if subrequest.condition(succeeded) else "its condition does not hold"
        except ValueError as error:
            return f"its condition {error}"
    failed = ", ".join(repr(name) for name in subrequest.depends_on if not succeeded[name])
    return f"it depends on {failed}, which failed" if failed else None


def _not_begun(subrequest: Subrequest, obstacle: str | None) -> Subresponse:
    if obstacle:
        return Subresponse.refused(subrequest, FailedDependency(f"Not run because {obstacle}."))
    return not_run(subrequest, "a dependency of its group failed")


def _with_references_of(subrequest: Subrequest, subresponse: Subresponse) -> Subresponse:
    """`subresponse` with the sub-request as its sender wrote it, so that no filled-in body stays in memory.

    Only the filled-in path is kept, because other sub-requests may refer to it.
    """
    if not subrequest.references:
        return subresponse
    return replace(subresponse, subrequest=replace(subrequest, path=subresponse.subrequest.path))


def _rolled_back(done: Sequence[Subresponse], reason: str, errors: Errors) -> list[Subresponse]:
    rolled_back = RolledBack(f"Rolled back with its group because {reason}.")
    return _corrected(done, dict.fromkeys((each.subrequest.id for each in done), rolled_back) | dict(errors))


def _corrected(done: Sequence[Subresponse], errors: Errors) -> list[Subresponse]:
    """The answers `done`, each replaced by its error if `errors` has one."""
    return [
        Subresponse.refused(each.subrequest, errors[each.subrequest.id], duration=each.duration)
        if each.subrequest.id in errors
        else each
        for each in done
    ]
