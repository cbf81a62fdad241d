"""Tools for schemas of APIs that the ordinary tests do not need."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import pytest


def tool(name: str) -> ModuleType:
    """The module `name` of a tool. Where it is missing, the tests are skipped; with REQUIRE_OPENAPI they fail."""
    if os.environ.get("REQUIRE_OPENAPI"):
        return importlib.import_module(name)
    return pytest.importorskip(name, reason="no tools for schemas: pip install 'django-batch[schemas]'")
