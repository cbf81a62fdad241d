"""Keeps the views of a read-only batch from writing.

The method of an item is safe when the batch is read, but that does not make its view one that reads: a middleware can
change the method, and a view that is asked with GET can delete a row. So the method is looked at again where the view
is called, and while a view works, each statement that it sends to a database is looked at before it is executed.

Middlewares are not watched, nor are the tables of sessions and caches: what a site keeps about its visitors, it keeps
about those who only read, too. A function that a SELECT calls in the database is not seen, and no thread that a view
starts by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.signals import setting_changed
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from django.http import HttpRequest

from django_batch.core.batch import SAFE_METHODS
from django_batch.execution.chain.item import Item, current_item

_BLANK = r"(?:\s|\(|/\*.*?\*/|--[^\n]*(?:\n|$))*+"  # and comments, and the brackets around a SELECT
_READS = re.compile(
    _BLANK + r"(SELECT|WITH|VALUES|TABLE|SHOW|EXPLAIN|DESCRIBE|DESC|PRAGMA|SET|RESET|DECLARE|FETCH|CLOSE"
    r"|BEGIN|START|COMMIT|END|SAVEPOINT|RELEASE|ROLLBACK)\b",
    re.IGNORECASE | re.DOTALL,
)
_WRITES = re.compile(r"\b(INSERT|DELETE|MERGE|REPLACE|INTO|(?<!FOR )(?<!NO KEY )UPDATE)\b(?!\s*\()|;", re.IGNORECASE)
# Comments, values, names, and the last semicolon.
_QUOTED = re.compile(r"""/\*.*?\*/|--[^\n]*+|'(?:[^']|'')*+'|"(?:[^"]|"")*+"|`[^`]*+`|;\s*$""", re.DOTALL)
_TARGET = re.compile(
    r"\s*(?:INSERT(?:\s+IGNORE|\s+OR\s+\w+)?\s+INTO|REPLACE\s+INTO|UPDATE|DELETE\s+FROM)\s+[\"`]?(\w+)[\"`]?[^;]*$",
    re.IGNORECASE,
)


def reading(view: Callable[..., Any], item: Item) -> Callable[..., Any]:
    """`view`, which is called only with a safe method, and writes nothing to a database."""

    def read(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        _begin(request, item)
        try:
            return _end(view(request, *args, **kwargs), item)
        except BaseException:
            item.is_reading = False
            raise

    async def aread(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        await sync_to_async(_begin)(request, item)
        try:
            return _end(await view(request, *args, **kwargs), item)
        except BaseException:
            item.is_reading = False
            raise

    return aread if iscoroutinefunction(view) else read


def _begin(request: HttpRequest, item: Item) -> None:
    if request.method not in SAFE_METHODS:
        raise _refused(f"{request.method} may write, and this batch only reads.", item)
    for connection in connections.all():
        _listen_to(connection)
    item.is_reading = True


def _end(response: Any, item: Item) -> Any:
    """`response`, which may not have been rendered yet: that is the work of the view, too."""
    if getattr(response, "is_rendered", True):
        item.is_reading = False
    else:
        response.add_post_render_callback(lambda rendered: setattr(item, "is_reading", False))
    return response


def _refused(reason: str, item: Item) -> PermissionDenied:
    item.has_written = True
    return PermissionDenied(reason)


def _look(execute: Callable[..., object], sql: Any, params: object, many: bool, context: dict[str, Any]) -> object:
    item = current_item.get()
    if item is not None and item.is_reading and writes(_text(sql, context["connection"])):
        raise _refused("This view writes to the database, and this batch only reads.", item)
    return execute(sql, params, many, context)


def _text(sql: Any, connection: BaseDatabaseWrapper) -> str:
    return str(sql.as_string(connection.connection)) if hasattr(sql, "as_string") else str(sql)


def writes(sql: str) -> bool:
    """Whether `sql` may write, other than to a table of sessions or of a cache."""
    if _READS.match(sql) and not _WRITES.search(_QUOTED.sub(" ", sql)):
        return False
    target = _TARGET.match(sql)
    return target is None or target[1].lower() not in _unwatched_tables()


@cache
def _unwatched_tables() -> frozenset[str]:
    return frozenset(name.lower() for name in _tables())


def _tables() -> Iterator[str]:
    for cache_settings in settings.CACHES.values():
        if cache_settings.get("BACKEND", "").endswith(".DatabaseCache"):
            yield str(cache_settings.get("LOCATION", ""))
    # A store without a model keeps its sessions elsewhere, and a site without the app of sessions keeps none.
    with suppress(AttributeError, RuntimeError):
        yield import_module(settings.SESSION_ENGINE).SessionStore.get_model_class()._meta.db_table


@receiver(setting_changed)
def _forget_tables(**kwargs: object) -> None:
    _unwatched_tables.cache_clear()


def _listen_to(connection: BaseDatabaseWrapper) -> None:
    if _look not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _look)  # in front, because others are taken off from behind


@receiver(connection_created)
def _on_connection_created(*, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    """A view has made a connection of its own, or the first one on another thread."""
    item = current_item.get()
    if item is not None and item.is_reading:
        _listen_to(connection)
