"""The named list: all in which a batch may differ from its requests alone, and what the law allows for it.

Whatever else differs is a bug. `docs/explanation/what_differs.md` tells the same list to readers, under the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django_batch.conf import DEFAULT_ALLOWED_HEADERS, METHODS
from django_batch.errors import BatchError, BatchExempt, HeaderNotAllowed, MethodNotAllowed, NestedBatch

from .client import Call
from .senders import Sender
from .sites import Site

Refusal = type[BatchError]


@dataclass(frozen=True)
class Difference:
    """`name` heads its entry in the docs.

    `comes_first` tells whether the requests alone follow an empty batch. `refusal` is what a batch answers instead.
    A difference with neither needs no allowance: none of the calls that are drawn can show it.
    """

    name: str
    comes_first: Callable[[Site, Sender], bool] = lambda site, sender: False
    refusal: Callable[[Call], Refusal | None] = lambda call: None


def _is_renewed(site: Site, sender: Sender) -> bool:
    """Whether the batch itself renews what `sender` comes with: a session, a login, a CSRF cookie."""
    looks_for_users = site.chain == "remote users"
    return (
        (sender.key != "present" and (site.authenticates or looks_for_users))
        or (sender.fresh and looks_for_users)
        or (sender.csrf == "malformed" and site.chain != "bare")
    )


def _refusal(call: Call) -> Refusal | None:
    if call.method not in METHODS.default:
        return MethodNotAllowed
    if not set(call.headers) <= set(DEFAULT_ALLOWED_HEADERS):
        return HeaderNotAllowed
    views = {"/batch/": NestedBatch, "/open-batch/": NestedBatch, "/api/password/": BatchExempt}
    return views.get(call.path.partition("?")[0])


OWN_REQUEST = Difference("The batch is a request of its own", comes_first=_is_renewed)
REFUSED = Difference("What a batch refuses", refusal=_refusal)
SET_COOKIE = Difference("Cookies are set on the answer of the batch")
OTHER_PATHS = Difference("A cookie that is not for the URL of the batch is not sent")
MESSAGE = Difference("Headers that speak of the batch as a message are not inherited")
ENVIRONMENT = Difference("Of the server's environment, only what speaks of the sender is inherited")
THREAD = Difference("Nothing stays behind on the thread")
SIGNALS = Difference("The signals of a request are sent for the batch")
STREAMS = Difference("A stream that breaks off is a 500")
SIZE = Difference("Bodies are bounded together")
ALIKE = Difference("Some bodies are written alike")
GROUPS = Difference("A group is one transaction")

DIFFERENCES = [
    *(OWN_REQUEST, REFUSED, SET_COOKIE, OTHER_PATHS, MESSAGE, ENVIRONMENT),
    *(THREAD, SIGNALS, STREAMS, SIZE, ALIKE, GROUPS),
]


def begins_with_a_batch(site: Site, sender: Sender) -> bool:
    """Whether the requests of `sender` alone follow an empty batch."""
    return any(difference.comes_first(site, sender) for difference in DIFFERENCES)


def refusal_of(call: Call) -> Refusal | None:
    """What a batch answers `call` with, whatever it is alone."""
    refusals = (difference.refusal(call) for difference in DIFFERENCES)
    return next((refusal for refusal in refusals if refusal), None)
