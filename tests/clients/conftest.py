"""The bookshop in a process of its own, as its demo serves it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.markdown import ROOT

OPEN = re.compile(r"is open at (http://\S+)/ ")
DIRECT = build_opener(ProxyHandler({}))


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where the bookshop is served, with the rows of its fixture and what the tests before have made of them."""
    command = [sys.executable, "-u", "-m", "example_project.demo"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield next(found[1] for line in server.stdout if (found := OPEN.search(line)))
        finally:
            server.terminate()


@pytest.fixture
def names(address: str) -> Callable[[], list[str]]:
    """The names of all items, as they are at each call."""

    def read() -> list[str]:
        with DIRECT.open(f"{address}/api/items/?page_size=100") as response:
            return [item["name"] for item in json.load(response)["results"]]

    return read
