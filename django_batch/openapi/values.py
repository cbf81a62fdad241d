"""Short names for the JSON Schemas that are written most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Schema = Mapping[str, object]


def ref(name: str, description: str = "", **keywords: object) -> Schema:
    """The component `name`, with a description of its own where one is given."""
    found: Schema = {"$ref": f"#/components/schemas/{name}"}
    # OpenAPI 3.0 ignores what stands beside a $ref.
    return {"allOf": [found], "description": description, **keywords} if description else found


def string(description: str, **keywords: object) -> Schema:
    """A string."""
    return {"type": "string", "description": description, **keywords}


def boolean(description: str, *, default: bool) -> Schema:
    """`True` or `False`."""
    return {"type": "boolean", "description": description, "default": default}


def integer(description: str) -> Schema:
    """A whole number."""
    return {"type": "integer", "description": description}


def array(items: Schema, description: str = "", **keywords: object) -> Schema:
    """A list of `items`."""
    described = {"description": description} if description else {}
    return {"type": "array", "items": items, **described, **keywords}


def one_of(schemas: Sequence[Schema], description: str = "") -> Schema:
    """Exactly one of `schemas`."""
    return {"oneOf": [*schemas], **({"description": description} if description else {})}


def record(
    description: str, members: Mapping[str, Schema], *, required: Sequence[str] = (), open_: bool = True
) -> Schema:
    """An object. With `open_` it may have other members too."""
    found: dict[str, object] = {"type": "object", "description": description, "properties": {**members}}
    if required:
        found["required"] = [*required]
    if not open_:
        found["additionalProperties"] = False
    return found


def strings_by_name(description: str, names: Sequence[str] = ()) -> Schema:
    """An object of strings, of which some `names` are known."""
    known = {"properties": {name: {"type": "string"} for name in names}} if names else {}
    return {"type": "object", "description": description, **known, "additionalProperties": {"type": "string"}}


def base64_of(description: str) -> Schema:
    """Bytes in base64."""
    return {"type": "string", "format": "byte", "description": description}
