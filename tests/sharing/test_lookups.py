"""What is kept of sessions, users and tokens, when it is dropped, and what is never kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User, UserManager
from django.db import connection, connections
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

from django_batch.backends import ModelBackend
from django_batch.sessions.db import SessionStore
from django_batch.sharing import lookups as lookups_module
from django_batch.sharing.copies import Row
from django_batch.sharing.lookups import Lookups, connection_key, may_change
from django_batch.sharing.rows import has_plain_manager, shared_tables, user_row
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
BACKEND = "django_batch.backends.ModelBackend"


@pytest.fixture
def lookups():
    with Lookups(shared_tables) as made:
        yield made


@pytest.fixture
def ada(bookshop) -> User:
    return get_user_model().objects.get(username="ada")


@pytest.fixture
def shared(settings):
    """A site that looks up sessions and users once."""
    settings.SESSION_ENGINE = "django_batch.sessions.db"
    settings.AUTHENTICATION_BACKENDS = [BACKEND, "django.contrib.auth.backends.ModelBackend"]


def logged_in(user, backend=BACKEND):
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
    ('SELECT "auth_user"."id" FROM "auth_user" WHERE "auth_user"."id" = %s LIMIT 21', False),
    ('SELECT COUNT(*) AS "__count" FROM "auth_user" WHERE "id" IN (%s, %s)', False),
    ('SELECT 1 AS "a" FROM "auth_user" WHERE EXISTS(SELECT 1 AS "a" FROM "x") LIMIT 1', False),
    ("SELECT set_config('app.tenant', %s, false)", True),
    ("select pg_catalog.set_config ('a', 'b', true)", True),
    ("SELECT deactivate(1)", True),
    ("SELECT * INTO copy FROM auth_user", True),
    ("SET ROLE reporting", True),
    ("SET search_path TO other", True),
    ("RESET ROLE", True),
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
    ("PRAGMA user_version", True),
    ("", True),
]


@pytest.mark.parametrize(("sql", "changes"), STATEMENTS)
def test_statement_that_may_change_what_is_kept_drops_it(lookups, sql, changes):
    assert may_change(sql, shared_tables()) is changes
    lookups.keep("key", "value")
    lookups.hear(sql)
    assert lookups.find("key") == (None if changes else "value")


def test_statements_of_any_number_are_judged(lookups):
    for number in range(200):
        lookups.hear(f"SELECT {number}")
    lookups.keep("key", "value")
    lookups.hear("SELECT f()")
    assert lookups.find("key") is None


def test_value_that_is_looked_up_beside_a_change_is_kept_when_every_step_has_ended(lookups):
    lookups.begin_step(0)
    lookups.begin_step(1)
    lookups.hear("ROLLBACK")
    for position in (0, 1):
        lookups.keep("key", "value")
        assert lookups.find("key") is None
        lookups.end_step(position)
    lookups.keep("key", "value")
    assert lookups.find("key") == "value"


def test_value_that_cannot_be_copied_is_not_kept(lookups):
    lookups.keep("key", lambda: None)
    assert lookups.find("key") is None


def test_kept_value_is_found_as_a_copy(lookups):
    value = [1]
    lookups.keep("key", value)
    value.append(2)
    lookups.find("key").append(3)
    assert lookups.find("key") == [1]


def test_statement_on_a_thread_of_a_view_is_heard(lookups, tmp_path, settings):
    def execute():
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.execute("ROLLBACK" if connection.vendor == "postgresql" else "PRAGMA user_version")
        connections["default"].connection.close()  # Django never closes a database in memory

    lookups.keep("key", "value")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(execute).result()
    assert lookups.find("key") is None


def test_batch_that_has_ended_hears_nothing_more():
    with Lookups(shared_tables) as lookups:
        lookups.keep("key", "value")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA user_version")
    assert lookups.find("key") == "value"


def test_site_that_asks_for_nothing_is_not_listened_to(monkeypatch, lookups):
    monkeypatch.setattr(lookups_module, "_asked_for", [])
    monkeypatch.setattr(connections["default"], "execute_wrappers", [])
    lookups.listen()
    assert connection.execute_wrappers == []


def test_wrapper_surrounds_those_of_the_site(monkeypatch, lookups):
    def of_the_site(execute, *args):
        return execute(*args)

    monkeypatch.setattr(connections["default"], "execute_wrappers", [of_the_site])
    lookups.listen()
    lookups.listen()
    assert connection.execute_wrappers == [lookups_module._hear, of_the_site]


class OfASite(type(connections["default"])):
    """A backend that could choose a schema by itself."""


def test_nothing_is_shared_on_a_backend_of_the_sites_own(monkeypatch):
    assert connection_key("default") == ("default", connections["default"])
    monkeypatch.setattr(connections["default"], "__class__", OfASite)
    assert connection_key("default") is None


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


@pytest.mark.parametrize("manager", [ChoosingManager(), UserManager.from_queryset(Chosen)()])
def test_user_whose_manager_chooses_is_not_shared(ada, manager, monkeypatch):
    assert has_plain_manager(User)
    monkeypatch.setitem(vars(User._meta), "default_manager", manager)
    assert not has_plain_manager(User)
    assert user_row(ada) is None


def test_object_that_is_no_user_is_not_shared(ada):
    assert user_row(ada) is not None
    assert user_row(None) is None
    assert user_row("ada") is None


def test_session_and_user_are_looked_up_by_each_unless_the_site_asks(ada):
    client = logged_in(ada, "django.contrib.auth.backends.ModelBackend")
    assert queries(client, "django_session") == 11
    assert queries(client, "auth_user") == 11


def test_session_and_user_are_looked_up_once_where_the_site_asks(ada, shared):
    client = logged_in(ada)
    assert queries(client, "django_session") == 2
    assert queries(client, "auth_user") == 2


def test_session_and_user_are_looked_up_by_each_where_share_is_off(ada, shared, settings):
    settings.BATCH = {"SHARE": False}
    client = logged_in(ada)
    assert queries(client, "django_session") == 11
    assert queries(client, "auth_user") == 11


@pytest.mark.parametrize("atomic", [False, True])
def test_writes_to_other_tables_change_nothing_in_that(bookshop, shared, atomic):
    client = logged_in(get_user_model().objects.get(username="staff"))
    author = {"method": "POST", "path": "/api/authors/", "body": {"name": "Ursula"}}
    assert queries(client, "auth_user", author, atomic=atomic) == 2


def test_session_that_is_not_there_is_not_kept(ada, shared):
    client = logged_in(ada)
    client.cookies["sessionid"] = "x" * 32
    assert {answer["body"]["user"] for answer in client.batch([WHO] * 3)} == {""}


def test_receiver_that_changes_a_user_between_two_sub_requests_is_heard(ada, shared):
    def deactivate(**kwargs):
        get_user_model().objects.update(is_active=False)

    subrequest_finished.connect(deactivate)
    try:
        names = [answer["body"]["user"] for answer in logged_in(ada).batch([WHO] * 3)]
    finally:
        subrequest_finished.disconnect(deactivate)
    assert names == ["ada", "", ""]


def test_async_twins_look_up_as_the_others(ada):
    user = async_to_sync(ModelBackend().aget_user)(ada.pk)
    assert user == ada
    assert async_to_sync(SessionStore("x" * 32).aload)() == {}


class Careful(ModelBackend):
    """Lets in only those that it knows."""

    def user_can_authenticate(self, user):
        return user.username != "ada" and super().user_can_authenticate(user)


def test_backend_of_a_site_keeps_out_as_alone(ada, shared, settings):
    path = f"{__name__}.Careful"
    settings.AUTHENTICATION_BACKENDS = [path]
    client = logged_in(ada, backend=path)
    assert {answer["body"]["user"] for answer in client.batch([WHO] * 3)} == {""}
