"""The books of one batch: which step may start, and what has been answered.

`Run` does no work and never waits, so that an executor is a short driver: serial, on threads, or asynchronous.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from django_batch.core.flow import Answers, not_run
from django_batch.core.messages import Subresponse
from django_batch.core.plan import Plan, Step


class Run:
    """The books of `plan`. Not thread-safe: one thread starts and finishes all steps."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.stopped = False
        self._answers: dict[str, Sequence[Subresponse]] = {}
        self._waiting = {step.position: len(step.after) for step in plan.steps if step.after}
        self._dependents: dict[int, list[int]] = {}
        for step in plan.steps:
            for position in step.after:
                self._dependents.setdefault(position, []).append(step.position)
        self._ready = [step.position for step in plan.steps if not step.after]  # a heap: it is in order

    @property
    def answers(self) -> Answers:
        """Every id and group name that has been answered -> its subresponses."""
        return self._answers

    def start(self, limit: int = 1) -> list[Step]:
        """At most `limit` steps that may begin now, in batch order. None, with none in progress: the run is over."""
        steps: list[Step] = []
        while self._ready and len(steps) < limit and not self.stopped:
            steps.append(self.plan.steps[heappop(self._ready)])
        return steps

    def finish(self, step: Step, subresponses: Sequence[Subresponse]) -> None:
        """Take the answers of `step`, which may let others start, or stop the run."""
        for subresponse in subresponses:
            self._answers[subresponse.subrequest.id] = (subresponse,)
        if (group := step.subrequests[0].atomicity_group) is not None:
            self._answers[group] = subresponses
        if not self.plan.batch.continue_on_error and any(subresponse.failed for subresponse in subresponses):
            self.stopped = True
        for position in self._dependents.get(step.position, ()):
            self._waiting[position] -= 1
            if not self._waiting[position]:
                heappush(self._ready, position)

    def subresponses(self) -> list[Subresponse]:
        """One answer for each sub-request, in request order; what was not run says so."""
        return [
            self._answers[subrequest.id][0]
            if subrequest.id in self._answers
            else not_run(subrequest, "the batch stopped at the first failure")
            for subrequest in self.plan.batch.subrequests
        ]
