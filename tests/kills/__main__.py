"""The runs, each of one job and of as many workers as it takes."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from tests.services import SERVICES, Missing

SECONDS = 60  # at most, until a job is over


@contextmanager
def database(server: str) -> Iterator[dict[str, Any]]:
    """A new database on `server`, or in a file."""
    if server != "sqlite":
        with SERVICES[server].database() as found:
            yield found
        return
    with TemporaryDirectory() as folder:
        options = {"timeout": 30, "transaction_mode": "IMMEDIATE"}
        yield {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(folder) / "db"), "OPTIONS": options}


def begin() -> None:
    """Make the tables and the sender."""
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection
    from rest_framework.authtoken.models import Token

    from tests.kills.site import TABLE

    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(TABLE)
    Token.objects.create(user=User.objects.create(username="ada"), key="ada-token")


def items(run: int) -> list[dict[str, Any]]:
    """Items of every kind: alone, in groups, that are refused, and that depend on others."""

    def do(name: str, **members: Any) -> dict[str, Any]:
        return {"id": name, "method": "POST", "path": f"/do/{run}/{name}/", **members}

    return [
        *(do(f"a{number}") for number in range(4)),
        do("refused"),
        *(do(f"g{number}", atomicity_group="g") for number in range(3)),
        do("after", depends_on=["g", "a0"]),
        do("never", depends_on="refused"),
        {"id": "safe", "path": "/missing/"},
        *(do(f"h{number}", atomicity_group="h") for number in range(2)),
        do("last", depends_on=["h", "h1"], body={"name": {"$ref": "h1#/body/name"}}),
    ]


EXPECTED = {"refused": 400, "never": 424, "safe": 404}


def accept(run: int) -> str:
    """The id of a job that is stored, and that nobody runs yet."""
    from unittest.mock import patch

    from django.test import Client

    with patch("django_batch.jobs.finishing.engine"):
        client = Client(SERVER_NAME="localhost", headers={"Authorization": "Token ada-token"})
        lines = b"".join(json.dumps(each).encode() + b"\n" for each in items(run))
        response = client.post("/batch/jobs/", lines, content_type="application/jsonl")
    assert response.status_code == 202, response.content
    found: str = response.json()["id"]
    return found


def work(public_id: str) -> None:
    """Run what is left of the job, in a process of its own, which then ends."""
    from django_batch.jobs.models import Job
    from django_batch.jobs.resuming import resume

    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            job = Job.objects.get(public_id=public_id)
            if job.is_over:
                break
            resume(job)
        except Exception:  # its connection was killed
            from django.db import connection

            connection.close()
        time.sleep(0.01)
    os._exit(0)


def kill_connections() -> None:
    """Kill all connections to the database but this one."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        else:
            cursor.execute(
                "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            )
            for (number,) in cursor.fetchall():
                with suppress(Exception):  # it is gone already
                    cursor.execute(f"KILL {number}")
    connection.close()


def run_once(run: int, random: Random, kills: Counter[str]) -> list[str]:
    """What was wrong after one job."""
    from django.db import connections
    from django.utils import timezone

    from django_batch.jobs.models import Chunk, Job

    public_id = accept(run)
    for _ in range(50):
        connections.close_all()
        pid = os.fork()
        if pid == 0:
            work(public_id)
        time.sleep(random.uniform(0, 0.25))
        can_kill_connections = connections["default"].vendor != "sqlite"
        if can_kill_connections and random.random() < 0.4:
            kills["connections"] += 1
            kill_connections()
        elif random.random() < 0.8:
            kills["workers"] += 1
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if Job.objects.get(public_id=public_id).is_over:
            break
        # The worker is dead, so that the time of its lease need not be waited for.
        Chunk.objects.filter(done=False).update(lease_expires=timezone.now() - timedelta(hours=1))
    return [*wrongs(run, public_id)]


def wrongs(run: int, public_id: str) -> Iterator[str]:
    """What is stored or told otherwise than after an undisturbed run."""
    from django.db import connection

    from django_batch.jobs.models import Job

    job = Job.objects.get(public_id=public_id)
    told = {items(run)[row.position]["id"]: row.status for row in job.answer_set.all()}
    expected = {each["id"]: EXPECTED.get(each["id"], 201) for each in items(run)}
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, COUNT(*) FROM done WHERE run = %s GROUP BY name", [run])
        done = dict(cursor.fetchall())
    if told != expected:
        yield f"run {run}: told {told}"
    if done != {name: 1 for name, status in expected.items() if status in (201, 400)}:
        yield f"run {run}: done {done}"
    counts = job.counts()
    if (counts.succeeded, counts.failed, counts.not_run, job.shown_state) != (11, 2, 1, "done"):
        yield f"run {run}: {counts}, {job.shown_state}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--server", choices=["sqlite", *SERVICES], default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    try:
        with database(arguments.server) as found:
            os.environ["KILLS_DATABASE"] = json.dumps(found)
            os.environ["DJANGO_SETTINGS_MODULE"] = "tests.kills.settings"
            begin()
            random, kills, wrong = Random(arguments.seed), Counter[str](), []
            for run in range(arguments.runs):
                wrong += run_once(run, random, kills)
            from django.db import connections

            connections.close_all()
    except Missing as missing:
        sys.stderr.write(f"{missing}\n")
        return 3
    sys.stdout.write(f"{arguments.runs} runs, killed: {dict(kills)}, wrong: {wrong}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
