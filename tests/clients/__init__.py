"""Libraries that others wrote, sending their batches to the bookshop on a live server."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import pytest


def client(name: str) -> ModuleType:
    """The module `name` of a client library. Where it is missing, the tests of this file are skipped.

    They fail if REQUIRE_CLIENTS is set.
    """
    if os.environ.get("REQUIRE_CLIENTS"):
        return importlib.import_module(name)
    return pytest.importorskip(name, reason="no client libraries: pip install 'django-batch[clients]'")
