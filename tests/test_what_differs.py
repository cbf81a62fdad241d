"""The named list of what may differ in a batch: each point shown to be true, and told in the docs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import ExitStack
from urllib.parse import quote

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.signals import request_finished, request_started
from django.test import Client, override_settings
from django.urls import URLResolver

from django_batch.decorators import Limit
from example_project.bookshop.models import Author, Subscriber

from .equivalence import odd
from .equivalence.calls import REFUSED as REFUSED_CALLS
from .equivalence.calls import api, login
from .equivalence.client import JSON, Call
from .equivalence.differences import (
    ALIKE,
    BEFORE_DJANGO,
    COOKIES,
    DIFFERENCES,
    FOUND_ONCE,
    GROUPS,
    INSIDE,
    JOBS,
    MESSAGE,
    OWN_REQUEST,
    REFUSED,
    WHOLE,
    Difference,
    refusal_of,
)
from .equivalence.runs import OF_THE_BATCH
from .equivalence.senders import Sender, connect
from .equivalence.sites import CHAINS, Site, serving
from .equivalence.wire import read_answers, write_batch
from .file_databases import OPTIONS, in_files
from .jobs.engines import Inline
from .markdown import ROOT

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

PAGE = ROOT / "docs" / "explanation" / "what_differs.md"
Test = Callable[..., None]


def shows(difference: Difference) -> Callable[[Test], Test]:
    """Marks a test of `difference`."""

    def mark(test: Test) -> Test:
        test.difference = difference
        return test

    return mark


@pytest.fixture
def known_as(bookshop, tmp_path):
    """A client of the bookshop, by the options of `Sender`."""
    with serving(Site(), tmp_path) as application:
        yield lambda **options: connect(application, Site(), Sender(**options))


@pytest.fixture
def client(known_as):
    """Ada's, with a session."""
    return known_as(login="ada")


def post(client, content, headers=None):
    """The response to a batch."""
    return client.exchange("POST", "/batch/", {"Content-Type": JSON, **(headers or {})}, content)


def batch(client, *calls, headers=None):
    """The answers to `calls` in a batch."""
    return read_answers(post(client, write_batch(calls, prefix=""), headers).body)


def value(answer):
    return json.loads(answer.body)


@shows(OWN_REQUEST)
def test_batch_of_a_session_without_csrf_token_is_refused_though_its_requests_are_not(known_as):
    client = known_as(login="ada", csrf="missing")
    call = Call("GET", "/api/me/")
    assert value(client.send(call))["username"] == "ada"
    assert post(client, write_batch([call], prefix="")).status == 403


@pytest.fixture
def through(bookshop, tmp_path, monkeypatch):
    """A client of the bookshop with one more middleware, by its name."""
    with ExitStack() as stack:

        def start(name):
            monkeypatch.setitem(CHAINS, name, [f"tests.equivalence.middleware.{name}", *CHAINS["stock"]])
            site = Site(chain=name)
            return connect(stack.enter_context(serving(site, tmp_path)), site, Sender(csrf="missing"))

        yield start


@shows(INSIDE)
def test_middleware_is_in_the_middle_of_the_batch_when_it_is_gone_through_for_an_item(through):
    client = through("tell_open")
    call = Call("GET", "/api/me/")
    assert client.send(call).headers["x-open"] == "1"
    assert [answer.headers["x-open"] for answer in batch(client, call, call)] == ["2", "2"]


@shows(INSIDE)
def test_what_a_middleware_takes_away_is_taken_away_for_the_batch_and_once_more_for_an_item(through):
    client = through("take_address")
    client.headers["X-Forwarded-For"] = "192.0.2.1, 192.0.2.2"
    call = Call("GET", "/api/echo/")
    assert value(client.send(call))["remote_addr"] == "192.0.2.2"
    assert value(batch(client, call)[0])["remote_addr"] == "192.0.2.1"


ALONE = {"/batch/": 207, "/open-batch/": 200, "/api/password/": 204, "/api/echo/": 200, "/api/logout/": 204}


@shows(REFUSED)
@pytest.mark.parametrize("call", REFUSED_CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_what_is_answered_alone_is_refused_in_a_batch(client, call):
    refusal = refusal_of(call)
    [answer] = batch(client, call)
    assert (answer.status, value(answer)["code"]) == (refusal.status, refusal.code)
    assert client.send(call).status == ALONE[call.path]


@shows(REFUSED)
def test_path_that_no_browser_sends_refuses_the_whole_batch(client):
    strange = Call("GET", "//api/me/")
    assert client.send(strange).status == 404
    assert post(client, write_batch([Call("GET", "/api/me/"), strange], prefix="")).status == 400


@shows(COOKIES)
def test_cookie_is_set_on_the_answer_of_the_batch_and_not_in_the_item(known_as):
    client = known_as(csrf="missing")
    [answer] = batch(client, Call("GET", "/api/visits/"))
    assert "set-cookie" not in answer.headers
    assert value(client.send(Call("GET", "/api/visits/"))) == {"visits": 2}


@shows(COOKIES)
def test_cookie_for_another_path_than_that_of_the_batch_is_not_sent(client):
    client.send(Call("POST", "/api/cookies/?name=a&value=1&path=/api/"))
    call = Call("GET", "/api/cookies/")
    assert value(client.send(call)) == {"a": "1"}
    assert value(batch(client, call)[0]) == {}


@shows(COOKIES)
def test_secure_cookie_that_is_set_over_http_is_sent_with_the_next_item(client):
    calls = [Call("POST", "/odd/cookies/?name=a&path=/&secure=1"), Call("GET", "/api/cookies/")]
    assert value(batch(client, *calls)[1]) == {"a": "1"}
    assert [client.send(call) for call in calls][1].body == b"{}"


@shows(FOUND_ONCE)
def test_path_is_looked_for_twice_among_the_patterns_and_then_known(client, monkeypatch):
    monkeypatch.setattr("django_batch.decorators._limits", [])
    asked = []
    resolve = URLResolver.resolve
    monkeypatch.setattr(URLResolver, "resolve", lambda self, path: asked.append(path) or resolve(self, path))
    call = Call("GET", "/api/me/")
    assert [answer.status for answer in batch(client, *[call] * 5)] == [200] * 5
    assert asked.count(call.path) == 2
    assert [client.send(call).status for _ in range(5)] == [200] * 5
    assert asked.count(call.path) == 2 + 5


@shows(FOUND_ONCE)
def test_path_is_looked_for_once_more_where_a_view_has_a_limit(client, monkeypatch):
    asked = []
    resolve = URLResolver.resolve
    monkeypatch.setattr("django_batch.decorators._limits", [Limit(7)])
    monkeypatch.setattr(URLResolver, "resolve", lambda self, path: asked.append(path) or resolve(self, path))
    call = Call("GET", "/api/me/")
    assert [answer.status for answer in batch(client, *[call] * 5)] == [200] * 5
    assert asked.count(call.path) == 1 + 2


@shows(MESSAGE)
def test_headers_of_the_batch_as_a_message_are_not_those_of_an_item(client):
    of_all = {"Accept-Language": "de", "User-Agent": "reader"}
    [answer] = batch(client, Call("GET", "/api/echo/"), headers={**OF_THE_BATCH, **of_all})
    alone = client.send(Call("GET", "/api/echo/", {**OF_THE_BATCH, **of_all}))
    common = {"Content-Length": "0", "Host": "testserver", **of_all}
    assert value(answer)["headers"] == {**common, "Accept": JSON}
    assert value(alone)["headers"] == {**common, **OF_THE_BATCH}


@shows(MESSAGE)
def test_what_the_server_says_of_itself_is_not_in_the_environment_of_an_item(client):
    call = Call("GET", "/environment/")
    alone, in_batch = set(value(client.send(call))), set(value(batch(client, call)[0]))
    assert alone - in_batch == {
        "RAW_URI",
        "wsgi.file_wrapper",
        "wsgi.input_terminated",
    }
    assert in_batch - alone == set()


@shows(INSIDE)
@pytest.mark.parametrize(("around", "before"), [(None, "'/batch/'"), ("outside", "'nothing'")])
def test_thread_local_of_a_middleware_is_that_of_the_batch_unless_it_is_set_back(around, before, through, settings):
    client = through("remember_and_restore")
    settings.BATCH = {"AROUND": around and f"tests.equivalence.middleware.{around}"}
    call = Call("GET", "/api/me/")
    assert client.send(call).headers["x-before"] == "'nothing'"
    assert batch(client, call)[0].headers["x-before"] == before


class TenantRequest(WSGIRequest):
    """What a server's handler makes, where a site has one of its own."""


class TenantHandler(WSGIHandler):
    request_class = TenantRequest


@shows(BEFORE_DJANGO)
def test_request_class_of_a_handler_of_the_sites_own_is_not_that_of_an_item(bookshop, tmp_path):
    with serving(Site(), tmp_path):
        client = connect(TenantHandler(), Site(), Sender(csrf="missing"))
        call = Call("GET", "/kind/")
        assert client.send(call).body == b"TenantRequest"
        assert batch(client, call)[0].body == b"WSGIRequest"


@shows(BEFORE_DJANGO)
def test_static_files_that_runserver_answers_are_not_found_in_a_batch(bookshop, tmp_path):
    with serving(Site(), tmp_path) as application, override_settings(DEBUG=True):
        client = connect(StaticFilesHandler(application), Site(), Sender(csrf="missing"))
        call = Call("GET", "/static/rest_framework/css/default.css")
        assert client.send(call).status == 200
        assert batch(client, call)[0].status == 404


@shows(INSIDE)
@pytest.mark.parametrize("signal", [request_started, request_finished], ids=["started", "finished"])
def test_signals_of_a_request_are_sent_once_for_the_batch(client, signal):
    sent = []
    calls = [Call("GET", "/api/me/")] * 3

    def remember(**kwargs):
        sent.append(signal)

    signal.connect(remember)
    try:
        batch(client, *calls)
        assert len(sent) == 1
        for call in calls:
            client.send(call)
        assert len(sent) == 4
    finally:
        signal.disconnect(remember)


@shows(WHOLE)
def test_stream_that_breaks_off_is_a_500(client):
    call = Call("GET", "/cut-short/")
    [answer] = batch(client, call)
    assert (answer.status, b"half of" in answer.body) == (500, False)
    with pytest.raises(RuntimeError):  # and the server cuts the connection, behind a 200
        client.send(call)


@shows(WHOLE)
def test_body_past_the_bound_is_a_problem_instead(client):
    call = Call("GET", "/api/terms/")
    with override_settings(BATCH={"MAX_RESPONSE_SIZE": 10}):
        [answer] = batch(client, call)
    assert (answer.status, value(answer)["code"]) == (200, "body_too_large")
    assert len(client.send(call).body) > 10


@shows(ALIKE)
@pytest.mark.parametrize(("one", "other"), [("", "null"), ('text"', r'"text\""')])
def test_bodies_that_are_written_alike_are_not_the_same_alone(client, one, other):
    calls = [Call("GET", f"/json/{quote(body)}") for body in (one, other)]
    content = post(client, write_batch(calls, prefix="")).body
    first, second = (answer["body"] for answer in json.loads(content)["responses"])
    assert first == second
    assert [client.send(call).body.decode() for call in calls] == [one, other]


def in_a_group(client, *calls):
    """The answers to `calls`, all or nothing."""
    content = write_batch(calls, prefix="").replace(b"{", b'{"atomic": true, ', 1)
    return read_answers(post(client, content).body)


@shows(GROUPS)
def test_error_that_a_view_swallows_breaks_its_group(known_as):
    client = known_as(csrf="missing")
    subscribe = api("POST", "/api/newsletter/", {"email": "a@example.com"})
    assert [answer.status for answer in in_a_group(client, subscribe, subscribe)] == [424, 500]
    assert [client.send(subscribe).status for _ in range(2)] == [200, 200]


@shows(GROUPS)
def test_view_that_logs_in_is_in_no_group(known_as):
    call = api("POST", "/api/login/", login("ada"))
    [answer] = in_a_group(known_as(csrf="valid"), call)
    assert (answer.status, value(answer)["code"]) == (403, "group_exempt")
    assert batch(known_as(csrf="valid"), call)[0].status == known_as(csrf="valid").send(call).status == 200


@shows(GROUPS)
def test_hook_of_a_group_runs_when_the_middlewares_of_its_member_have_ended(through):
    client = through("remember_and_restore")
    call = Call("GET", "/hook/")
    odd.heard.clear()
    client.send(call)
    in_a_group(client, call)
    assert odd.heard == ["/hook/", "/batch/"]


@shows(GROUPS)
def test_what_a_view_puts_into_a_cache_stays_when_its_group_is_rolled_back(known_as):
    client = known_as(csrf="missing")
    answers = in_a_group(client, Call("GET", "/cache/"), Call("GET", "/api/broken/"))
    assert [answer.status for answer in answers] == [424, 500]
    assert cache.get("kept") == "by a view"


@shows(GROUPS)
def test_what_a_view_writes_on_a_thread_of_its_own_stays_when_its_group_is_rolled_back(
    templates, transactional_db, tmp_path, monkeypatch
):
    monkeypatch.setitem(OPTIONS, "transaction_mode", "DEFERRED")  # a group that only reads locks nobody out
    with in_files(templates, tmp_path), serving(Site(), tmp_path) as application:
        client = connect(application, Site(), Sender(csrf="missing"))
        answers = in_a_group(client, Call("GET", "/thread/"), Call("GET", "/api/broken/"))
        assert [answer.status for answer in answers] == [424, 500]
        assert Author.objects.filter(name="Of a thread").count() == 1


@shows(JOBS)
def test_item_of_a_job_that_raises_is_rolled_back(bookshop, settings):
    settings.ROOT_URLCONF = "tests.jobs.urls"
    settings.JOBS = {"ENGINE": Inline()}
    item = [{"method": "POST", "path": "/write/one/?then=raise"}]
    client = Client(
        headers={"Authorization": "Token ada-token"}, SERVER_NAME="localhost", raise_request_exception=False
    )
    kept = Subscriber.objects.filter(email="one@example.com")
    client.post("/batch/", item, content_type="application/json")
    assert kept.delete()[0] == 1
    client.post("/batch/", item, content_type="application/json", headers={"Prefer": "respond-async"})
    assert not kept.exists()


def test_every_difference_is_shown_by_a_test():
    assert {test.difference for test in globals().values() if hasattr(test, "difference")} == set(DIFFERENCES)


def test_every_difference_has_its_entry_in_the_docs():
    assert re.findall(r"^### (.+)$", PAGE.read_text(), re.MULTILINE) == [each.name for each in DIFFERENCES]
