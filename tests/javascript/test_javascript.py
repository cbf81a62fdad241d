"""The JavaScript client: its weight, its types, its rules in node, and its calls to a live site.

The tools come from npm: `npm install --prefix .tox/javascript` and the packages that tox.ini names.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import address  # noqa: F401
from tests.markdown import ROOT, blocks

STATIC = ROOT / "django_batch/static/django_batch"
SOURCE, DELIVERED = STATIC / "batch.source.js", STATIC / "batch.js"
PACKAGES = ROOT / ".tox/javascript"
HERE = Path(__file__).parent
PAGE = ROOT / "docs/howto/call_from_javascript.md"

TERSER = ["terser", "--module", "--compress", "passes=3", "--mangle", "--format", "preamble='// See batch.source.js'"]
TSC = [
    *("tsc", "--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "es2022", "--module", "esnext"),
    *("--lib", "es2023,dom,dom.iterable"),
]


def missing(what: str) -> None:
    message = f"Needs {what}."
    pytest.fail(message) if os.environ.get("REQUIRE_JAVASCRIPT") else pytest.skip(message)


def tool(name: str, *arguments: object) -> str:
    """What a program from npm prints."""
    program = PACKAGES / "node_modules/.bin" / name
    if not program.exists():
        missing(f"{name}, from npm")
    return run(program, *arguments)


def node(*arguments: object, **environment: str) -> str:
    if not shutil.which("node"):
        missing("node")
    return run("node", *arguments, **environment)


def run(*command: object, **environment: str) -> str:
    done = subprocess.run([*map(str, command)], env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_client_weighs_less_than_two_kilobytes():
    assert len(gzip.compress(DELIVERED.read_bytes(), 9)) < 2000


def test_client_that_is_delivered_is_made_of_its_source():
    name, *options = TERSER
    assert tool(name, *options, "--", SOURCE) == DELIVERED.read_text()


def test_types_of_the_client_are_right():
    name, *options = TSC
    assert tool(name, *options, SOURCE) == ""


@pytest.mark.parametrize("module", [SOURCE, DELIVERED], ids=["source", "delivered"])
def test_client_keeps_its_rules(module):
    node("--test", HERE / "batch.test.mjs", BATCH_JS=str(module))


@pytest.mark.parametrize("module", [SOURCE, DELIVERED], ids=["source", "delivered"])
def test_client_calls_a_live_site(module, address):  # noqa: F811
    node("--test", HERE / "live.test.mjs", BATCH_JS=str(module), ADDRESS=address)


@pytest.mark.parametrize("example", ["tanstack", "axios", "react"])
def test_example_of_the_page_works_with_the_real_package(example, tmp_path):
    if not (PACKAGES / "node_modules/axios").exists():
        missing("axios, react and @tanstack/react-query, from npm")
    # Node looks for packages above the file that imports them.
    (tmp_path / "node_modules").symlink_to(PACKAGES / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name in ("server.mjs", f"{example}.example.mjs"):
        shutil.copy(HERE / name, tmp_path)
    for block in blocks(PAGE):
        first, _, code = block.code.partition("\n")
        if first.startswith("// file: "):
            served = code.replace("/static/django_batch/batch.js", DELIVERED.as_uri())
            (tmp_path / first.removeprefix("// file: ")).write_text(served)
    node("--test", tmp_path / f"{example}.example.mjs")
