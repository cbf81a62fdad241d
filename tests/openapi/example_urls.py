"""The URLs to which the examples of the schemas are sent."""

from tests.openapi.test_examples import batch_urls as urlpatterns

__all__ = ["urlpatterns"]
