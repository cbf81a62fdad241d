"""The part of a reference behind its `#`: a JSON Pointer, or a JSONPath if the extra `jsonpath` is installed.

A JSON Pointer costs almost nothing. A JSONPath can be made to search an answer many times over, so its operators, its
length and the number of values that it may look at are limited before it runs.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING

from django_batch.core.documents import Document, Query, pointer

if TYPE_CHECKING:
    from jsonpath import JSONPathEnvironment

_FUNCTIONS = {"length", "count", "value"}  # RFC 9535 §2.4, without the functions that run a sender's regular expression
_MAX_RESULTS = 1_000
_MAX_REFERENCES = 10_000  # in one batch
_MAX_JSON_PATHS = 100  # different ones in one batch, because each is compiled
_MAX_JSON_PATHS_OF_ITEM = 10  # because each searches a whole answer
_MAX_WORK = 250_000  # the number of values in the answer times the number of characters in the query
_MAX_LENGTH = 200  # characters of a query
# How often a query may use the operators that multiply its work. All others take time in proportion to the answer.
_MAX_USES = {"..": 1, "?": 1, "$": 1, ",": 4}


class Compiler:
    """Compiles the queries of one batch, each text once, and refuses more than a batch may have."""

    def __init__(self) -> None:
        self._queries: dict[str, Query] = {}
        self._references = self._json_paths = 0
        self._json_paths_of_item = 0

    def begin_item(self) -> None:
        """Start counting the JSONPaths of the next item."""
        self._json_paths_of_item = 0

    def __call__(self, text: str) -> Query:
        """The query for `text`. Raises `ValueError`; if there are too many queries, before anything is compiled."""
        self._references += 1
        if self._references > _MAX_REFERENCES:
            raise ValueError(f"a batch can have at most {_MAX_REFERENCES} references")
        if is_json_path(text):
            self._json_paths_of_item += 1
            if self._json_paths_of_item > _MAX_JSON_PATHS_OF_ITEM:
                raise ValueError(f"an item can have at most {_MAX_JSON_PATHS_OF_ITEM} references by JSONPath")
        query = self._queries.get(text)
        if query is None:
            query = self._queries[text] = self._compiled(text)
        return query

    def _compiled(self, text: str) -> Query:
        if is_json_path(text):
            self._json_paths += 1
            if self._json_paths > _MAX_JSON_PATHS:
                raise ValueError(f"a batch can have at most {_MAX_JSON_PATHS} different JSONPaths")
        return compile_query(text)


def compile_query(text: str) -> Query:
    """The query for `text`. A JSON Pointer finds one value, a JSONPath (RFC 9535) the list of all values it selects.

    Raises `ValueError` if `text` is neither.
    """
    if not is_json_path(text):
        return pointer(text)
    if find_spec("jsonpath") is None:
        raise ValueError("a JSONPath needs the extra django-batch[jsonpath] on the server; use a JSON Pointer")
    for token, uses in _MAX_USES.items():
        if text.count(token) > uses:
            raise ValueError(f"a JSONPath may have at most {uses} of {token!r} here")
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"a JSONPath may have at most {_MAX_LENGTH} characters here, but this one has {len(text)}")
    return _json_path(text)


def is_json_path(text: str) -> bool:
    """Whether `text` is meant as a JSONPath."""
    return text.startswith("$")


def _json_path(text: str) -> Query:
    try:
        path = _environment().compile(text)
    except Exception as error:  # the library raises more than its own errors, such as `OverflowError` for `1e400`
        raise ValueError(f"this is not a JSONPath: {_first_line(error)}") from None

    def query(value: object) -> object:
        _check_work(value, len(text))
        try:
            found = [match.obj for match in islice(path.finditer(value), _MAX_RESULTS + 1)]  # type: ignore[arg-type]
        except Exception as error:  # the library raises `TypeError` and `AttributeError` for values it cannot compare
            raise LookupError(f"the JSONPath failed: {_first_line(error)}") from None
        if len(found) > _MAX_RESULTS:
            raise LookupError(f"it selects more than {_MAX_RESULTS} values")
        return found

    return query


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _check_work(value: object, length: int) -> None:
    """Raise `LookupError` if a JSONPath of `length` characters would look at too many values."""
    limit = _MAX_WORK // length
    values = _count(value, limit)
    if isinstance(value, Document):
        value.look_at(values * length)
    if values > limit:
        raise LookupError(f"the answer has more than {limit} values, too many for a JSONPath of {length} characters")


@cache
def _environment() -> JSONPathEnvironment:
    from jsonpath import JSONPathEnvironment

    environment = JSONPathEnvironment(strict=True)  # strictly RFC 9535, without `=~`, which runs regular expressions
    for name in environment.function_extensions.keys() - _FUNCTIONS:
        del environment.function_extensions[name]
    return environment


def _count(value: object, limit: int) -> int:
    """The number of values in `value`, or some number above `limit` if there are more."""
    pending, count = [value], 0
    while pending and count <= limit:
        value = pending.pop()
        count += 1
        if isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return count
