"""A bank beside the bookshop, for the tests of all or nothing: accounts, a ledger, and views that go wrong.

It is in no `INSTALLED_APPS`. A test gives it tables on the databases that it uses, and names the alias in each path:
`/bank/archive/entries/first/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from django.db import connections

OPENING_BALANCE = 100
NAMES = ("ada", "ben")


@contextmanager
def open_bank(*aliases: str, names: Sequence[str] = NAMES, balance: int = OPENING_BALANCE) -> Iterator[None]:
    """Give the bank its tables on each alias, with an account for each of `names`. They are dropped at the end."""
    from tests.bank.models import Account, Entry

    with ExitStack() as stack:
        for alias in aliases:
            with connections[alias].schema_editor() as editor:
                for model in (Account, Entry):
                    editor.create_model(model)
            stack.callback(_close, alias)
            Account.objects.using(alias).bulk_create(Account(name=name, balance=balance) for name in names)
        yield


def _close(alias: str) -> None:
    from tests.bank.models import Account, Entry

    with connections[alias].schema_editor() as editor:
        for model in (Entry, Account):
            editor.delete_model(model)
