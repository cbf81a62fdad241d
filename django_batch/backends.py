"""`AUTHENTICATION_BACKENDS = ["django_batch.backends.ModelBackend"]`: users looked up once for a batch."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import backends, get_user_model

from django_batch.sharing.copies import Row
from django_batch.sharing.lookups import listen_to_all
from django_batch.sharing.rows import looked_up, user_row

listen_to_all()


class SharedUserMixin:
    """For a backend that is a subclass of `ModelBackend`: its `get_user` looks a user up once for a batch."""

    def get_user(self, user_id: Any) -> Any:
        """The user, an object of its own for each sub-request, or None."""
        load = super().get_user  # type: ignore[misc]
        return looked_up(
            ("user", type(self), user_id), get_user_model(), lambda: load(user_id), pack=user_row, unpack=Row.instance
        )

    async def aget_user(self, user_id: Any) -> Any:
        """`get_user` on the thread of the request, where its connection is."""
        return await sync_to_async(self.get_user)(user_id)


class ModelBackend(SharedUserMixin, backends.ModelBackend):
    """Django's own backend. Outside of a batch it does what that does."""
