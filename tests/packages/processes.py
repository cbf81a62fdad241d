"""A file of tests as one test, which runs it in a process of its own, with the settings of its site."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.markdown import ROOT
from tests.services import database_or_skip

SECONDS = 300  # of one file


class Elsewhere(pytest.File):
    """A file for another process."""

    def __init__(self, *, site: str, **options: Any) -> None:
        super().__init__(**options)
        self.site = site

    def collect(self) -> Iterator[pytest.Item]:
        yield Process.from_parent(self, name=self.site)


class Process(pytest.Item):
    """The tests of one file, in a process with the settings of its site."""

    def runtest(self) -> None:
        site = import_module(self.name)
        if absent := [name for name in site.PACKAGES if not is_installed(name)]:
            missing = f"{', '.join(absent)} not installed. Install the extra `packages`."
            pytest.fail(missing) if os.environ.get("REQUIRE_PACKAGES") else pytest.skip(missing)
        with servers(site) as environment, TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--ds={self.name}", self.path]
            done = subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, **environment, "PACKAGES_FOLDER": folder},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=SECONDS,
            )
        if done.returncode:
            raise Failed(done.stdout)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return str(excinfo.value) if isinstance(excinfo.value, Failed) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.name


def is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of a package around it
        return False


@contextmanager
def servers(site: Any) -> Iterator[dict[str, str]]:
    """What the environment tells `site` about the servers that it needs. Without one of them the test is skipped."""
    if "redis" in site.SERVERS:
        redis_or_skip(site.REDIS)
    if "postgresql" not in site.SERVERS:
        yield {}
        return
    with database_or_skip("postgresql") as database:
        yield {"PACKAGES_DATABASE": json.dumps(database)}


def redis_or_skip(url: str) -> None:
    """Without a server at `url` the test is skipped, or fails where REQUIRE_SERVICES is set."""
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname or "127.0.0.1", address.port or 6379), timeout=5).close()
    except OSError as error:
        missing = f"No Redis answers at {url}: {error}. Install the server, or set REDIS_URL."
        pytest.fail(missing) if os.environ.get("REQUIRE_SERVICES") else pytest.skip(missing)


class Failed(Exception):
    """A test in the other process has failed. Says what that process has printed."""
