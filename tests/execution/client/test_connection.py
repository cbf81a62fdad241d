"""Whether the sender is still there, by the socket that a WSGI server shows."""

from __future__ import annotations

import socket

import pytest
from django.test import RequestFactory

from django_batch.execution.client.connection import is_gone


@pytest.fixture
def ends():
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def request_on(connection, key="gunicorn.socket"):
    return RequestFactory().get("/", **{key: connection})


@pytest.mark.parametrize("key", ["gunicorn.socket", "werkzeug.socket"])
def test_sender_is_gone_when_the_connection_is_closed(ends, key):
    server, client = ends
    assert not is_gone(request_on(server, key))
    client.close()
    assert is_gone(request_on(server, key))


def test_sender_who_sends_more_is_there_and_loses_nothing(ends):
    server, client = ends
    client.sendall(b"GET /next")
    assert not is_gone(request_on(server))
    assert server.recv(20) == b"GET /next"


class Failing:
    def __init__(self, error):
        self.error = error

    def recv(self, size, flags):
        raise self.error


@pytest.mark.parametrize(
    ("error", "gone"), [(ConnectionResetError(), True), (ValueError("no flags under TLS"), False), (OSError(), False)]
)
def test_socket_that_cannot_tell_is_taken_for_open(error, gone):
    assert is_gone(request_on(Failing(error))) is gone


def test_server_that_shows_no_socket_is_believed():
    assert not is_gone(RequestFactory().get("/"))
    assert not is_gone(request_on(object()))
