"""Where the tests get their servers from: the environment, the usual port, a folder of their own, or nowhere."""

from __future__ import annotations

import socket

import pytest
from django.db import connections

from tests import services
from tests.services import SERVICES, Missing, address_in, connected, database_or_skip

USUAL = {"USER": "root", "PASSWORD": "", "HOST": "127.0.0.1", "PORT": 3306}
ADDRESSES = [
    ("mysql://ada:secret@db.example:3307", {"USER": "ada", "PASSWORD": "secret", "HOST": "db.example", "PORT": 3307}),
    ("mysql://db.example", {**USUAL, "HOST": "db.example"}),
    ("mysql://ada@", {**USUAL, "USER": "ada"}),
    ("mysql://a%40b:%2F%C3%BC@[::1]", {**USUAL, "USER": "a@b", "PASSWORD": "/ü", "HOST": "::1"}),
]


@pytest.mark.parametrize(("url", "address"), ADDRESSES)
def test_address_is_what_the_url_says_and_else_as_usual(url, address):
    assert address_in(url, USUAL) == address


@pytest.fixture(params=SERVICES)
def elsewhere(request, monkeypatch):
    """The name of a service of which no server answers at the usual port."""
    service = SERVICES[request.param]
    monkeypatch.delenv(service.variable, raising=False)
    monkeypatch.setattr(service, "_answers_at", lambda address: False)
    return request.param


def test_server_that_answers_nowhere_is_started_and_ended(elsewhere, django_db_blocker):
    with database_or_skip(elsewhere) as database, connected("own", database), django_db_blocker.unblock():
        assert database["PORT"] != SERVICES[elsewhere].usual["PORT"]
        with connections["own"].cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", database["PORT"])):
        pass


def test_server_that_is_not_installed_is_named_with_what_to_do(elsewhere, monkeypatch):
    monkeypatch.setattr(services, "PATH", "")
    service = SERVICES[elsewhere]
    with pytest.raises(Missing, match=f"no {service.programs[0]} or .* Install the server, or set {service.variable}"):
        service.database().__enter__()


@pytest.mark.parametrize(("required", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_service_that_is_missing_skips_a_test_or_fails_it_where_all_are_required(
    elsewhere, monkeypatch, required, outcome
):
    monkeypatch.setattr(services, "PATH", "")
    monkeypatch.setenv("REQUIRE_SERVICES", required)
    with pytest.raises(outcome, match="Install the server"), database_or_skip(elsewhere):
        pass
