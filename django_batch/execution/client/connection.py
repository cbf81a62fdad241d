"""Whether the sender of a batch is still there, as far as a WSGI server lets an application see it."""

from __future__ import annotations

import socket
from typing import Any

from django.http import HttpRequest

_SOCKETS = ("gunicorn.socket", "werkzeug.socket")  # keys of the environ


def is_gone(request: HttpRequest) -> bool:
    """Whether the sender of `request` has closed the connection. False where the server does not show it."""
    connection = next((request.META[key] for key in _SOCKETS if key in request.META), None)
    return connection is not None and _is_closed(connection)


def _is_closed(connection: Any) -> bool:
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"")
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    except (AttributeError, OSError, ValueError):  # TLS cannot peek
        return False
