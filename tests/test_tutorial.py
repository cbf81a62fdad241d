"""The tutorial, followed to the letter in an empty directory: its files, its commands, and the answers it shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from tests.markdown import ROOT, Block, blocks, shown

TUTORIAL = ROOT / "docs/tutorial/first_batch.md"
SERVER = "http://127.0.0.1:8000"
# This environment and directory stand for them.
SET_UP = ["mkdir", "cd", "source", "pip", "python3"]
TIMEOUT = 60  # seconds
DIRECT = build_opener(ProxyHandler({}))
FILE = re.compile(r"`(\S+\.py)`")


def environment() -> dict[str, str]:
    """That of a reader, in which the package of this repository is installed."""
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return {**kept, "PYTHONPATH": str(ROOT)}


def commands(block: Block) -> list[list[str]]:
    """One per line, but for the calls of `curl`, whose data goes over several lines."""
    lines = [block.code] if block.code.startswith("curl") else block.code.splitlines()
    return [shlex.split(line) for line in lines]


def python(arguments: list[str]) -> list[str]:
    program, *rest = arguments
    assert program in ("python", "django-admin"), program
    return [sys.executable, *(["-m", "django"] if program == "django-admin" else []), *rest]


def run(arguments: list[str], folder: Path) -> None:
    done = subprocess.run(python(arguments), cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def write(block: Block, folder: Path) -> None:
    """Put `block` into the file that is named before it."""
    [file] = FILE.findall(block.before)
    mode = "a" if "At the end of" in block.before else "w"
    with (folder / file).open(mode) as stream:
        stream.write(block.code)


@contextmanager
def serving(arguments: list[str], folder: Path) -> Iterator[str]:
    """The address of the server that `arguments` start, on a port that is free."""
    command = [*python(["python", "-u", *arguments[1:]]), "--noreload", "127.0.0.1:0"]
    with subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True) as server:
        try:
            yield next(found[0] for line in server.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        finally:
            server.terminate()


def curl(arguments: list[str], address: str) -> object:
    """The JSON that `curl` with these arguments would print."""
    url, *options = arguments
    assert options in ([], ["-H", "Content-Type: application/json", "-d", *options[-1:]])
    data = options[-1].encode() if options else None
    request = Request(url.replace(SERVER, address), data, {"Content-Type": "application/json"} if data else {})
    try:
        response = DIRECT.open(request, timeout=TIMEOUT)
    except HTTPError as error:
        response = error
    with response:
        return json.load(response)


def set_up(project: list[Block], folder: Path) -> None:
    """Write the files of `project` and run its commands, but for those that this environment stands for."""
    for block in project:
        if block.language == "python":
            write(block, folder)
            continue
        for command in commands(block):
            if command[0] not in SET_UP and "runserver" not in command:
                run(command, folder)


def test_tutorial_followed_to_the_letter_gives_the_answers_it_shows(tmp_path: Path) -> None:
    page = list(blocks(TUTORIAL))
    served = next(position for position, block in enumerate(page) if "runserver" in block.code)
    project, exchanges = page[: served + 1], page[served + 1 :]
    set_up(project, tmp_path)
    with serving(commands(project[-1])[-1], tmp_path) as address:
        for call, answer in zip(exchanges[::2], exchanges[1::2], strict=True):
            [[program, *arguments]] = commands(call)
            found, expected = curl(arguments, address), json.loads(answer.code)
            assert (program, answer.language) == ("curl", "json"), call.place
            assert shown(found, expected) == expected, answer.place
