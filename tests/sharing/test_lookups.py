"""What is kept of sessions and users, when it is dropped, and what is never kept."""

from __future__ import annotations

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.backends import ModelBackend, RemoteUserBackend
from django.contrib.auth.models import AnonymousUser, User, UserManager
from django.contrib.sessions.backends import db
from django.db import connection, connections
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

from django_batch.sharing.copies import Row
from django_batch.sharing.lookups import Lookups, is_plain
from django_batch.signals import subrequest_finished
from django_batch.testing import BatchClient
from tests.equivalence import rights

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]

urlpatterns = [
    path("who/", rights.who),
    path("who/page/", rights.page),
    path("change/<slug:name>/", rights.change),
    path("", include("example_project.urls")),
]
WHO = {"path": "/who/"}
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def credentials() -> Lookups:
    return Lookups()


@pytest.fixture
def ada(bookshop) -> User:
    return get_user_model().objects.get(username="ada")


def execute(credentials, sql):
    """Let `credentials` hear `sql`. Gives what was kept while it was executed."""
    found = []
    credentials(lambda *args: found.append(credentials.find("key")), sql, None, False, {})
    return found[0]


def logged_in(user, backend=MODEL_BACKEND):
    client = BatchClient()
    client.force_login(user, backend=backend)
    return client


def queries(client, table, item=WHO, **members):
    """How many statements read from `table` for ten sub-requests, and for the request that carries them."""
    with CaptureQueriesContext(connection) as captured:
        client.batch([item] * 10, **members)
    return sum(f'FROM "{table}"' in query["sql"] for query in captured)


STATEMENTS = [
    # a statement, and whether it may change what is kept
    ("SELECT * FROM auth_user", False),
    ("select 1", False),
    ("BEGIN", False),
    ("BEGIN IMMEDIATE", False),
    ('SAVEPOINT "s1"', False),
    ('RELEASE SAVEPOINT "s1"', False),
    ("PRAGMA foreign_key_check", False),
    ('INSERT INTO "bookshop_author" ("name") VALUES (%s)', False),
    ('UPDATE "bookshop_book" SET "stock" = %s', False),
    ('UPDATE "auth_user" SET "is_active" = %s', True),
    ("  update\n\tAUTH_USER set is_active = 0", True),
    ('INSERT INTO "django_session" VALUES (%s)', True),
    ('INSERT INTO "authtoken_token" SELECT 1', True),
    ('DELETE FROM "auth_user"', True),
    ('DELETE FROM "bookshop_author"', True),
    ('ROLLBACK TO SAVEPOINT "s1"', True),
    ("ROLLBACK", True),
    ("WITH old AS (DELETE FROM auth_user RETURNING 1) SELECT 1", True),
    ("/* SELECT */ UPDATE auth_user SET is_active = 0", True),
    ("(SELECT 1)", True),
    ("SELECT 1; UPDATE auth_user SET is_active = 0", True),
    ("TRUNCATE auth_user", True),
    ("CALL deactivate(1)", True),
    ("", True),
]


@pytest.mark.parametrize(("sql", "may_change"), STATEMENTS)
def test_statement_that_may_change_what_is_kept_drops_it_before(credentials, sql, may_change):
    credentials.keep("key", "value")
    assert execute(credentials, sql) == (None if may_change else "value")


def test_what_is_loaded_beside_a_change_is_kept_when_every_step_has_ended(credentials):
    credentials.begin_step(0)
    credentials.begin_step(1)
    execute(credentials, "ROLLBACK")
    for position in (0, 1):
        credentials.keep("key", "value")
        assert credentials.find("key") is None
        credentials.end_step(position)
    credentials.keep("key", "value")
    assert credentials.find("key") == "value"


def test_what_cannot_be_copied_is_not_kept(credentials):
    credentials.keep("key", lambda: None)
    assert credentials.find("key") is None


def test_what_is_kept_is_found_as_a_copy(credentials):
    value = [1]
    credentials.keep("key", value)
    value.append(2)
    credentials.find("key").append(3)
    assert credentials.find("key") == [1]


def test_row_of_an_instance_makes_another(ada):
    twin = Row.of(ada).instance()
    assert twin is not ada
    assert (vars(twin).keys(), twin._state.db, twin._state.adding) == (vars(ada).keys(), "default", False)
    assert all(getattr(twin, name) == value for name, value in vars(ada).items() if name != "_state")


def test_instance_with_more_or_less_than_a_row_has_none(ada):
    assert Row.of(get_user_model().objects.defer("email").get(pk=ada.pk)) is None
    ada.impersonator = "ben"
    assert Row.of(ada) is None
    assert Row.of(ada, besides={"impersonator"}) is not None


class Chosen(QuerySet):
    """Finds others than all."""


class ChoosingManager(UserManager):
    """Likewise."""

    def get_queryset(self):
        return super().get_queryset().filter(is_staff=False)


def _named(self):
    return "made in another way"


@pytest.mark.parametrize("method", ["get_session_auth_hash", "_get_session_auth_hash", "check_password"])
def test_user_with_a_method_of_their_own_is_not_plain(ada, method, monkeypatch):
    assert is_plain(ada)
    monkeypatch.setattr(User, method, _named)
    assert not is_plain(ada)


@pytest.mark.parametrize("manager", [ChoosingManager(), UserManager.from_queryset(Chosen)()])
def test_user_whose_manager_chooses_is_not_plain(ada, manager, monkeypatch):
    monkeypatch.setitem(vars(User._meta), "default_manager", manager)
    assert not is_plain(ada)


def test_nobody_is_not_plain():
    assert not is_plain(AnonymousUser())
    assert not is_plain(None)


@pytest.mark.parametrize(("engine", "sessions"), [("db", 2), ("cache", 0), ("signed_cookies", 0)])
def test_session_and_user_are_loaded_once_for_a_batch(engine, sessions, ada, settings):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    client = logged_in(ada)
    assert queries(client, "django_session") == sessions
    assert queries(client, "auth_user") == 2


@pytest.mark.parametrize("atomic", [False, True])
def test_writes_to_other_tables_change_nothing_in_that(bookshop, atomic):
    client = logged_in(get_user_model().objects.get(username="staff"))
    author = {"method": "POST", "path": "/api/authors/", "body": {"name": "Ursula"}}
    assert queries(client, "django_session", author, atomic=atomic) == 2
    assert queries(client, "auth_user", author, atomic=atomic) == 2


class OtherStore(db.SessionStore):
    """A site's own."""


SessionStore = OtherStore  # where `SESSION_ENGINE` looks


def test_session_of_a_sites_own_class_is_loaded_by_each(ada, settings):
    settings.SESSION_ENGINE = __name__
    client = logged_in(ada)
    assert queries(client, "django_session") == 11
    assert queries(client, "auth_user") == 2


class OtherBackend(ModelBackend):
    """Lets nobody in but those it knows."""

    def get_user(self, user_id):
        return super().get_user(user_id)


class OtherRemoteUserBackend(RemoteUserBackend):
    """Loads users as Django does."""


@pytest.mark.parametrize(("backend", "loaded"), [(OtherBackend, 11), (OtherRemoteUserBackend, 2)])
def test_user_of_a_backend_is_shared_if_it_loads_them_as_django_does(backend, loaded, ada, settings):
    path = f"{__name__}.{backend.__name__}"
    settings.AUTHENTICATION_BACKENDS = [path]
    assert queries(logged_in(ada, backend=path), "auth_user") == loaded


def session_of(user, **changes):
    session = db.SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = MODEL_BACKEND
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.update(changes)
    session.save()
    return session


def test_user_is_kept_for_their_session(ada, credentials):
    session = session_of(ada)
    assert credentials.user_of(session) is None
    credentials.keep_user(ada, session)
    found = credentials.user_of(session)
    assert found == ada
    assert found is not ada


@pytest.mark.parametrize(
    "changes",
    [
        {SESSION_KEY: "2"},
        {BACKEND_SESSION_KEY: "a.backend.of.old"},
        {HASH_SESSION_KEY: "of an old password"},
        {HASH_SESSION_KEY: ""},
    ],
)
def test_user_is_not_kept_for_a_session_that_says_otherwise(ada, credentials, changes):
    session = session_of(ada, **changes)
    credentials.keep_user(ada, session)
    assert credentials.user_of(session) is None


def test_user_who_is_not_active_is_not_found(ada, credentials):
    session = session_of(ada)
    ada.is_active = False
    credentials.keep_user(ada, session)
    assert credentials.user_of(session) is None


def test_session_that_is_not_there_is_not_kept(ada, credentials):
    session = session_of(ada)
    key = session.session_key
    session.delete()
    for _ in range(2):
        again = db.SessionStore(key)
        credentials.share_session(again)
        assert again.get("a") is None
        assert again.session_key is None
    assert credentials.find(key) is None


def test_receiver_that_changes_a_user_between_two_sub_requests_is_heard(ada):
    def deactivate(**kwargs):
        get_user_model().objects.update(is_active=False)

    subrequest_finished.connect(deactivate)
    try:
        names = [answer["body"]["user"] for answer in logged_in(ada).batch([WHO] * 3)]
    finally:
        subrequest_finished.disconnect(deactivate)
    assert names == ["ada", "", ""]


def test_connections_are_left_as_they_were(ada):
    before = [list(each.execute_wrappers) for each in connections.all()]
    for options in ({}, {"dry_run": True}, {"atomic": True}):
        logged_in(ada).batch([WHO] * 3, **options)
    assert [list(each.execute_wrappers) for each in connections.all()] == before
