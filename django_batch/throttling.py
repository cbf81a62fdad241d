"""A throttle of REST framework that counts sub-requests in place of batches.

REST framework asks its throttles before a batch is read. How many sub-requests it has is known only later, so the batch
view asks once more, before anything is run. A batch that is refused, for whatever reason, uses up nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from django_batch.errors import TooManyRequests


class BatchRateThrottle(UserRateThrottle):
    """Limits the sub-requests of one user, or of one address without a user: `rate = "1000/hour"`.

    Without a `rate` it takes that of its scope, `batch`, in `DEFAULT_THROTTLE_RATES`. It belongs to the batch view. At
    any other view it counts requests.
    """

    scope = "batch"
    cache_format = "batch_throttle_%(scope)s_%(ident)s"  # its own, because it keeps other values than its base class
    num_requests: int | None
    duration: int
    _history: list[tuple[float, int]]  # times and numbers, the newest first
    _key: str | None

    def allow_request(self, request: Request, view: APIView) -> bool:
        """True at a batch view, which is yet to read the batch."""
        if hasattr(view, "check_batch_throttles"):
            return True
        self._wait = self.wait_for(request, view, 1)
        if not self._wait:
            self.count(1)
        return not self._wait

    def wait(self) -> float | None:
        """The seconds until the request that was refused would be allowed."""
        return self._wait

    def wait_for(self, request: Request, view: Any, number: int) -> float:
        """The seconds until `number` sub-requests are allowed; 0.0 if they are allowed now.

        Raises `TooManyRequests` if they never are, because the rate allows fewer at once.
        """
        self._now, self._history = self.timer(), []
        self._key = self.get_cache_key(request, view)
        if self._key is None or self.num_requests is None:  # nobody in particular, or no rate
            self._key = None
            return 0.0
        if number > self.num_requests:
            detail = f"The batch has {number} sub-requests, but at most {self.num_requests} are allowed in"
            raise TooManyRequests(f"{detail} {self.duration} seconds. Split it into several batches.")
        oldest = self._now - self.duration
        self._history = [each for each in self.cache.get(self._key, ()) if each[0] > oldest]
        surplus = number + sum(count for _, count in self._history) - self.num_requests
        wait = 0.0
        for time, count in reversed(self._history):
            if surplus <= 0:
                break
            surplus -= count
            wait = time - oldest
        return wait

    def count(self, number: int) -> None:
        """Count `number` sub-requests, which `wait_for` has let in."""
        if self._key is not None:
            self.cache.set(self._key, [(self._now, number), *self._history], self.duration)


def wait_for_batch(throttles: Iterable[object], request: Request, view: APIView, number: int) -> float:
    """The seconds until all of `throttles` let a batch of `number` sub-requests in. If it is 0.0, they have counted it.

    Throttles that count requests are not asked. Raises `TooManyRequests` for a batch that is never let in.
    """
    asked = [each for each in throttles if isinstance(each, BatchRateThrottle)]
    wait = max((each.wait_for(request, view, number) for each in asked), default=0.0)
    if not wait:
        for throttle in asked:
            throttle.count(number)
    return wait
