"""What the schema of the bookshop describes: the catalogue, and the URLs of its batches.

Most of its other views exist to be strange, for the tests.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Endpoint = tuple[str, str, str, Callable[..., Any]]  # path, its regular expression, method and view

BATCHES = (
    "/batch/",
    "/async/batch/",
    "/batch",
    "/covers",
    "/api/odata/v2/$batch/",
    "/api/odata/v4/$batch/",
    "/v1.0/$batch/",
    "/v25.0/",
)
CATALOGUE = ("/api/authors/", "/api/books/", "/api/reviews/")
_VERSIONED = "/v[0-9].[0-9]/"  # what is left of a regular expression


def described(endpoints: Iterable[Endpoint]) -> Iterator[Endpoint]:
    """Those of the `endpoints` that the schema describes."""
    for path, regex, method, view in endpoints:
        path = "/v25.0/" if path == _VERSIONED else path
        if path in BATCHES or path.removesuffix("{pk}/") in CATALOGUE or path == "/api/books/{pk}/price/":
            yield path, regex, method, view
