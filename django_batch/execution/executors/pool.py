"""The threads that all batches of a process share. A batch never waits for one: if none is free, it does without."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import BoundedSemaphore

from django.core.cache import caches
from django.db import connections

SIZE = 32


class Pool:
    """An executor, `threads`, with a free thread for each caller of `take` that was told True."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Have threads of this process: after a fork, those before stay with the parent process."""
        self.threads = ThreadPoolExecutor(SIZE, thread_name_prefix="django_batch")
        self._free = BoundedSemaphore(SIZE)

    def take(self) -> bool:
        """Whether a thread was free, which is now taken."""
        return self._free.acquire(blocking=False)

    def give_back(self) -> None:
        """Free the thread of the caller, without anything that it holds."""
        connections.close_all()
        caches.close_all()
        self._free.release()


pool = Pool()


def give_pooled_back() -> None:
    """Keep no connection while waiting: another batch, on its own thread, may wait for that very one."""
    for connection in connections.all(initialized_only=True):
        if getattr(connection, "pool", None):
            connection.close()


def own_caches() -> None:
    """Let this thread have caches of its own, in this copy of the context."""
    for alias in caches:
        with suppress(AttributeError):  # it has not been used
            del caches[alias]
    caches.all()  # one that is first used in a copy of the context would be made anew in each


os.register_at_fork(after_in_child=pool.renew)
