"""How the batches of schemathesis become batches that lead somewhere.

Its strings are random, so nearly every batch would be refused for an id that is there twice, or would ask for paths
that nobody serves. Most items are therefore sent to routes of the bookshop, under ids that fit each other. The others
stay as they were drawn.
"""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

import schemathesis
from hypothesis import strategies as st

from tests.parts import change_set, message, multipart, nearly_parts, part

PATHS = (
    *("/api/books/1/price/", "/api/books/?page_size=2", "/api/authors/", "/api/me/", "/api/reviews/1/", "/nowhere/"),
    *("/api/content/png/", "/api/content/latin-1/", "/api/content/nan/", "/api/content/empty/", "/api/broken/"),
    *("/api/export/books.csv", "/api/echo/", "/api/cookies/", "/accounts/profile/", "/api/login/", "/batch/"),
)
ENTITIES = ("Items", "Items(7)", "Items(404404)", "$0", "/api/odata/v4/Items(8)", "/api/content/png/", "/api/broken/")


def chosen(values: tuple[str, ...], drawn: object) -> str:
    """One of `values`, always the same for what was `drawn`."""
    return values[crc32(repr(drawn).encode()) % len(values)]


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """A batch with items that lead somewhere, three times out of four."""
    if not crc32(repr(body).encode()) % 4:
        return body
    return map_batch(body)


def map_batch(batch: Any) -> Any:
    """A batch in any of its forms: an array, an object, or a form without files that no item names."""
    if not isinstance(batch, dict):
        return map_items(batch)
    if "batch" in batch:
        return {name: map_batch(batch[name]) for name in ("batch", "include_headers") if name in batch}
    return {name: map_items(value) for name, value in batch.items() if name != "atomic"}


def map_items(items: Any) -> Any:
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        return items
    return [mended(each, position) for position, each in enumerate(items)]


def mended(item: dict[str, Any], position: int) -> dict[str, Any]:
    """`item` with a route of the bookshop, and with names that exist."""
    found = {**item}
    for name, paths in (("path", PATHS), ("relative_url", PATHS), ("url", ENTITIES)):
        if name in found:
            found[name] = chosen(paths, found[name])
    if "url" in found:
        found["id"] = str(position)
    else:
        found.pop("id", None)
    for name in ("depends_on", "dependsOn", "if", "files", "attached_files", "name"):
        found.pop(name, None)
    if position and "depends_on" in item:
        found["depends_on"] = "0" if "path" in item else []
    if "body" in found:
        found.pop("body_base64", None)
    if isinstance(headers := found.get("headers"), dict):
        found["headers"] = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    return found


def a_request(method: str, url: str, body: Any) -> bytes:
    return message(method, url, b"" if body is None else json.dumps(body).encode(), Content_Type="application/json")


requests = st.builds(
    a_request,
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "MERGE", "get"]),
    st.sampled_from([*PATHS, *ENTITIES]) | st.text(max_size=20),
    st.none() | st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)
parts = st.builds(part, requests, st.none() | st.sampled_from(["0", "1", "<a>"]))
sets = st.builds(change_set, st.lists(parts, min_size=1, max_size=3))
messages = st.builds(multipart, st.lists(parts | sets, max_size=4)) | nearly_parts

schemathesis.openapi.media_type("multipart/mixed", messages)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Name the boundary, as every sender of parts does."""
    if case.media_type == "multipart/mixed":
        case.headers["Content-Type"] = "multipart/mixed; boundary=batch"
