"""Schemas of JSON Schema 2020-12, which OpenAPI 3.1 and later use, in the form of OpenAPI 3.0.

Version 3.0 has no type `null`, but a keyword `nullable`, which needs a type or an `allOf` beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NULL = {"type": "null"}


def for_version(schema: Any, version: str) -> Any:
    """`schema`, a value in JSON, as a document of OpenAPI `version` has it."""
    return _nullable(schema) if version.startswith("3.0") else _plain(schema)


def _plain(value: Any) -> Any:
    """A copy in dicts and lists, which generators may change."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [*map(_plain, value)] if isinstance(value, list | tuple) else value


def _nullable(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [*map(_nullable, value)]
    if not isinstance(value, Mapping):
        return value
    found = {name: _nullable(each) for name, each in value.items()}
    if _NULL in found.get("oneOf", ()):
        found["allOf"] = [each for each in found.pop("oneOf") if each != _NULL]
        found["nullable"] = True
    return found
