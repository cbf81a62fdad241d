"""The first law: a batch gives each sub-request what the same requests give, one after another.

The status, headers and body of each answer, the client's cookies afterwards, every row of both databases, what is in
sessions, cache and files: all is compared, for whatever is sent, by whomever, to a site set up in whatever way. What
may differ is the named list in `equivalence.differences`, and nothing else.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .equivalence.calls import PNG, TOLD, api, form, login, upload
from .equivalence.client import Call
from .equivalence.differences import refusal_of
from .equivalence.runs import alone, in_a_batch, in_a_batch_that_reads, run, with_limits, without_sharing
from .equivalence.senders import Sender, senders
from .equivalence.sequences import sequences
from .equivalence.sites import SESSION_ENGINES, Site, sites
from .equivalence.traces import differences
from .roads import ROADS

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    # As Django says of sync streams, which it sends all the same.
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators:Warning"),
]


@pytest.fixture
def compare(bookshop, tmp_path):
    """What differs where calls are sent in a batch: one line for each thing."""

    def compare(site, sender, calls):
        found = []
        for how in (alone, in_a_batch, *([without_sharing(in_a_batch)] if site.shares else [])):
            bookshop()
            found.append(run(how, site, sender, calls, folder=tmp_path))
        return [line for batch in found[1:] for line in differences(found[0], batch)]

    return compare


@given(site=sites, road=st.sampled_from(ROADS), sender=senders, calls=sequences())
def test_batch_leaves_what_its_requests_leave_alone(site, road, sender, calls, compare):
    sender = sender.on(site)
    site = replace(site, road=road, authenticates=site.authenticates and sender.is_let_in_by(site))
    assert compare(site, sender, [*filter(site.can_be_sent, calls)] or [ME]) == []


@given(site=sites, road=st.sampled_from(ROADS), sender=senders, calls=sequences())
def test_batch_that_only_reads_leaves_what_its_requests_leave_alone(site, road, sender, calls, bookshop, tmp_path):
    sender = sender.on(site)
    if "Basic" in (sender.authorization or ""):  # a wrong password is an attempt, which could not be counted here
        sender = replace(sender, authorization=None)
    site = replace(site, road=road, authenticates=site.authenticates and sender.is_let_in_by(site))
    reads = [call for call in filter(site.can_be_sent, calls) if is_read(call)]
    found = []
    for how in (alone, in_a_batch_that_reads, with_limits(in_a_batch)):
        bookshop()
        found.append(run(how, site, sender, reads or [ME], folder=tmp_path))
    assert [line for batch in found[1:] for line in differences(found[0], batch)] == []


WRITING = ("/change/", "/odd/stream/write", "/hook/", "/thread/")  # whatever their method is


def is_read(call):
    """Whether it has a safe method, and its view writes nothing and counts no attempts."""
    overrides = any("override" in name.lower() for name in call.headers)
    is_safe = call.method in ("GET", "HEAD", "OPTIONS") and not overrides
    return is_safe and refusal_of(call) is None and not call.path.startswith(WRITING)


def set_cookie(options):
    return Call("POST", f"/api/cookies/?{options}")


COOKIES = Call("GET", "/api/cookies/")
HOME = Call("GET", "/")
ME = Call("GET", "/api/me/")
COVER = Call("GET", "/api/books/1/cover/")
TEXT = {"Content-Type": "text/plain"}
LARGE = 2_700_000  # bytes; Django's bound for uploads and bodies in memory is 2.5 MiB
# Whatever was wrong once, and what the law is about most of all.
EXAMPLES = {
    "a cookie of one name for another path": (
        Site(),
        Sender(cookie="1"),
        [set_cookie("name=a&max_age=0&path=/"), set_cookie("name=a&value=2"), COOKIES, set_cookie("name=a&max_age=0")],
    ),
    "a cookie that is deleted and set again, behind those that are there": (
        Site(),
        Sender(cookie="1"),
        [set_cookie("name=a&max_age=0&path=/"), set_cookie("name=b&path=/"), set_cookie("name=a&path=/"), COOKIES],
    ),
    "the same cookie for two paths": (
        Site(),
        Sender(),
        [set_cookie("name=a&value=1&path=/"), set_cookie("name=a&value=2&path=/api/"), COOKIES],
    ),
    "a new cookie behind those that are there": (
        Site(first=frozenset({"cache"})),
        Sender(login="ada", cookie="1"),
        [set_cookie("name=b&value=2&path=/"), COOKIES, form("/api/login/", **login("ben")), COOKIES],
    ),
    "a session that the batch ends": (
        Site(session_engine="cached_db", save_every_request=True),
        Sender(login="ada", key="forgotten"),
        [COOKIES, ME],
    ),
    "a session that the batch cycles": (Site(), Sender(login="ada", key="old"), [ME, Call("GET", "/api/visits/"), ME]),
    "a CSRF cookie that the batch replaces": (Site(), Sender(csrf="malformed"), [HOME, COOKIES]),
    "a CSRF secret that the batch renews": (
        Site(chain="remote users"),
        Sender(csrf="valid", remote_user="ada", fresh=True, authorization="Token ben-token"),
        [HOME, form("/accounts/profile/", email="ada@example.org"), form("/api/login/", **login("ben")), HOME],
    ),
    "a CSRF secret in a session that the batch renews": (
        Site(chain="remote users", csrf_use_sessions=True, authenticates=False),
        Sender(csrf="valid", remote_user="ada", fresh=True),
        [HOME, api("POST", "/api/basket/", {"book": 3}), HOME],
    ),
    "a page to cache, where the session cannot be read any more": (
        Site(session_engine="signed_cookies", csrf_use_sessions=True, first=frozenset({"cache"}), authenticates=False),
        Sender(key="forgotten"),
        [Call("GET", "/api/authors/")],
    ),
    "a session that is ended, with the CSRF secret that the batch has renewed": (
        Site(chain="remote users", csrf_use_sessions=True, authenticates=False),
        Sender(remote_user="ada", fresh=True),
        [HOME, Call("POST", "/odd/session/flush/")],
    ),
    "a session that is emptied, with the CSRF secret that the batch has renewed": (
        Site(chain="remote users", csrf_use_sessions=True, authenticates=False),
        Sender(remote_user="ada", fresh=True),
        [HOME, Call("POST", "/odd/session/clear/")],
    ),
    "more calls than a throttle lets through": (Site(), Sender(), [Call("GET", "/api/recommendations/")] * 7),
    "bodies that Django does not hold in memory": (
        Site(),
        Sender(login="staff"),
        [
            upload("/api/books/1/cover/", "PUT", cover=PNG.ljust(LARGE)),
            COVER,
            Call("POST", "/api/echo/", TEXT, b" " * LARGE),
        ],
    ),
    "a visit over HTTPS, behind a proxy and a prefix": (
        Site(
            prefix="/shop",
            forces_prefix=True,
            scheme="https",
            proxied=True,
            first=frozenset({"cache", "conditional", "gzip"}),
        ),
        Sender(csrf="valid", language="de", origin=True),
        [
            form("/accounts/login/?next=/shop/", **login("ada")),
            form("/accounts/profile/", first_name="Åda", email="ada@example.org"),
            Call("GET", "/accounts/profile/"),
            form("/i18n/setlang/", language="en", next="/"),
            api("PUT", "/api/orders/N-1/", {"note": "Grüße"}),
            api("POST", "/api/orders/N-1/lines/", {"book": 1, "quantity": 2}),
            api("POST", "/api/orders/N-1/archive/"),
            HOME,
            HOME,
            form("/accounts/logout/"),
            ME,
        ],
    ),
}


@pytest.mark.parametrize(("site", "sender", "calls"), EXAMPLES.values(), ids=EXAMPLES)
def test_example_leaves_the_same_alone_and_in_a_batch(site, sender, calls, compare):
    assert compare(site, sender, calls) == []


@pytest.mark.parametrize("proxied", [False, True])
@pytest.mark.parametrize("call", TOLD, ids=lambda call: f"{call.method} {call.path}")
def test_what_is_known_of_many_requests_is_what_is_known_of_each(call, proxied, compare):
    site = Site(first=frozenset({"meddler"}), proxied=proxied)
    others = [replace(call, path=path) for path in ("/odd/told/nothing/", call.path.partition("?")[0])]
    calls = [call, *others, ME, call, *others, call, *others]
    assert compare(site, Sender(login="ada", cookie="1"), calls) == []


@pytest.mark.parametrize("save_every_request", [False, True])
@pytest.mark.parametrize("session_engine", SESSION_ENGINES)
def test_session_that_sub_requests_change_and_end_is_the_same_alone(session_engine, save_every_request, compare):
    site = Site(session_engine=session_engine, save_every_request=save_every_request)
    visit = Call("GET", "/api/visits/")
    come = [visit, visit, form("/api/login/", **login("ben")), visit, api("POST", "/api/basket/", {"book": 3})]
    leave = [api("POST", "/api/logout/"), ME, visit]
    assert compare(site, Sender(login="ada"), come) == []
    assert compare(site, Sender(login="ada"), [*come, *leave]) == []


TRACES = [
    (ME, {"answers"}),
    (set_cookie("name=a&value=1"), {"answers", "cookies"}),
    (Call("GET", "/api/visits/"), {"answers", "sessions"}),
    (Call("GET", "/api/recommendations/"), {"answers", "cache"}),
    (api("POST", "/api/authors/", {"name": "Ursula"}), {"answers", "tables"}),
    (upload("/api/books/1/cover/", "PUT", cover=PNG), {"answers", "tables", "media"}),
]


@pytest.mark.parametrize(("call", "left"), TRACES, ids=lambda value: getattr(value, "path", None))
def test_whatever_a_call_leaves_is_told_apart(call, left, bookshop, tmp_path):
    found = []
    for calls in ([], [call]):
        bookshop()
        found.append(run(alone, Site(), Sender(login="staff"), calls, folder=tmp_path))
    before, after = found
    assert {part for part in before if any(differences(before[part], after[part]))} == left
