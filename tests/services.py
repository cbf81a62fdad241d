"""PostgreSQL and MariaDB for the tests: at a given address, else where they usually listen, else started here.

The address comes from the environment: `POSTGRES_URL=postgresql://user:password@host:5432`, `MARIADB_URL=mysql://...`.
Whoever asks gets a database of their own, dropped at the end, so that any number of processes can share one server.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import psycopg
import pymysql
import pytest
from django.db import DEFAULT_DB_ALIAS, connections

Address = Mapping[str, Any]  # USER, PASSWORD, HOST and PORT, as in DATABASES

SECONDS = 60  # at most, until a server that was started here answers
# Debian keeps some of the programs where only root looks, or nobody.
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])


class Missing(Exception):
    """There is no such server, and none can be started here. Says what to install."""


class Service(ABC):
    """A kind of server. `account` runs it where the tests are run by root, whom no database server serves."""

    engine: ClassVar[str]
    options: ClassVar[Mapping[str, Any]]
    variable: ClassVar[str]
    usual: ClassVar[Address]
    package: ClassVar[str]
    programs: ClassVar[tuple[str, ...]]
    account: ClassVar[str]

    @abstractmethod
    def execute(self, address: Address, *statements: str) -> None:
        """Execute `statements`, each in no transaction."""

    @abstractmethod
    def create(self, address: Address, name: str) -> None:
        """Make the database `name`."""

    @abstractmethod
    def drop(self, address: Address, name: str) -> None:
        """Drop the database `name`, whoever is still connected to it."""

    @abstractmethod
    def start(self, folder: Path) -> AbstractContextManager[Address]:
        """A server that keeps all its files in `folder`."""

    @contextmanager
    def database(self) -> Iterator[dict[str, Any]]:
        """A new database, as one of `DATABASES`. Raises `Missing`."""
        name = f"django_batch_{os.getpid()}_{uuid4().hex[:8]}"
        with self._address() as address:
            self.create(address, name)
            try:
                yield {"ENGINE": self.engine, "NAME": name, "OPTIONS": dict(self.options), **address}
            finally:
                self.drop(address, name)

    @contextmanager
    def _address(self) -> Iterator[Address]:
        if url := os.environ.get(self.variable):
            yield address_in(url, self.usual)
        elif self._answers_at(self.usual):
            yield self.usual
        else:
            self._require_programs()
            with TemporaryDirectory() as folder:
                if os.geteuid() == 0:
                    shutil.chown(folder, self.account)
                with self.start(Path(folder)) as address:
                    yield address

    def _answers_at(self, address: Address) -> bool:
        try:
            self.execute(address, "SELECT 1")
        except (psycopg.Error, pymysql.Error):
            return False
        return True

    def _require_programs(self) -> None:
        if absent := [program for program in self.programs if not shutil.which(program, path=PATH)]:
            raise Missing(
                f"No {self.package} answers at {self.usual['HOST']}:{self.usual['PORT']}, and there is no"
                f" {' or '.join(absent)} to start one. Install the server, or set {self.variable}."
            )

    def popen(self, program: str, *arguments: object) -> subprocess.Popen[bytes]:
        """Start `program`, quietly."""
        command = [str(shutil.which(program, path=PATH)), *map(str, arguments)]
        user = self.account if os.geteuid() == 0 else None
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user, cwd="/")

    def run(self, program: str, *arguments: object) -> None:
        """Run `program` to its end, which has to be a good one."""
        process = self.popen(program, *arguments)
        assert process.wait() == 0, f"{program} failed: {process.args}"


class PostgreSQL(Service):
    """Quick, as no data has to outlive a crash. Deadlocks are looked for at once, where that may be set."""

    engine = "django.db.backends.postgresql"
    options = {}
    variable = "POSTGRES_URL"
    usual = {"USER": "postgres", "PASSWORD": "", "HOST": "127.0.0.1", "PORT": 5432}
    package = "PostgreSQL"
    programs = ("initdb", "pg_ctl")
    account = "postgres"

    def execute(self, address: Address, *statements: str) -> None:
        with psycopg.connect(
            user=address["USER"],
            password=address["PASSWORD"],
            host=address["HOST"],
            port=address["PORT"],
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        ) as connection:
            for statement in statements:
                connection.execute(statement)

    def create(self, address: Address, name: str) -> None:
        self.execute(address, f"CREATE DATABASE {name}", f"ALTER DATABASE {name} SET synchronous_commit = off")
        with suppress(psycopg.errors.InsufficientPrivilege):
            self.execute(address, f"ALTER DATABASE {name} SET deadlock_timeout = '10ms'")

    def drop(self, address: Address, name: str) -> None:
        self.execute(address, f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def start(self, folder: Path) -> Iterator[Address]:
        port, data = free_port(), folder / "data"
        self.run("initdb", "--auth=trust", "--username=postgres", "--no-sync", f"--pgdata={data}")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.run("pg_ctl", f"--pgdata={data}", f"--timeout={SECONDS}", "--wait", f"--options={options}", "start")
        try:
            yield {**self.usual, "PORT": port}
        finally:
            self.run("pg_ctl", f"--pgdata={data}", "--mode=immediate", "stop")


class MariaDB(Service):
    """Spoken to with PyMySQL, which needs no compiler."""

    engine = "django.db.backends.mysql"
    options = {"ssl_disabled": True}
    variable = "MARIADB_URL"
    usual = {"USER": "root", "PASSWORD": "", "HOST": "127.0.0.1", "PORT": 3306}
    package = "MariaDB"
    programs = ("mariadb-install-db", "mariadbd", "mariadb-admin")
    account = "mysql"

    def __init__(self) -> None:
        pymysql.install_as_MySQLdb()

    def execute(self, address: Address, *statements: str) -> None:
        with (
            pymysql.connect(
                user=address["USER"],
                password=address["PASSWORD"],
                host=address["HOST"],
                port=address["PORT"],
                connect_timeout=5,
                **self.options,
            ) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)

    def create(self, address: Address, name: str) -> None:
        self.execute(address, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")

    def drop(self, address: Address, name: str) -> None:
        self.execute(address, f"DROP DATABASE {name}")

    @contextmanager
    def start(self, folder: Path) -> Iterator[Address]:
        port, data, listens = free_port(), f"--datadir={folder / 'data'}", f"--socket={folder / 'socket'}"
        self.run("mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", data)
        server = self.popen("mariadbd", "--no-defaults", data, listens, f"--port={port}", "--bind-address=127.0.0.1")
        try:
            self.run("mariadb-admin", "--no-defaults", "--user=root", listens, f"--wait={SECONDS}", "ping")
            yield {**self.usual, "PORT": port}
        finally:
            server.terminate()
            server.wait()


@contextmanager
def connected(alias: str, settings: dict[str, Any]) -> Iterator[None]:
    """Let Django know the database of `settings` as `alias`, as long as this block lasts: every group would span it."""
    configured = connections.configure_settings({DEFAULT_DB_ALIAS: {}, alias: settings})
    connections.settings[alias] = configured[alias]
    try:
        yield
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


@contextmanager
def database_or_skip(name: str) -> Iterator[dict[str, Any]]:
    """A new database on the server `name`. Without it the test is skipped, or fails where REQUIRE_SERVICES is set."""
    with ExitStack() as stack:
        try:
            database = stack.enter_context(SERVICES[name].database())
        except Missing as missing:
            if os.environ.get("REQUIRE_SERVICES"):
                pytest.fail(str(missing))
            pytest.skip(str(missing))
        yield database


SERVICES: dict[str, Service] = {"postgresql": PostgreSQL(), "mariadb": MariaDB()}


def address_in(url: str, usual: Address) -> Address:
    """The address that `url` is; what it leaves out is as usual."""
    parts = urlsplit(url)
    return {
        "USER": unquote(parts.username or usual["USER"]),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or usual["HOST"],
        "PORT": parts.port or usual["PORT"],
    }


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
