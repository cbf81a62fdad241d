"""A bank beside the bookshop, for the tests of all or nothing: accounts, a ledger, and views that go wrong.

It is in no `INSTALLED_APPS`. A test gives it tables on the databases that it uses, and names the alias in each path:
`/bank/archive/entries/first/`.
"""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from django.db import connections

OPENING_BALANCE = 100
NAMES = ("ada", "ben")


@contextmanager
def open_bank(*aliases: str) -> Iterator[None]:
    """Give the bank its tables on each alias, and its accounts. They are dropped at the end."""
    with ExitStack() as stack:
        for alias in aliases:
            create_tables(alias)
            stack.callback(drop_tables, alias)
            open_accounts(alias)
        yield
        assert not any(connections[alias].connection.in_transaction for alias in aliases), "Something was left open."


@contextmanager
def kept_in_mind(alias: str) -> Iterator[None]:
    """Make the database anew at the end: one in memory is gone with the last connection to it."""
    connection, copy = connections[alias], sqlite3.connect(":memory:")
    connection.connection.backup(copy)
    try:
        yield
    finally:
        connection.connection.close()
        connection.connection = None
        gc.collect()  # a cursor that nobody holds any more may still hold a lock on tables that threads share
        connection.ensure_connection()
        copy.backup(connection.connection)
        copy.close()


def create_tables(alias: str) -> None:
    from tests.bank.models import Account, Entry

    with connections[alias].schema_editor() as editor:
        for model in (Account, Entry):
            editor.create_model(model)


def drop_tables(alias: str) -> None:
    from tests.bank.models import Account, Entry

    with connections[alias].schema_editor() as editor:
        for model in (Entry, Account):
            editor.delete_model(model)


def open_accounts(alias: str, *, names: Iterable[str] = NAMES, balance: int = OPENING_BALANCE) -> None:
    """Empty the bank, and open an account for each of its customers."""
    from tests.bank.models import Account, Entry

    for model in (Entry, Account):
        model.objects.using(alias).all().delete()
    Account.objects.using(alias).bulk_create(Account(name=name, balance=balance) for name in names)
