"""Engines: threads of the process, their fork, and what each is given."""

from __future__ import annotations

import os
import subprocess
import sys
from queue import Queue

import pytest
from django.db import connections

from django_batch.jobs.conf import engine
from django_batch.jobs.engines.thread import ThreadEngine
from django_batch.jobs.models import Job
from tests.jobs.conftest import sender
from tests.jobs.test_exactly_once import names, write
from tests.markdown import ROOT

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_threads_run_jobs_side_by_side(bookshop_in_files, settings) -> None:
    settings.ROOT_URLCONF = "tests.jobs.urls"
    chosen = ThreadEngine()
    settings.JOBS = {"ENGINE": chosen, "CHUNK": 2}
    client = sender("ada")
    lines = [write(f"n{number:02}") for number in range(12)]
    responses = [client.lines(lines[:8], "/batch/jobs/?parallel=true"), client.lines(lines[8:])]
    chosen.join()
    shown = [client.get(each.headers["Location"]).json() for each in responses]
    assert [(each["state"], each["succeeded"]) for each in shown] == [("done", 8), ("done", 4)]
    assert names() == [f"n{number:02}" for number in range(12)]
    connections.close_all()


def test_threads_are_the_default(settings) -> None:
    settings.JOBS = {}
    assert type(engine()) is ThreadEngine
    assert engine() is engine()


def test_threads_go_on_after_an_error(caplog) -> None:
    chosen = ThreadEngine()
    chosen.submit([10**9, "no id"])  # type: ignore[list-item]
    chosen.join()
    assert "could not be run" in caplog.text
    assert len(chosen._threads) <= 4


def test_process_that_is_forked_has_threads_of_its_own() -> None:
    chosen = ThreadEngine()
    before = chosen._queue
    chosen.renew()
    assert isinstance(chosen._queue, Queue)
    assert chosen._queue is not before


@pytest.mark.parametrize("server", ["sqlite", "postgresql", "mariadb"])
def test_every_item_is_done_once_though_workers_are_killed(server) -> None:
    command = [sys.executable, "-m", "tests.kills", "--runs=2", f"--server={server}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode == 3 and not os.environ.get("REQUIRE_SERVICES"):
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not Job.objects.exists()
