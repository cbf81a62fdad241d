"""What it was measured on."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = (
    "Django",
    "djangorestframework",
    "msgspec",
    "gunicorn",
    "psycopg",
    "drf-batch-requests",
    "django-batch-requests",
)


def describe(without: Sequence[str] = ()) -> str:
    """Versions, the kind of machine, and what was skipped for want of something."""
    return "\n".join([*_sentences(), *([f"Skipped, for want of it: {', '.join(without)}."] if without else [])])


def missing() -> list[str]:
    """What is not installed, so that what is measured with it is skipped."""
    packages = [name for name in _PACKAGES if not _version(name)]
    return packages if has_valgrind() else [*packages, "valgrind"]


def has_valgrind() -> bool:
    """Whether instructions can be counted."""
    return all(map(shutil.which, ("valgrind", "callgrind_control")))


def has(package: str) -> bool:
    """Whether `package` is installed."""
    return _version(package) is not None


def _sentences() -> Iterator[str]:
    packages = [f"{name} {found}" for name in _PACKAGES if (found := _version(name))]
    yield f"{platform.python_implementation()} {platform.python_version()}, {', '.join(packages)}."
    load = f"{os.getloadavg()[0]:.1f}"
    yield f"{platform.system()} on {_processor()}, {os.cpu_count()} cores, whose load was {load} at the start."


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()
