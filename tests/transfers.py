"""Many clients move money through batches, on real servers, while connections to the database may be killed.

    python -m tests.transfers --database postgresql --seconds 60 --clients 200 --kill

Each transfer is a group of two members, which leave an entry each. At every read the sum of all accounts has to be what
it always was; what was answered with success has to be in the ledger, and nothing else; and no process may end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event
from time import monotonic
from typing import Any
from uuid import uuid4

import django
from django.db import DatabaseError, connections
from django.db.models import Sum

from tests.bank import create_tables, open_accounts
from tests.bank.batches import add, fates, get
from tests.services import SERVICES, connected

ALIAS = "transfers"
CUSTOMERS = [f"customer-{number}" for number in range(20)]
OPENING_BALANCE = 1000
ROOT = Path(__file__).parent.parent
TOTAL = len(CUSTOMERS) * OPENING_BALANCE
PROCESSES, THREADS = 2, 20  # together fewer connections than any database server allows by default
RETRIES = 3
PAUSE = 0.05  # seconds between two kills
KILL = {
    "postgresql": "SELECT pg_terminate_backend(%s)",
    "mysql": "KILL %s",
}
CONNECTIONS = {
    "postgresql": "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mysql": "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
}


@dataclass
class Report:
    """What has happened: `counts` for people to read, `wrongs` to be empty.

    `transfers` are references -> whether success was answered; None if the answer leaves it open.
    """

    counts: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)
    transfers: dict[str, bool | None] = field(default_factory=dict)

    def add(self, other: Report) -> None:
        self.counts += other.counts
        self.wrongs += other.wrongs
        self.transfers |= other.transfers

    def __str__(self) -> str:
        counts = [f"{count:8} {name}" for name, count in sorted(self.counts.items())]
        return "\n".join([*counts, *self.wrongs[:20], f"{len(self.wrongs):8} wrongs"])


def run(database: Mapping[str, Any], *, seconds: float, clients: int, kill: bool) -> Report:
    """What came of `seconds` of transfers by `clients` at once. `database` is one of `DATABASES`, and empty."""
    report = Report()
    with connected(ALIAS, dict(database)):
        create_tables(ALIAS)
        open_accounts(ALIAS, names=CUSTOMERS, balance=OPENING_BALANCE)
        connections[ALIAS].close()  # or it would be killed with the others
        with served(database, report) as port, ThreadPoolExecutor(clients) as pool:
            send([get("total/")], port)  # whoever answers has started
            until = monotonic() + seconds
            with killed(report) if kill else nullcontext():
                for seen in pool.map(lambda number: transfer_until(until, port), range(clients)):
                    report.add(seen)
            for answers in pool.map(lambda number: send([get("total/")], port), range(5 * PROCESSES * THREADS)):
                if answers[0]["status"] != 200:
                    report.wrongs.append("a thread has not got over it")
        audit(report)
    return report


@contextmanager
def served(database: Mapping[str, Any], report: Report) -> Iterator[int]:
    """The port at which several processes serve the bank, each of which has to live until the end."""
    environment = {**os.environ, "BANK_DATABASE": json.dumps(database), "BANK_RETRIES": str(RETRIES)}
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener, TemporaryFile() as output:
        fileno = listener.fileno()
        command = [sys.executable, "-m", "tests.bank.server", str(fileno), str(THREADS)]
        options: dict[str, Any] = {"env": environment, "cwd": ROOT, "stdout": output, "pass_fds": [fileno]}
        processes = [subprocess.Popen(command, **options) for _ in range(PROCESSES)]
        try:
            yield listener.getsockname()[1]
        finally:
            report.wrongs += [f"a server ended: {process.args}" for process in processes if process.poll() is not None]
            for process in processes:
                process.terminate()
                process.wait()
            output.seek(0)
            report.counts["groups run again"] = len(output.readlines())


@contextmanager
def killed(report: Report) -> Iterator[None]:
    """Meanwhile, one connection to the database after the other is killed."""
    over = Event()

    def kill() -> None:
        connection = connections.create_connection(ALIAS)
        while not over.wait(PAUSE):
            with connection.cursor() as cursor, suppress(DatabaseError):  # some are gone before they are killed
                cursor.execute(CONNECTIONS[connection.vendor])
                found = cursor.fetchall()
                for victim in random.sample(found, min(1, len(found))):
                    cursor.execute(KILL[connection.vendor], victim)
                    report.counts["connections killed"] += 1
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        killer = pool.submit(kill)
        try:
            yield
        finally:
            over.set()
        killer.result()


def transfer_until(until: float, port: int) -> Report:
    """What one client has seen. Of its transfers one in ten, the first included, asks for more than there is."""
    report, too_much = Report(), cycle([True, *[False] * 9])
    while monotonic() < until:
        references = [uuid4().hex for _ in range(random.randint(1, 3))]
        amounts = [TOTAL if next(too_much) else random.randint(1, 20) for _ in references]
        items = [item for pair in zip(references, amounts, strict=True) for item in transfer(*pair)]
        report.transfers |= dict.fromkeys(references)
        try:
            answers = send([*items, get("total/")], port)
        except (OSError, HTTPException, AssertionError) as error:
            report.wrongs.append(f"a batch was not answered: {error!r}")
            continue
        report.counts["batches"] += 1
        for place, reference in enumerate(references):
            note_transfer(reference, fates(answers[2 * place : 2 * place + 2]), report)
        note_total(answers[-1], report)
    return report


def transfer(reference: str, amount: int) -> Sequence[dict[str, object]]:
    """A group of two, in any order."""
    giver, taker = random.sample(CUSTOMERS, 2)
    out = add(-amount, giver, query=f"reference={reference}-out", atomicity_group=reference)
    into = add(amount, taker, query=f"reference={reference}-in", atomicity_group=reference)
    return random.sample([out, into], 2)


def send(requests: Sequence[dict[str, object]], port: int) -> list[dict[str, Any]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = json.dumps({"requests": requests})
        connection.request("POST", "/batch/", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        assert response.status == 207, f"{response.status}: {content[:200]!r}"
        answers: list[dict[str, Any]] = json.loads(content)["responses"]
        return answers
    finally:
        connection.close()


def note_transfer(reference: str, answered: Sequence[str], report: Report) -> None:
    failed = [fate >= "4" for fate in answered]
    if any(failed) and not all(failed):
        report.wrongs.append(f"half a transfer was answered with success: {answered}")
    undecided = "500 outcome_unknown" in answered
    report.transfers[reference] = None if undecided else not any(failed)
    report.counts["transfers answered " + ", ".join(sorted(set(answered)))] += 1


def note_total(answer: Mapping[str, Any], report: Report) -> None:
    """A read may fail when its connection is killed. It may not be wrong."""
    if answer["status"] == 200:
        report.counts["reads of the sum"] += 1
        if answer["body"]["total"] != TOTAL:
            report.wrongs.append(f"the sum was {answer['body']['total']}")
    else:
        report.counts["reads that failed"] += 1


def audit(report: Report) -> None:
    """Compare what was answered with what is there."""
    from tests.bank.models import Account, Entry

    ledger = Counter(entry.reference.partition("-")[0] for entry in Entry.objects.using(ALIAS))
    for reference, succeeded in report.transfers.items():
        entries = ledger.pop(reference, 0)
        if entries not in ((0, 2) if succeeded is None else (2,) if succeeded else (0,)):
            report.wrongs.append(f"a transfer has {entries} entries, and was answered with {succeeded}")
        report.counts["undecided transfers that were done"] += succeeded is None and entries == 2
    report.wrongs += [f"nobody has sent {reference}" for reference in ledger]
    entries = Entry.objects.using(ALIAS).values_list("account__name").annotate(Sum("amount"))
    expected = dict.fromkeys(CUSTOMERS, OPENING_BALANCE)
    for name, change in entries:
        expected[name] += change
    if dict(Account.objects.using(ALIAS).values_list("name", "balance")) != expected:
        report.wrongs.append("the accounts are not what the ledger says")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.transfers", description=__doc__.partition("\n")[0])
    parser.add_argument("--database", choices=SERVICES, default="postgresql")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--kill", action="store_true", help="kill connections to the database all the while")
    arguments = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    with SERVICES[arguments.database].database() as database:
        report = run(database, seconds=arguments.seconds, clients=arguments.clients, kill=arguments.kill)
    sys.stdout.write(f"{report}\n")
    return bool(report.wrongs)


if __name__ == "__main__":
    sys.exit(main())
