"""The processes in which everything is measured, and the file of rows that they share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Site:
    """Where processes find what they measure: the checkout, and the rows in `folder`.

    `databases` are those of a process, by the kind that a scenario names.
    """

    checkout: Path
    folder: Path
    databases: dict[str, str] = field(default_factory=lambda: {"sqlite": ":memory:"})

    @property
    def rows(self) -> Path:
        """SQLite's file."""
        return self.folder / "rows.sqlite3"

    def environment(self, database: str = ":memory:") -> dict[str, str]:
        """Of a process that uses `database`."""
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "PYTHONHASHSEED": "0",
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "BENCHMARKS_CHECKOUT": str(self.checkout),
            "BENCHMARKS_ROWS": str(self.rows),
            "BENCHMARKS_DATABASE": database,
        }

    def call(
        self, module: str, function: str, *, before: Sequence[str] = (), database: str = ":memory:", **arguments: object
    ) -> Any:
        """What `benchmarks.module.function(**arguments)` returns in a process of its own, started by `before`."""
        command = [*before, sys.executable, "-m", "benchmarks.child", module, function, json.dumps(arguments)]
        environment = self.environment(database)
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.decode()}")
        return json.loads(done.stdout)


@contextmanager
def site(checkout: Path, *, postgresql: bool = False) -> Iterator[Site]:
    """A site for the django_batch of `checkout`, with its rows. It is gone afterwards."""
    with TemporaryDirectory(prefix="benchmarks-") as folder:
        made = Site(checkout.resolve(), Path(folder))
        made.call("database", "create", database=str(made.rows))
        with _postgresql(made) if postgresql else nullcontext():
            yield made


@contextmanager
def _postgresql(made: Site) -> Iterator[None]:
    """Rows on a server too, if there is one."""
    name = f"benchmarks_{os.getpid()}"
    try:
        made.call("database", "connect", database=name)
    except RuntimeError as error:
        sys.stderr.write(f"PostgreSQL is skipped: {str(error).splitlines()[-1]}\n")
        yield
        return
    made.databases["postgresql"] = name
    try:
        made.call("database", "create", database=name)
        yield
    finally:
        made.call("database", "drop", database=name)
