"""Threads of this process: no package and no service, and no wait for what is in progress when the process ends.

What a process leaves behind is found by its leases, as after a crash.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from queue import Queue
from threading import Lock, Thread

from django.core.cache import caches
from django.db import connections

from django_batch.jobs.engines.base import Engine

_MAX_THREADS = 4


class ThreadEngine(Engine):
    """Runs chunks on at most four daemon threads of this process, which are started when the first chunks come."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)  # the threads stay with the parent process

    def renew(self) -> None:
        """Begin with no threads and an empty queue."""
        self._queue: Queue[int] = Queue()
        self._threads: list[Thread] = []
        self._lock = Lock()

    def submit(self, chunks: Sequence[int]) -> None:
        """Queue the chunks, and start a thread for each until there are enough."""
        for chunk in chunks:
            self._queue.put(chunk)
        with self._lock:
            while len(self._threads) < min(_MAX_THREADS, self._queue.unfinished_tasks):
                thread = Thread(target=self._work, args=(self._queue,), name="django_batch_job", daemon=True)
                self._threads.append(thread)
                thread.start()

    def join(self) -> None:
        """Wait until nothing is queued and nothing runs, for tests and commands."""
        self._queue.join()

    def _work(self, queue: Queue[int]) -> None:
        from django_batch.jobs.running import run_chunk_safely

        while True:
            chunk = queue.get()
            try:
                run_chunk_safely(chunk)
            finally:
                connections.close_all()
                caches.close_all()
                queue.task_done()
