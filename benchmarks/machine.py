"""What it was measured on."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
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


def describe() -> str:
    """Versions, and the kind of machine, in a sentence each."""
    return "\n".join(_sentences())


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
