"""Steps side by side on PostgreSQL with a pool of connections: they take no more than there are, and keep none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, current_thread

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.db import connections

from tests.execution.executors import test_asynchronous
from tests.execution.executors.test_threads import SECONDS, Log, answered, books, execute, subrequest
from tests.services import connected, database_or_skip

SIZE = 2  # connections in the pool


@pytest.fixture
def pool(django_db_blocker):
    """The pool of the alias "pooled"."""
    with database_or_skip("postgresql") as settings, django_db_blocker.unblock():
        options = {**settings["OPTIONS"], "pool": {"min_size": SIZE, "max_size": SIZE, "timeout": 10}}
        with connected("pooled", {**settings, "OPTIONS": options}):
            pool = connections["pooled"].pool
            pool.open(wait=True)
            yield pool
            connections["pooled"].close()
            connections["pooled"].close_pool()


def query(step):
    with connections["pooled"].cursor() as cursor:
        cursor.execute("SELECT 1")
    return answered(step)


def test_no_more_steps_are_done_at_once_than_there_are_connections(pool):
    log, barrier = Log(), Barrier(SIZE)

    def run(step):
        log.note("begin", step)
        barrier.wait(SECONDS)
        query(step)
        log.note("end", step)
        return answered(step)

    execute(books(*map(subrequest, range(8))), run, workers=4)
    assert log.peak() == SIZE


def test_connections_are_given_back_before_the_batch_ends(pool):
    def run(step):
        barrier.wait(SECONDS)
        return query(step)

    for _ in range(50):
        barrier = Barrier(SIZE)
        execute(books(*map(subrequest, range(SIZE))), run)
        connections["pooled"].close()
        assert pool.get_stats()["pool_available"] == SIZE


def test_batch_that_waits_for_its_workers_keeps_no_connection_from_them(pool):
    """Two batches hold all connections, until each of them waits for a worker that needs one."""
    held = Barrier(2 * SIZE)

    def run(step):
        if current_thread().name.startswith("client"):
            query(step)
            held.wait(SECONDS)
            return answered(step)
        held.wait(SECONDS)
        return query(step)

    def send(number):
        try:
            return len(execute(books(subrequest(0), subrequest(1)), run, workers=2))
        finally:
            connections["pooled"].close()  # as at the end of a request

    with ThreadPoolExecutor(SIZE, thread_name_prefix="client") as clients:
        assert list(clients.map(send, range(SIZE))) == [2] * SIZE


class Queries:
    """Steps for an executor on a loop, every other one async."""

    def is_async(self, step):
        return step.position % 2 == 1

    def run(self, step):
        return query(step)

    async def arun(self, step):
        return await sync_to_async(query)(step)


def test_loop_has_enough_connections_and_gives_them_back(pool):
    async def request() -> None:
        async with ThreadSensitiveContext():
            assert await test_asynchronous.execute(books(*map(subrequest, range(12))), Queries(), workers=4) == 12
            await sync_to_async(lambda: connections["pooled"].close())()  # as at the end of a request

    for _ in range(10):
        async_to_sync(request)()
        assert pool.get_stats()["pool_available"] == SIZE
