"""Real objects for all tests: the bookshop's rows in real databases, and clients that send real batches."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connections
from hypothesis import HealthCheck, settings

from tests.file_databases import in_files

# Whoever changes one thing is not stopped by an old fault of another, drawn by chance: by day the examples are the same
# each time, and change with their test. Faults are hunted by night.
for name, examples in {"dev": 10, "ci": 20, "nightly": 5000}.items():
    settings.register_profile(
        name,
        max_examples=examples,
        derandomize=name != "nightly",
        print_blob=True,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(scope="session")
def templates(django_db_setup, django_db_blocker) -> Iterator[dict[str, sqlite3.Connection]]:
    """The bookshop's rows, per database, to copy from."""
    copies = {}
    with django_db_blocker.unblock():
        call_command("loaddata", "bookshop", verbosity=0)
        for connection in connections.all():
            connection.ensure_connection()
            copies[connection.alias] = sqlite3.connect(":memory:")
            connection.connection.backup(copies[connection.alias])
            connection.close()
    yield copies
    for copy in copies.values():
        copy.close()


@pytest.fixture
def bookshop(transactional_db, templates):
    """Both databases as the fixture has them, with real commits. Calling it puts them back in the middle of a test.

    The test is marked `django_db(transaction=True, databases="__all__")`.
    """

    def restore() -> None:
        cache.clear()
        for alias, template in templates.items():
            connections[alias].ensure_connection()
            template.backup(connections[alias].connection)

    restore()
    return restore


@pytest.fixture
def bookshop_in_files(bookshop, templates, tmp_path):
    """The same, where several threads can work at once."""
    with in_files(templates, tmp_path) as restore:
        yield restore
