"""The batches of Facebook's Graph API: a form or a JSON object whose `batch` is a list of operations."""

from django_batch.dialects.facebook.dialect import FacebookBatch

__all__ = ["FacebookBatch"]
