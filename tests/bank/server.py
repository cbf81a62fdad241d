"""Serves the bank on a socket that its parent listens at, and writes a line for each group that is run again.

`python -m tests.bank.server FILENO THREADS`. Several processes can serve one socket.
"""

from __future__ import annotations

import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
from django.core.wsgi import get_wsgi_application


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Nothing."""


class Server(ThreadingMixIn, WSGIServer):
    """Answers with a fixed number of threads, so that it needs as many connections to the database and no more."""

    def __init__(self, listener: socket.socket, threads: int) -> None:
        super().__init__(listener.getsockname(), QuietHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = "localhost", listener.getsockname()[1]
        self.setup_environ()
        self._pool = ThreadPoolExecutor(threads)

    def process_request(self, request: Any, client_address: Any) -> None:
        """On a thread of the pool."""
        self._pool.submit(self.process_request_thread, request, client_address)


def note_retry(**kwargs: object) -> None:
    os.write(sys.stdout.fileno(), b"retry\n")


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bank.settings"
    django.setup()
    from django_batch.signals import group_retried

    group_retried.connect(note_retry)
    server = Server(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
    server.set_app(get_wsgi_application())
    server.serve_forever()


if __name__ == "__main__":
    main()
