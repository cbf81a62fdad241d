"""More databases of a site: one for each tenant, chosen by a router, and one that nobody can reach."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from unittest.mock import patch

from django.db import connections
from django.db.models import Model

TENANT, DOWN = "tenant", "down"
chosen: ContextVar[str | None] = ContextVar("chosen", default=None)
_OF_TENANTS = {"auth", "authtoken", "sessions"}


class TenantRouter:
    """Users, tokens and sessions are those of the tenant that a middleware has chosen."""

    def db_for_read(self, model: type[Model], **hints: object) -> str | None:
        return chosen.get() if model._meta.app_label in _OF_TENANTS else None

    db_for_write = db_for_read

    def allow_relation(self, one: Model, other: Model, **hints: object) -> bool:
        return True


@contextmanager
def tenant() -> Iterator[None]:
    """A copy of the bookshop, where other users are staff, and Ben has no token."""
    with _another(TENANT, ":memory:"):
        connections["default"].ensure_connection()
        connections[TENANT].connect()  # Django's tests let nobody ensure a connection that they do not know of
        connections["default"].connection.backup(connections[TENANT].connection)
        with connections[TENANT].cursor() as cursor:
            cursor.execute("UPDATE auth_user SET is_staff = NOT is_staff, first_name = 'of the tenant'")
            cursor.execute("DELETE FROM authtoken_token WHERE key = 'ben-token'")
        yield


@contextmanager
def down(folder: Path) -> Iterator[None]:
    """A database whose file is in no folder."""
    with _another(DOWN, str(folder / "nowhere" / "db.sqlite3")):
        yield


@contextmanager
def _another(alias: str, name: str) -> Iterator[None]:
    with patch.dict(
        connections.settings, {alias: {**connections.settings["default"], "NAME": name, "ATOMIC_REQUESTS": False}}
    ):
        try:
            yield
        finally:
            connection = connections[alias]
            if connection.connection:
                connection.connection.close()  # Django's own close() keeps what is in memory
                connection.connection = None
            del connections[alias]
