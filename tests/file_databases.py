"""The bookshop's databases as files, in which several threads can work at once.

Threads share an in-memory database of SQLite only by locking whole tables, and no timeout helps. Files need no service.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.core.cache import cache
from django.db import connections

OPTIONS: dict[str, Any] = {
    "timeout": 60,  # seconds to wait for the one that writes
    "transaction_mode": "IMMEDIATE",  # one that reads first and writes later cannot wait
    "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF",
}


@contextmanager
def in_files(templates: Mapping[str, sqlite3.Connection], folder: Path) -> Iterator[Callable[[], None]]:
    """Databases in `folder` instead of those of the tests, on every thread. Calling what it gives restores the rows."""

    def restore() -> None:
        cache.clear()
        for alias, template in templates.items():
            connections[alias].ensure_connection()
            template.backup(connections[alias].connection)

    with ExitStack() as stack:
        for alias in templates:
            stack.enter_context(_in_file(alias, folder / f"{alias}.sqlite3"))
        restore()
        yield restore


@contextmanager
def _in_file(alias: str, path: Path) -> Iterator[None]:
    in_memory = connections[alias]
    with patch.dict(in_memory.settings_dict, NAME=str(path), OPTIONS=OPTIONS):
        connections[alias] = connections.create_connection(alias)
        try:
            yield
        finally:
            connections[alias].close()
            connections[alias] = in_memory
