"""The common part of the classes that look up once: when sharing is right, and under which key."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, router

from django_batch.sharing.copies import Row
from django_batch.sharing.lookups import connection_key, current_lookups

found_again: ContextVar[bool] = ContextVar("django_batch.found_again", default=False)  # what is being made


def looked_up(
    key: Hashable, model: type[models.Model], load: Callable[[], Any], *, pack: Callable[[Any], Any], unpack: Any
) -> Any:
    """The value that `load` returns, or an equal one that was loaded in this batch before.

    `pack` makes of it what is kept, or None for what cannot be; `unpack` makes a new value of that. Outside of a batch,
    and where the site says `SHARE = False`, everything is loaded.
    """
    lookups = current_lookups.get()
    place = None if lookups is None else connection_key(router.db_for_read(model))
    if lookups is None or place is None:
        return load()
    key = (place, key)
    if kept := lookups.find(key):
        token = found_again.set(True)
        try:
            return unpack(kept)
        finally:
            found_again.reset(token)
    value = load()
    if packed := pack(value):
        lookups.keep(key, packed)
    return value


def user_row(user: Any, *, besides: tuple[str, ...] = ()) -> Row | None:
    """The row of `user`, unless something else than a row makes them who they are."""
    is_user = isinstance(user, AbstractBaseUser) and type(user) is apps.get_model(settings.AUTH_USER_MODEL)
    return Row.of(user, besides=besides) if is_user and has_plain_manager(type(user)) else None


def has_plain_manager(model: type[models.Model]) -> bool:
    """Whether the default manager of `model` chooses no rows by itself."""
    kind = type(model._default_manager)
    plain = models.Manager
    return all(getattr(kind, name, None) is getattr(plain, name) for name in ("get_queryset", "get", "aget")) and (
        kind._queryset_class is models.QuerySet  # type: ignore[attr-defined]
    )


def shared_tables() -> frozenset[str]:
    """The tables of sessions, users and tokens, in lower case."""
    return frozenset(_tables())


def _tables() -> Iterator[str]:
    for name in ("sessions.Session", settings.AUTH_USER_MODEL, "authtoken.Token"):
        with suppress(LookupError):  # an app that is not installed
            model = apps.get_model(name)
            for each in (model, *model._meta.get_parent_list()):
                yield each._meta.db_table.lower()
