"""The state of one batch while it runs: which steps may start, and what has been answered.

`Schedule` only keeps this record. It runs nothing and never waits, so an executor is a short loop around it, be it
serial, on threads or asynchronous: start steps, run them, report their answers.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from django_batch.core.answering import TIME_OVER, Answers, not_run
from django_batch.core.batch import Subrequest, Subresponse
from django_batch.core.plan import Plan, Step


class Schedule:
    """The record of one run of `plan`. It is not thread-safe: the executor calls it from one thread at a time.

    A `streamed` batch sends its answers as soon as they are finished, so only answers that other sub-requests still
    refer to are kept whole. Once the time of the batch is `over`, nothing more is started. `earlier` are the answers to
    what ran before and is not in the plan.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        streamed: bool = False,
        over: Callable[[], bool] = lambda: False,
        earlier: Answers | None = None,
    ) -> None:
        self.plan = plan
        self.streamed = streamed
        self.stopped = ""  # the reason, once nothing more may start
        self._over = over
        self._answers: dict[str, Sequence[Subresponse]] = {**(earlier or {})}
        self._continues = plan.batch.continue_on_error
        self._references: dict[str, int] = {}  # id -> number of sub-requests yet to refer to it, in a streamed batch
        if streamed:
            self._references = Counter(id_ for each in plan.batch.subrequests for id_ in _referred(each))
        # In reverse order, so that the next step is taken from the end.
        self._ready = [step for step in reversed(plan.steps) if not step.after]
        self._waiting = {step.position: len(step.after) for step in plan.steps if step.after}
        self._dependents: dict[int, list[Step]] = {}
        for step in plan.steps:
            for position in step.after:
                self._dependents.setdefault(position, []).append(step)

    @property
    def answers(self) -> Answers:
        """Every id and group name that has been answered -> its subresponses."""
        return self._answers

    def stop(self, reason: str) -> None:
        """Let nothing more start. Sub-requests that were not run are answered with the first `reason` given."""
        self.stopped = self.stopped or reason

    def start(self, limit: int = 1) -> list[Step]:
        """At most `limit` steps that may begin now, in batch order.

        An empty list while no step is in progress means that the run is over.
        """
        if not self._ready:
            return []
        if self._over():
            self.stop(TIME_OVER)
        if self.stopped:
            return []
        steps = self._ready[: -limit - 1 : -1]
        del self._ready[len(self._ready) - len(steps) :]
        return steps

    def finish(self, step: Step, subresponses: Sequence[Subresponse]) -> None:
        """Take the answers of `step`. They may allow other steps to start, or stop the run."""
        if not self._continues and any(subresponse.failed for subresponse in subresponses):
            self.stop("the batch stopped at the first failure")
        for subresponse in subresponses:
            kept = self._kept(subresponse) if self.streamed else subresponse
            self._answers[subresponse.subrequest.id] = (kept,)
        if (group := step.subrequests[0].atomicity_group) is not None:
            self._answers[group] = [*map(_outcome, subresponses)] if self.streamed else subresponses
        if self.streamed and self._references:
            self._forget(step.subrequests)
        if self._dependents:
            self._release(self._dependents.get(step.position, ()))

    def _release(self, dependents: Iterable[Step]) -> None:
        """Let each of `dependents` start that now waits for nothing more."""
        for dependent in dependents:
            self._waiting[dependent.position] -= 1
            if not self._waiting[dependent.position]:
                insort(self._ready, dependent, key=_from_behind)

    def subresponses(self) -> list[Subresponse]:
        """One answer for each sub-request, in request order. Those that were not run are answered with `not_run`."""
        answers = self._answers
        return [
            answers[subrequest.id][0] if subrequest.id in answers else not_run(subrequest, self.stopped)
            for subrequest in self.plan.batch.subrequests
        ]

    def rest(self) -> list[Subresponse]:
        """The answers to the sub-requests that were not run, in request order. Call it when the run is over."""
        return [
            not_run(subrequest, self.stopped)
            for subrequest in self.plan.batch.subrequests
            if subrequest.id not in self._answers
        ]

    def _kept(self, subresponse: Subresponse) -> Subresponse:
        """`subresponse` if others still refer to it, otherwise only its outcome."""
        return subresponse if self._references.get(subresponse.subrequest.id) else _outcome(subresponse)

    def _forget(self, subrequests: Iterable[Subrequest]) -> None:
        """Reduce answers to their outcome if only `subrequests`, which have now been answered, referred to them."""
        for id_ in (id_ for subrequest in subrequests for id_ in _referred(subrequest)):
            self._references[id_] -= 1
            if not self._references[id_]:
                self._answers[id_] = (_outcome(self._answers[id_][0]),)


def _from_behind(step: Step) -> int:
    return -step.position


def _referred(subrequest: Subrequest) -> set[str]:
    return {reference.id for reference in subrequest.references}


def _outcome(subresponse: Subresponse) -> Subresponse:
    """`subresponse` without its headers and body. Dependencies only need the status."""
    return Subresponse(subresponse.subrequest, subresponse.status, duration=subresponse.duration)
