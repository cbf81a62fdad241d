"""`SESSION_ENGINE = "django_batch.sessions.db"`: Django's database sessions, looked up once for a batch."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends import db

from django_batch.sharing.lookups import listen_to_all
from django_batch.sharing.rows import looked_up

listen_to_all()


class SessionStore(db.SessionStore):
    """Django's own store. Outside of a batch it does what that does."""

    def load(self) -> dict[str, Any]:
        """The data of the session: a dict of its own for each sub-request."""
        key, kind = self.session_key, type(self)
        load = super().load

        def pack(data: dict[str, Any]) -> tuple[dict[str, Any]] | None:
            return (data,) if self.session_key == key else None  # else there is no session of this key

        data: dict[str, Any] = looked_up(("session", kind, key), self.model, load, pack=pack, unpack=_first)
        return data

    async def aload(self) -> dict[str, Any]:
        """`load` on the thread of the request, where its connection is."""
        return await sync_to_async(self.load)()


def _first(kept: tuple[dict[str, Any]]) -> dict[str, Any]:
    return kept[0]
