"""A site whose console is on."""

from __future__ import annotations

import pytest


@pytest.fixture
def console(settings):
    """Settings with which every batch URL has a console."""
    settings.BATCH = {"CONSOLE": True}
