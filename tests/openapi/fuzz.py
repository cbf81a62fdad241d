"""Sends generated batches to the running bookshop, and compares the answers with its schema.

    python -m tests.openapi.fuzz 2000 [--seed 7]

It needs schemathesis and the extra `openapi`. About so many batches are sent, spread over the URLs; the end of the
output says how many there were.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from example_project import demo
from example_project.openapi import BATCHES

# A batch may be valid and yet refused, since a schema cannot say that ids have to be unique. And it may break the
# schema and yet be answered: a method that is not allowed is an answer to its item alone.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def command(address: str, examples: int, seed: int) -> list[str]:
    """The call of schemathesis, with about so many `examples` in all. Those of the schema have a test of their own."""
    return [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/api/schema/?format=json"),
        *("--url", address, "--checks", ",".join(CHECKS), "--continue-on-failure", "--seed", str(seed)),
        *("--max-examples", str(-(-examples // len(BATCHES))), "--phases", "fuzzing"),
        *("--header", "Authorization: Token staff-token", "--request-timeout", "20", "--suppress-health-check", "all"),
        *(argument for path in BATCHES for argument in ("--include-path", path)),
    ]


def main(examples: int, seed: int) -> int:
    """The exit status of schemathesis: 0 if it found nothing."""
    hooks = {"SCHEMATHESIS_HOOKS": "tests.openapi.hooks", "PYTHONPATH": str(Path(__file__).parents[2])}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EXAMPLE_DEBUG"] = "0"
        demo.build(Path(folder))
        with demo.serving() as address:
            done = subprocess.run(command(address, examples, seed), cwd=folder, env={**os.environ, **hooks})
            return done.returncode


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("examples", type=int, nargs="?", default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.exit(main(arguments.examples, arguments.seed))
