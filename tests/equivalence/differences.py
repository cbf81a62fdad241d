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

    `empty_batch` tells where one is sent with the requests alone: "before" or "after" them, if anywhere. `refusal` is
    what a batch answers instead. A difference with neither needs no allowance: no call that is drawn can show it.
    """

    name: str
    empty_batch: Callable[[Site, Sender], set[str]] = lambda site, sender: set()
    refusal: Callable[[Call], Refusal | None] = lambda call: None


def _own_request(site: Site, sender: Sender) -> set[str]:
    """When the batch itself does something to what `sender` comes with: a session, a login, a CSRF cookie."""
    doubtful = sender.key != "present"
    unreadable = sender.key == "forgotten" and site.session_engine == "signed_cookies"
    looks_for_users = site.authenticates or site.chain in ("remote users", "login required")
    looks_for_secrets = site.csrf_use_sessions and site.chain != "bare"
    renewed_first = (doubtful and looks_for_users) or (unreadable and looks_for_secrets)
    logs_in = sender.fresh and site.chain == "remote users"
    first = renewed_first or logs_in or (sender.csrf == "malformed" and site.chain != "bare")
    last = doubtful and not renewed_first and site.save_every_request
    return {place for place, used in (("before", first), ("after", last)) if used}


def _refusal(call: Call) -> Refusal | None:
    if call.method not in METHODS.default:
        return MethodNotAllowed
    if not set(call.headers) <= set(DEFAULT_ALLOWED_HEADERS):
        return HeaderNotAllowed
    views = {"/batch/": NestedBatch, "/open-batch/": NestedBatch, "/api/password/": BatchExempt}
    return views.get(call.path.partition("?")[0])


OWN_REQUEST = Difference("The batch is a request of its own", empty_batch=_own_request)
INSIDE = Difference("Sub-requests are inside the batch")
BEFORE_DJANGO = Difference("What comes before Django's own handler is not asked again")
REFUSED = Difference("What a batch refuses", refusal=_refusal)
COOKIES = Difference("Cookies are those of the batch")
MESSAGE = Difference("What describes the message or the server is not inherited")
FOUND_ONCE = Difference("A path is looked up twice at most")
WHOLE = Difference("An answer is whole and bounded")
ALIKE = Difference("Some bodies are written alike")
JOBS = Difference("An item of a job is in a transaction")
GROUPS = Difference("A group is one transaction")

DIFFERENCES = [OWN_REQUEST, INSIDE, BEFORE_DJANGO, REFUSED, COOKIES, MESSAGE, FOUND_ONCE, WHOLE, ALIKE, JOBS, GROUPS]


def empty_batches(site: Site, sender: Sender) -> set[str]:
    """Where empty batches are sent with the requests of `sender` alone."""
    return {place for difference in DIFFERENCES for place in difference.empty_batch(site, sender)}


def refusal_of(call: Call) -> Refusal | None:
    """What a batch answers `call` with, whatever it is alone."""
    refusals = (difference.refusal(call) for difference in DIFFERENCES)
    return next((refusal for refusal in refusals if refusal), None)
