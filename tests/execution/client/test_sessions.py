"""The session of the request that carries the batch, in every backend of Django's."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpResponse
from django.test import RequestFactory

from django_batch.execution.client.cookies import Cookies, with_path
from django_batch.execution.client.sessions import forget_cached, renew_session, save_session

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ENGINES = ["db", "cached_db", "cache", "file", "signed_cookies"]
URL = "http://testserver/batch/"


@pytest.fixture(params=ENGINES)
def store(request, settings, tmp_path, bookshop) -> type[SessionBase]:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    return import_module(settings.SESSION_ENGINE).SessionStore


def saved(store, **content):
    session = store()
    session.update(content)
    session.save()
    return session


def carries(session):
    """The request that carries the batch, as `SessionMiddleware` makes it."""
    parent = RequestFactory().post("/batch/")
    parent.session = type(session)(session.session_key)
    return parent, Cookies(f"sessionid={session.session_key}; a=1", lambda: URL)


def key_in(cookies):
    """The key of the session that a sub-request has."""
    pairs = dict(pair.split("=", 1) for pair in cookies.header("/").split("; "))
    assert pairs["a"] == "1"
    return pairs.get("sessionid")


def test_session_that_was_not_changed_is_not_saved(store):
    parent, cookies = carries(saved(store, visits=1))
    parent.session._get_session()["visits"] = 2
    save_session(parent, cookies)
    assert store(key_in(cookies)).load() == {"visits": 1}


def test_session_that_was_changed_is_saved_for_subrequests(store):
    parent, cookies = carries(saved(store, visits=1))
    parent.session["visits"] = 2
    save_session(parent, cookies)
    assert store(key_in(cookies)).load() == {"visits": 2}


def test_session_whose_key_was_cycled_is_found_under_the_new_one(store):
    session = saved(store, visits=1)
    parent, cookies = carries(session)
    parent.session.cycle_key()
    save_session(parent, cookies)
    assert key_in(cookies) == parent.session.session_key
    assert store(key_in(cookies)).load() == {"visits": 1}


def test_session_that_was_ended_is_not_sent_any_more(store):
    parent, cookies = carries(saved(store, visits=1))
    parent.session.flush()
    save_session(parent, cookies)
    assert key_in(cookies) is None


@pytest.mark.parametrize("change", [save_session, renew_session])
def test_site_without_sessions_is_left_alone(change):
    parent, cookies = RequestFactory().post("/batch/"), Cookies("sessionid=x", lambda: URL)
    change(parent, cookies)
    assert cookies.header("/") == "sessionid=x"
    assert not hasattr(parent, "session")


def told(cookies, key):
    response = HttpResponse()
    response.set_cookie("sessionid", key, max_age=60 if key else 0)
    cookies.take([with_path(morsel, "/") for morsel in response.cookies.values()])


@pytest.mark.parametrize(("accessed", "modified"), [(False, False), (True, False), (True, True)])
def test_parent_goes_on_with_the_session_that_its_client_has_now(store, accessed, modified):
    parent, cookies = carries(saved(store, visits=1))
    parent.session.accessed, parent.session.modified = accessed, modified
    told(cookies, saved(store, visits=5).session_key)
    renew_session(parent, cookies)
    assert (parent.session.accessed, parent.session.modified) == (accessed, modified)
    assert parent.session["visits"] == 5


def test_parent_has_no_session_after_its_client_was_told_to_drop_it(store):
    parent, cookies = carries(saved(store, visits=1))
    assert parent.session["visits"] == 1
    told(cookies, "")
    renew_session(parent, cookies)
    assert parent.session.is_empty()
    assert "visits" not in parent.session


def test_write_that_was_rolled_back_is_not_found_in_the_cache_of_a_database(settings, bookshop):
    from django.contrib.sessions.backends.cached_db import SessionStore

    session = saved(SessionStore, visits=1)
    changed = SessionStore(session.session_key)
    changed["visits"] = 2
    changed._cache.set(changed.cache_key, changed._session)  # as its save() does, of which the row was rolled back
    assert SessionStore(session.session_key).load() == {"visits": 2}
    forget_cached(changed)
    assert SessionStore(session.session_key).load() == {"visits": 1}


def test_session_that_is_nowhere_else_is_not_forgotten(store):
    session = saved(store, visits=1)
    forget_cached(session)
    assert store(session.session_key).load() == {"visits": 1}


def test_session_that_was_never_saved_needs_no_forgetting(store):
    forget_cached(store())
