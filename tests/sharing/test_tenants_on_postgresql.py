"""Tenants that PostgreSQL keeps apart: what is looked up once for a batch is never a row of another tenant.

The same requests are sent alone, in a batch, and in a batch of a site that looks up once. Answers and rows are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.db.models import F, Model, Value
from django.db.models.functions import Concat
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_batch.authentication import SharedTokenAuthentication
from django_batch.testing import BatchClient
from django_batch.views import BatchView
from tests.services import connected, database_or_skip

ALIAS = "tenants"
TABLES: list[type[Model]] = [ContentType, Permission, Group, User, Token]
LOGINS = {"a": ("ada", "token-a"), "b": ("ben", "token-b")}
choices: dict[str, tuple[str, list[str]]] = {}  # tenant -> the statement by which a middleware chooses it


class ToTenants:
    """Everything of users is in the database of the tenants."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        return ALIAS

    db_for_write = db_for_read


def choose(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware that says on the connection whose the request is."""

    def answer(request: HttpRequest) -> HttpResponse:
        if tenant := request.GET.get("tenant"):
            with connections[ALIAS].cursor() as cursor:
                cursor.execute(*choices[tenant])
        return get_response(request)

    return answer


class Me(APIView):
    authentication_classes: Any = (TokenAuthentication,)
    permission_classes = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        return Response([request.user.pk, request.user.username, request.user.first_name])

    def post(self, request: Request) -> Response:
        User.objects.filter(pk=request.user.pk).update(first_name=Concat(F("first_name"), Value("x")))
        return Response("changed")


class SharedMe(Me):
    authentication_classes = (SharedTokenAuthentication,)


urlpatterns = [
    path("me/", Me.as_view()),
    path("shared/", SharedMe.as_view()),
    path("batch/", BatchView.as_view(authentication_classes=[])),
]


class Tenancy(NamedTuple):
    """How tenants are kept apart: what sets it up, and the statement that chooses one."""

    set_up: Callable[[Any, str], None]
    choice: Callable[[str, str], tuple[str, list[str]]]


def create_tables(names: list[str]) -> None:
    """The tables, with a user and a token for each of `names`."""
    with connections[ALIAS].schema_editor() as editor:
        for model in TABLES:
            editor.create_model(model)
    for name in names:
        username, key = LOGINS[name]
        user = User.objects.create(username=f"{name}-{username}")
        Token.objects.create(user=user, key=key)


def by_rows(policy: str, roles: list[str]) -> Callable[[Any, str], None]:
    """Row-level security, which a superuser does not have."""

    def set_up(cursor: Any, secret: str) -> None:
        create_tables([*LOGINS])
        for table in ("auth_user", "authtoken_token"):
            cursor.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        shown = policy.format(secret)
        cursor.execute(f"CREATE POLICY own ON auth_user USING (split_part(username, '-', 1) = {shown})")
        cursor.execute("CREATE POLICY own ON authtoken_token USING (user_id IN (SELECT id FROM auth_user))")
        for role in roles:
            cursor.execute(f"CREATE ROLE {role}{secret} NOLOGIN")
            cursor.execute(f"GRANT USAGE ON SCHEMA public TO {role}{secret}")
            cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}{secret}")

    return set_up


def by_schemas(cursor: Any, secret: str) -> None:
    """The same key and the same id are another user's in another schema."""
    for name in LOGINS:
        cursor.execute(f"CREATE SCHEMA {name}")
        cursor.execute(f"SET search_path TO {name}")
        create_tables([name])
        Token.objects.all().delete()
        Token.objects.create(user=User.objects.get(), key="token-a")


TENANCIES = {
    "set_config": Tenancy(
        by_rows("current_setting('app.tenant', true)", ["site"]),
        lambda name, secret: (
            "SELECT set_config('app.tenant', %s, false), set_config('role', %s, false)",
            [name, f"site{secret}"],
        ),
    ),
    "search_path": Tenancy(by_schemas, lambda name, secret: (f"SET search_path TO {name}", [])),
    "set_role": Tenancy(
        by_rows("replace(current_user, '{}', '')", [*LOGINS]),
        lambda name, secret: (f"SET ROLE {name}{secret}", []),
    ),
}


@pytest.fixture(scope="module")
def postgresql():
    with database_or_skip("postgresql") as database:
        yield database


@pytest.fixture(params=TENANCIES)
def tenancy(request, postgresql, django_db_blocker):
    """A site of two tenants."""
    with django_db_blocker.unblock(), tenants_of(TENANCIES[request.param], postgresql):
        yield


@contextmanager
def tenants_of(tenancy: Tenancy, database: dict[str, Any]) -> Iterator[None]:
    secret = f"_{uuid4().hex[:8]}"
    middleware = [f"{__name__}.choose"]
    site = override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=middleware, DATABASE_ROUTERS=[f"{__name__}.ToTenants"])
    with connected(ALIAS, dict(database)), site, connections[ALIAS].cursor() as cursor:
        tenancy.set_up(cursor, secret)
        choices.update({name: tenancy.choice(name, secret) for name in LOGINS})
        try:
            yield
        finally:
            connections[ALIAS].close()
            with connections[ALIAS].cursor() as cursor:
                cursor.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", [f"%\\{secret}"])
                for (role,) in cursor.fetchall():
                    cursor.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
                for schema in ("public", *LOGINS):
                    cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
                cursor.execute("CREATE SCHEMA public")


def rows() -> list[Any]:
    """The users of all tenants, whose first names are made empty for the next run."""
    found = []
    for name in LOGINS:
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(*choices[name])
        found.append([*User.objects.order_by("pk").values_list("pk", "username", "first_name")])
        User.objects.update(first_name="")
    return found


def requests_to(view: str, steps: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"method": method, "path": f"/{view}/?tenant={name}"} for method, name in steps]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["GET", "GET", "POST"]), st.sampled_from([*LOGINS])), min_size=2, max_size=8
    )
)
def test_law_tenants_are_told_apart_with_and_without_shared_lookups(tenancy, steps):
    rows()
    client = BatchClient(headers={"Authorization": "Token token-a"})
    alone = [client.generic(each["method"], each["path"]) for each in requests_to("me", steps)]
    expected = [(each.status_code, each.json()) for each in alone], rows()
    for view in ("me", "shared"):
        answers = client.batch(requests_to(view, steps), path="/batch/")
        assert ([(each["status"], each["body"]) for each in answers], rows()) == expected


def test_same_token_is_that_of_another_user_or_of_none_for_another_tenant(tenancy):
    """If it were not, the law above would say nothing."""
    client = BatchClient(headers={"Authorization": "Token token-a"})
    steps = [("GET", "a"), ("GET", "b"), ("GET", "a")]
    first, second, third = client.batch(requests_to("shared", steps), path="/batch/")
    assert first["body"] == third["body"] != second["body"]
    assert first["status"] == 200
