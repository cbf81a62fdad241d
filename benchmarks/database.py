"""The rows that the views need. They are made once, in a file, which a process in memory then starts from."""

from __future__ import annotations

import os
import sqlite3
from datetime import date

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from benchmarks.scenarios import SESSION_KEY, TOKEN


def connect() -> None:
    """Reach the server. Raises whatever is in the way."""
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT 1")


def create() -> None:
    """Make this process's database, its tables and their rows."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, get_user_model
    from django.contrib.auth import SESSION_KEY as USER_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from rest_framework.authtoken.models import Token

    from benchmarks.models import Book

    if connection.vendor == "postgresql":
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{connection.settings_dict["NAME"]}"')
    call_command("migrate", run_syncdb=True, verbosity=0)
    user = get_user_model().objects.create_user("ada")
    Token.objects.create(user=user, key=TOKEN)
    session = SessionStore()
    session[USER_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session._session_key = SESSION_KEY
    session.save(must_create=True)
    Book.objects.bulk_create(
        Book(title=f"Book {number}", author=f"Author {number % 5}", price=f"{number}.50", published=date(1969, 3, 1))
        for number in range(20)
    )
    connection.close()


def drop() -> None:
    """Drop the database that `create` has made on a server."""
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{connection.settings_dict["NAME"]}"')


def load() -> None:
    """Fill this process's database, if it is in memory, from the file that was made before."""
    if connection.settings_dict["NAME"] == ":memory:":
        connection.ensure_connection()
        with sqlite3.connect(os.environ["BENCHMARKS_ROWS"]) as rows:
            rows.backup(connection.connection)
