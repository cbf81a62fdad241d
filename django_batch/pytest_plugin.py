"""Fixtures for the tests of a site. pytest loads this wherever the package is installed, so it imports nothing else.

Whoever uses a fixture has pytest-django, which sets Django up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from django_batch.testing import AsyncBatchClient, BatchClient


@pytest.fixture
def batch_client() -> BatchClient:
    """A `BatchClient`, which sends batches to the site."""
    from django_batch.testing import BatchClient

    return BatchClient()


@pytest.fixture
def async_batch_client() -> AsyncBatchClient:
    """An `AsyncBatchClient`, which sends batches to the site as an ASGI application."""
    from django_batch.testing import AsyncBatchClient

    return AsyncBatchClient()
