"""What stands behind the `#` of a reference: a JSON Pointer, or a JSONPath where the extra for it is installed."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING

from django_batch.core.documents import Query, pointer

if TYPE_CHECKING:
    from jsonpath import JSONPathEnvironment

_FUNCTIONS = {"length", "count", "value"}  # of RFC 9535 §2.4, without those that run a pattern of the sender's
_MAX_RESULTS = 1_000
_MAX_WORK = 250_000  # values in the answer times characters of the query: at most about 2 microseconds for each
# Of a query: what could multiply its work. The rest is linear in the answer, for each character.
_MAX_LENGTH = 200
_MAX_USES = {"..": 1, "?": 1, "$": 1, ",": 4}


def compile_query(text: str) -> Query:
    """The query that `text` is: what a JSON Pointer points at, or a list of all that a JSONPath (RFC 9535) selects.

    Raises `ValueError` for what is neither.
    """
    if not is_json_path(text):
        return pointer(text)
    if find_spec("jsonpath") is None:
        raise ValueError("a JSONPath needs the extra django-batch[jsonpath] on the server; use a JSON Pointer")
    for token, uses in _MAX_USES.items():
        if text.count(token) > uses:
            raise ValueError(f"a JSONPath may have at most {uses} of {token!r} here")
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"a JSONPath may have at most {_MAX_LENGTH} characters here")
    return _json_path(text)


def is_json_path(text: str) -> bool:
    """Whether `text` is meant as a JSONPath."""
    return text.startswith("$")


def _json_path(text: str) -> Query:
    from jsonpath import JSONPathError

    try:
        path = _environment().compile(text)
    except (JSONPathError, RecursionError) as error:
        raise ValueError(str(error).partition("\n")[0]) from None

    def query(value: object) -> object:
        if not _has_at_most(_MAX_WORK // len(text), value):
            raise LookupError(f"the answer has too many values for a JSONPath of {len(text)} characters")
        try:
            found = [match.obj for match in islice(path.finditer(value), _MAX_RESULTS + 1)]  # type: ignore[arg-type]
        except (JSONPathError, RecursionError) as error:
            raise LookupError(str(error).partition("\n")[0]) from None
        if len(found) > _MAX_RESULTS:
            raise LookupError(f"it selects more than {_MAX_RESULTS} values")
        return found

    return query


@cache
def _environment() -> JSONPathEnvironment:
    from jsonpath import JSONPathEnvironment

    environment = JSONPathEnvironment(strict=True)  # as in RFC 9535: without `=~`, which runs a pattern too
    for name in environment.function_extensions.keys() - _FUNCTIONS:
        del environment.function_extensions[name]
    return environment


def _has_at_most(limit: int, value: object) -> bool:
    """Whether `value` is made of no more than `limit` values."""
    pending, count = [value], 0
    while pending and count <= limit:
        value = pending.pop()
        count += 1
        if isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return count <= limit
