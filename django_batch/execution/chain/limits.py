"""How many sub-requests of one batch may reach a view: `LIMITS`, and views that are marked with `@batch_limit`.

Before a batch is run, all items whose paths are known are counted, and a batch with too many is refused as a whole. An
item whose path has a reference, or is resolved in another way by a middleware, is counted when it is resolved, and
refused by itself. A view whose mark cannot be seen from outside counts when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from django.urls import ResolverMatch

from django_batch.core.batch import Subrequest
from django_batch.core.limits import Counts
from django_batch.decorators import Limit, is_any_view_limited, limit_exceeded
from django_batch.errors import BatchError, BatchLimitExceeded, refusal
from django_batch.execution.chain.access import Names


class Limits:
    """The limits of one batch. `numbers` are those that the site lists, by name."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self.counts = Counts()
        self._named = [(Names([name]), Limit(number)) for name, number in numbers.items()]
        self.are_any = bool(numbers) or is_any_view_limited()

    def check(self, subrequests: Sequence[Subrequest], find: Callable[[Subrequest], ResolverMatch | None]) -> None:
        """Raise one error for all of `subrequests` that are too many for the view that `find` finds for them."""
        if not self.are_any:
            return
        faults: list[BatchError] = []
        matches: dict[str, ResolverMatch | None] = {}  # by path, because most batches ask for few paths many times
        for subrequest in subrequests:
            if any(reference.place == "path" for reference in subrequest.references):
                continue
            path = subrequest.path.partition("?")[0]
            match = matches[path] = matches[path] if path in matches else find(subrequest)
            if match and (error := self.refusal(match, subrequest)):
                faults.append(error)
        if faults:
            raise refusal(faults)

    def refusal(self, match: ResolverMatch, subrequest: Subrequest) -> BatchLimitExceeded | None:
        """Why the view of `match` does not answer `subrequest`, if it is one too many."""
        for limit in self._limits_of(match, subrequest.method):
            if not self.counts.admit(subrequest.id, limit, limit.number):
                return limit_exceeded(limit, subrequest)
        return None

    def _limits_of(self, match: ResolverMatch, method: str) -> Iterator[Limit]:
        yield from (limit for names, limit in self._named if names.include(match))
        for marked in (match.func, _method_of(match.func, method.lower())):
            if isinstance(limit := getattr(marked, "batch_limit", None), Limit):
                yield limit


def _method_of(view: object, method: str) -> object:
    """What a class-based `view` calls for a request with `method`, or None."""
    kind = getattr(view, "view_class", None) or getattr(view, "cls", None)
    actions: Mapping[str, str] = getattr(view, "actions", None) or {}
    return getattr(kind, actions.get(method, method), None)
