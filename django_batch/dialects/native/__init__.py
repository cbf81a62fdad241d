"""The native format: JSON, with references, groups and dependencies."""

from django_batch.dialects.native.dialect import NativeDialect

__all__ = ["NativeDialect"]
