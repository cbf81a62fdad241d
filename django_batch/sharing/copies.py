"""Copies of what was loaded once, so that nobody is given what somebody else can change."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from pickle import dumps, loads
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Model

_FIXED = frozenset((type(None), bool, int, float, str, bytes, date, datetime, time, timedelta, Decimal, UUID))


class Row(NamedTuple):
    """What the database said of an instance, by the names of its fields."""

    model: type[Model]
    database: str | None
    names: tuple[str, ...]
    values: tuple[object, ...]

    @classmethod
    def of(cls, instance: Model, *, besides: Collection[str] = ()) -> Row | None:
        """What `instance` was made of, if that is complete, and all of it but the attributes `besides`."""
        known = {name: value for name, value in vars(instance).items() if name not in besides}
        names = tuple([field.attname for field in instance._meta.concrete_fields])
        if not known.keys() >= {*names}:
            return None
        row = cls(type(instance), instance._state.db, names, tuple([known[name] for name in names]))
        return row if vars(row.instance()).keys() == known.keys() else None

    def instance(self) -> Any:
        """A new instance, made as a query makes it."""
        return self.model.from_db(self.database, self.names, self.values)

    def active_user(self) -> Any:
        """A new user, or None if they are not active: who is let in nevertheless is decided where users are loaded."""
        user = self.instance()
        return user if getattr(user, "is_active", True) else None


def copies_of(value: object) -> Callable[[], Any]:
    """What makes copies of `value`, as it is now. Raises anything for what cannot be pickled.

    Of what nobody can change, it is its own copy. Pickling the row of a user would take 5 % of a trivial view.
    """
    if _is_fixed(value):
        return lambda: value
    if type(value) is dict and all(map(_is_fixed, value)) and all(map(_is_fixed, value.values())):
        return value.copy().copy
    return partial(loads, dumps(value))


def _is_fixed(value: object) -> bool:
    kind = type(value)
    if kind is tuple or kind is Row:
        return all(map(_is_fixed, value))  # type: ignore[call-overload]
    return kind in _FIXED or isinstance(value, type)
