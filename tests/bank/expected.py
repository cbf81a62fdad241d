"""What has to become of a batch on SQLite, by a model that knows nothing of transactions: it copies sets.

The model's rows are references, in one set for each alias.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

Rows = dict[str, set[str]]

# What happens -> what the member of a group that it happens in is answered.
FAILURES = {
    "refuse": "400",
    "crash": "500",
    "stream": "500",
    "durable": "500",
    "begin": "500",
    "commit": "500",
    "commented_commit": "500",
    "rollback": "500",
    "swallow": "500 transaction_broken",
    "insert_or_rollback": "500 transaction_broken",
    "mark": "500 transaction_broken",
    "left_open": "500 transaction_broken",
    "crash_left_open": "500",
    "orphan": "500 constraint_violated",
}
SUCCESSES = {
    "nothing": "201",
    "redirect": "302",
    "savepoint": "201",
    "savepoint_conflict": "201",
    "savepoint_hook": "201",
    "swallow_raw": "201",
    "swallow_commit": "201",
    "hook": "201",
}
COMMITTED = SUCCESSES | {"raising_hook": "201"}  # which fails when all is committed
# What is answered alone; the entry is there then, whatever the answer.
ALONE = {
    "refuse": "400",
    "crash": "500",
    "stream": "500",
    "mark": "500",
    "orphan": "500",
    "durable": "201",
    "swallow": "201",
    "insert_or_rollback": "201",
} | {then: fate for then, fate in COMMITTED.items() if then != "swallow_commit"}
# What is done once all is committed: what is written, and where it fails.
HOOKS = {"hook": ("hook-en",), "raising_hook": ("before-en", None)}


@dataclass(frozen=True)
class Call:
    """An entry written, or deleted if `then` is "delete"."""

    reference: str
    then: str = "nothing"
    alias: str = "default"
    group: str | None = None

    def item(self) -> dict[str, object]:
        """How a batch says it."""
        path = f"/bank/{self.alias}/entries/{self.reference}/"
        group = {"atomicity_group": self.group} if self.group else {}
        if self.then == "delete":
            return {"method": "DELETE", "path": path, **group}
        return {"method": "POST", "path": f"{path}?then={self.then}", **group}


@dataclass
class Bank:
    """The model. `run` changes `rows`."""

    rows: Rows = field(default_factory=lambda: {"default": set(), "archive": set()})

    def run(self, calls: Sequence[Call], *, continue_on_error: bool = True) -> list[str]:
        """The fates of `calls`."""
        fates: dict[int, str] = {}
        for places in _steps(calls):
            members = [calls[place] for place in places]
            answers = self._group(members) if members[0].group else [self._alone(members[0])]
            fates |= dict(zip(places, answers, strict=True))
            if not continue_on_error and any(failed(fate) for fate in answers):
                break
        return [fates.get(place, "424 not_run") for place in range(len(calls))]

    def _alone(self, call: Call) -> str:
        fate = self._write(call, ALONE)
        return "500" if not failed(fate) and not self._run_hooks(call) else fate

    def _group(self, members: Sequence[Call]) -> list[str]:
        before = deepcopy(self.rows)
        fates: list[str] = []
        for call in members:
            fates.append(self._write(call, FAILURES | COMMITTED))
            if failed(fates[-1]):
                self.rows = before
                undone = ["424 rolled_back"] * (len(fates) - 1)
                return [*undone, fates[-1], *["424 not_run"] * (len(members) - len(fates))]
        hooks = [self._run_hooks(call) for call in members]
        return [fate if ran else "500 on_commit_failed" for fate, ran in zip(fates, hooks, strict=True)]

    def _write(self, call: Call, fates: dict[str, str]) -> str:
        rows = self.rows[call.alias]
        if call.then == "delete":
            fate = "204" if call.reference in rows else "404"
            rows.discard(call.reference)
            return fate
        if call.reference in rows:
            return "500"
        rows.add(call.reference)
        return fates[call.then]

    def _run_hooks(self, call: Call) -> bool:
        """Whether all went well."""
        rows = self.rows[call.alias]
        for suffix in HOOKS.get(call.then, ()):
            note = f"{call.reference}-{suffix}"
            if suffix is None or note in rows:
                return False
            rows.add(note)
        return True


def _steps(calls: Sequence[Call]) -> Iterator[list[int]]:
    """The places of what is run as one, each at the place of its first member."""
    for place, call in enumerate(calls):
        group = [other for other, each in enumerate(calls) if call.group and each.group == call.group]
        if not group:
            yield [place]
        elif place == group[0]:
            yield group


def failed(fate: str) -> bool:
    return fate >= "4"


def lies(calls: Sequence[Call], fates: Iterable[str], rows: Rows) -> list[Call]:
    """Those who were told that what they wrote is there, while it is not. What was deleted later, nobody misses."""
    deleted = {(call.alias, call.reference) for call in calls if call.then == "delete"}
    return [
        call
        for call, fate in zip(calls, fates, strict=True)
        if not failed(fate) and call.reference not in rows[call.alias] and (call.alias, call.reference) not in deleted
    ]
