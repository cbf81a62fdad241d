"""Names of components that are different for each URL, because the settings of its view are in them.

The first URL has the plain names. Where another URL needs a different schema under one of them, that schema, and each
that refers to it, has the name of its URL too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PREFIX = "#/components/schemas/"


def named_apart(components: Mapping[str, Any], taken: Mapping[str, Any], *, suffix: str) -> Mapping[str, str]:
    """New names for those of `components` that would change the meaning of a name in `taken`."""
    names: dict[str, str] = {}
    is_settled = False
    while not is_settled:
        clashes = [
            name
            for name, schema in components.items()
            if name not in names and name in taken and renamed(schema, names) != taken[name]
        ]
        names.update((name, f"{name}{suffix}") for name in clashes)
        is_settled = not clashes
    return names


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """`value` with references to the new names."""
    if isinstance(value, Mapping):
        return {
            name: _renamed_ref(each, names) if name == "$ref" else renamed(each, names) for name, each in value.items()
        }
    return [renamed(each, names) for each in value] if isinstance(value, list) else value


def _renamed_ref(target: str, names: Mapping[str, str]) -> str:
    name = target.removeprefix(_PREFIX)
    return f"{_PREFIX}{names.get(name, name)}"
