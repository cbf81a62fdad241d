"""Copies of what was looked up once, so that no sub-request gets an object that another can change."""

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
    """The values that the database gave for an instance, by the names of its fields."""

    model: type[Model]
    database: str | None
    names: tuple[str, ...]
    values: tuple[object, ...]

    @classmethod
    def of(cls, instance: Model, *, besides: Collection[str] = ()) -> Row | None:
        """The row of `instance`, if all of its fields were loaded and it has no attribute but those and `besides`."""
        known = {name: value for name, value in vars(instance).items() if name not in besides}
        names = tuple([field.attname for field in instance._meta.concrete_fields])
        if not known.keys() >= {*names}:
            return None
        row = cls(type(instance), instance._state.db, names, tuple([known[name] for name in names]))
        return row if vars(row.instance()).keys() == known.keys() else None

    def instance(self) -> Any:
        """A new instance, made as a query makes one."""
        return self.model.from_db(self.database, self.names, self.values)


def copies_of(value: object) -> Callable[[], Any]:
    """A function that makes copies of `value` in its present state. Raises anything for a value that cannot be pickled.

    Immutable values are returned as they are.
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
