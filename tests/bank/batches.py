"""Batches for the bank, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def entry(reference: str, then: str = "nothing", *, alias: str = "default", **members: object) -> dict[str, object]:
    """An item that writes an entry, after which `then` happens."""
    return {"method": "POST", "path": f"/bank/{alias}/entries/{reference}/?then={then}", **members}


def add(amount: int, name: str, *, alias: str = "default", query: str = "", **members: object) -> dict[str, object]:
    """An item that adds `amount` to the account of `name`."""
    return {"method": "POST", "path": f"/bank/{alias}/accounts/{name}/?amount={amount}&{query}", **members}


def get(path: str, *, alias: str = "default", **members: object) -> dict[str, object]:
    """An item that reads `path` of the bank."""
    return {"path": f"/bank/{alias}/{path}", **members}


def fates(answers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Of each answer its status, and its code if the site did not give it: "201", "424 rolled_back"."""
    return [_fate(answer) for answer in answers]


def _fate(answer: Mapping[str, Any]) -> str:
    ours = answer["headers"].get("Content-Type") == "application/problem+json"
    return f"{answer['status']} {answer['body']['code']}" if ours else str(answer["status"])


def references(alias: str = "default") -> list[str]:
    """What stands in the ledger, in the order it was written."""
    from tests.bank.models import Entry

    return list(Entry.objects.using(alias).values_list("reference", flat=True))


def balances(alias: str = "default") -> dict[str, int]:
    """The name of each account -> its balance."""
    from tests.bank.models import Account

    return dict(Account.objects.using(alias).values_list("name", "balance"))
