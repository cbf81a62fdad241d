"""Runs each file with the settings of its own site, on which these fixtures send requests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.packages.outcomes import LOOP, SERIAL, THREADS, Site
from tests.packages.processes import Elsewhere
from tests.roads import Road


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A file whose site is another than that of this process is run as one test, in another process."""
    site = f"tests.packages.sites.{module_path.stem.removeprefix('test_')}"
    if site == os.environ["DJANGO_SETTINGS_MODULE"]:
        return None
    return Elsewhere.from_parent(parent, path=module_path, site=site)


@pytest.fixture
def site(transactional_db: None, settings: Any) -> Site:
    return Site(settings)


@pytest.fixture(params=[SERIAL, THREADS, LOOP], ids=str)
def road(request: Any) -> Road:
    """Each executor: serial, threads, and the loop of a server."""
    return request.param
