"""Private names of Django, REST framework and asgiref: each is still there, and still means what we take it for."""

from __future__ import annotations

import asyncio
from contextvars import Context
from io import BytesIO

import pytest
from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import LimitedStream, WSGIRequest
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.test import AsyncRequestFactory, RequestFactory
from django.urls import include, path, re_path, resolve
from django.urls.converters import DEFAULT_CONVERTERS
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy

from django_batch.execution import internals

CONVERTERS = frozenset(map(type, DEFAULT_CONVERTERS.values()))
MARK = "_dont_enforce_csrf_checks"


@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
def test_mark_of_a_test_client_is_found(factory):
    request = factory().post("/", b"x", content_type="text/plain")
    setattr(request, MARK, True)
    assert internals.marks_of_tests(request) == {MARK: True}


def test_mark_on_a_request_of_runserver_is_none():
    environ = {**RequestFactory().get("/").environ, "wsgi.input": LimitedStream(BytesIO(), 0)}
    request = WSGIRequest(environ)
    setattr(request, MARK, True)
    assert internals.marks_of_tests(request) == {}


def test_scheme_is_that_of_the_server():
    assert internals.scheme_of(RequestFactory().get("/", secure=True)) == "https"
    assert internals.scheme_of(AsyncRequestFactory().get("/")) == "http"


def test_user_is_known_once_somebody_has_looked_for_them():
    request = RequestFactory().get("/")
    found = [internals.user_of(request)]
    request.user = SimpleLazyObject(User)
    found.append(internals.user_of(request))
    assert found == [None, None]
    assert request.user.pk is None
    assert type(internals.user_of(request)) is User
    request.user = user = User()
    assert internals.user_of(request) is user


@pytest.mark.parametrize("password", ["x", "secret"])
def test_checks_of_passwords_are_counted_and_new_passwords_are_not(password):
    user = User()
    before = internals.passwords_checked()
    user.set_password("secret")
    assert internals.passwords_checked() == before
    user.check_password(password)
    assert internals.passwords_checked() == before + 1


def test_session_of_another_key_is_not_loaded_yet(db):
    session = SessionStore("a" * 32)
    session["a"] = 1
    other = internals.session_with_key(session, "b" * 32)
    assert (other.session_key, other.modified, other.accessed) == ("b" * 32, True, True)
    assert "_session_cache" not in vars(other)
    assert session["a"] == 1


@pytest.mark.parametrize(("origin", "trusted"), [("http://testserver", True), ("http://evil.example", False)])
def test_origin_is_judged_as_by_the_csrf_check(origin, trusted):
    request = RequestFactory(headers={"origin": origin}).post("/")
    assert internals.origin_is_trusted(CsrfViewMiddleware(lambda request: HttpResponse()), request) is trusted


def test_form_is_not_read_for_its_token():
    request = RequestFactory().post("/", {"a": "1"})
    assert internals.parsed_form(request) == {}
    form = request.POST
    assert internals.parsed_form(request) is form


def test_headers_are_those_that_were_written():
    assert internals.written_headers(HttpResponse(headers={"X-a": "1"}))[0] == ("X-a", "1")
    response = HttpResponse()
    response.headers = {"X-a": "1"}
    assert internals.written_headers(response) is None


def test_closers_are_those_that_a_response_runs(db):
    response, closed = HttpResponse(), []
    internals.closers_of(response).append(lambda: closed.append(1))
    response.close()
    assert closed == [1]


class OwnConverter:
    regex = ".*"


PATTERNS = [
    (path("a/<int:number>/", print), True),
    (re_path("^a/$", print), True),
    (path("a/", include(([], "app"))), True),
    (path(gettext_lazy("a/"), print), False),
    (re_path(gettext_lazy("^a/$"), print), False),
]


@pytest.mark.parametrize(("pattern", "is_plain"), PATTERNS)
def test_pattern_that_depends_on_the_path_alone_is_told(pattern, is_plain):
    assert internals.looks_at_the_path_alone(pattern, CONVERTERS) is is_plain
    assert internals.looks_at_the_path_alone(pattern, frozenset()) is (is_plain and not pattern.pattern.converters)


def test_pattern_of_a_kind_of_its_own_is_not_plain():
    pattern = path("a/", print)
    pattern.pattern = OwnConverter()
    assert not internals.looks_at_the_path_alone(pattern, CONVERTERS)


def test_copy_of_a_match_shares_no_container():
    match = resolve("/api/books/1/")
    twin = internals.copy_of_match(match, ("kwargs",))
    assert vars(twin) == vars(match)
    assert twin.kwargs is not match.kwargs
    assert type(twin) is type(match)


def test_another_context_has_the_threads_of_this_request():
    def variables():
        return SyncToAsync.thread_sensitive_context.get(None), getattr(AsyncToSync.executors, "current", None)

    async def on_a_loop():
        async with ThreadSensitiveContext():
            AsyncToSync.executors.current = "an executor"
            enter = internals.threads_of_this_request()
            clean = Context()
            clean.run(enter)
            return variables(), clean.run(variables)

    here, there = asyncio.run(on_a_loop())
    assert here == there
    assert here[1] == "an executor"
    assert asyncio.run(sync_to_async(lambda: True)()) is True


def test_function_with_room_does_what_it_did():
    @internals.with_room
    def add(one, *, other):
        return one + other

    assert add(1, other=2) == 3
    assert add.__code__.co_stacksize >= 16 * 2**10


class Broken:
    def __init__(self, get_response):
        raise RuntimeError("broken")


def test_middleware_that_failed_is_named(settings):
    settings.MIDDLEWARE = [f"{__name__}.Broken"]
    with pytest.raises(RuntimeError) as caught:
        BaseHandler().load_middleware()
    assert internals.middleware_that_failed(caught.value) == f"{__name__}.Broken"
    assert internals.middleware_that_failed(RuntimeError()) is None
