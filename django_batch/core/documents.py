"""Answers as JSON documents that references point into: `{"id", "status", "headers", "body"}`.

A reference copies a value from one answer into another request, and the value must arrive as it was written. So numbers
keep their text: `1.10` does not become `1.1`, and a long integer keeps all its digits. Values are written back without
recursion, because an answer may be nested as deeply as the parser allows.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from django_batch.core.batch import Subresponse
from django_batch.core.media_types import is_json, is_text, text_of
from django_batch.core.names import hint

_BINARY = object()  # stands for a body that is neither JSON nor text
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")  # RFC 6901 §4
_LONGEST_QUOTED = 100  # characters of a name that an error quotes
_NO_ESCAPE = re.compile(r"~(?![01])")  # RFC 6901 §3
Query = Callable[[object], object]  # document -> the value in it; raises `LookupError`


class Document(dict[str, object]):
    """An answer as the native format shows it. Dialects also find here its headers, and the request that it answers.

    A query that looks at many values reports their number to `look_at`. That raises `LookupError` if all queries of the
    batch together have looked at too many.
    """

    def __init__(
        self,
        members: Mapping[str, object],
        *,
        headers: Mapping[str, str],
        method: str,
        path: str,
        look_at: Callable[[int], None],
    ) -> None:
        super().__init__(members)
        self.headers = headers
        self.method = method
        self.path = path
        self.look_at = look_at


class Number(float):
    """A JSON number that keeps its text: `1.10`, or more digits than a float has."""

    __slots__ = ("text",)  # saves memory: an answer may contain millions of numbers

    def __init__(self, text: str) -> None:
        self.text = text


def document(subresponse: Subresponse, *, look_at: Callable[[int], None] = lambda values: None) -> Document:
    """The answer as the native format shows it."""
    headers = subresponse.headers
    encoded = headers.get("Content-Encoding", "identity").lower() != "identity"
    value = _BINARY if encoded else _value(subresponse.body, headers.get("Content-Type", ""))
    shown = {
        "id": subresponse.subrequest.id,
        "status": Number(str(subresponse.status)),
        "headers": dict(headers),
        "body": None if value is _BINARY else value,
    }
    if value is _BINARY and subresponse.body:
        shown["body_base64"] = b64encode(subresponse.body).decode()
    answered = subresponse.subrequest
    return Document(shown, headers=headers, method=answered.method, path=answered.path, look_at=look_at)


def _value(body: bytes, content_type: str) -> object:
    if not body:
        return None
    if is_json(content_type):
        number = lru_cache(maxsize=1024)(Number)  # for this body only; equal numbers of a list share one object
        try:
            return json.loads(body.decode(), parse_int=number, parse_float=number, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return _decoded(body, content_type)
    return _decoded(body, content_type) if is_text(content_type) else _BINARY


def _decoded(body: bytes, content_type: str) -> object:
    text = text_of(body, content_type)
    return _BINARY if text is None else text


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def to_json(value: object) -> str:
    """The JSON text of a value of a document, in ASCII."""
    return "".join(json_pieces(value))


def json_pieces(value: object) -> Iterator[str]:
    """The JSON text of `value`, piece by piece, so that the caller can stop when it gets too long.

    A query can find one value many times, so the text may be far longer than the document.
    """
    open_values: list[tuple[Iterator[tuple[str, object]], str]] = [(iter([("", value)]), "")]
    while open_values:
        children, closing = open_values[-1]
        for prefix, child in children:
            yield prefix
            if isinstance(child, dict):
                open_values.append((_members(child), "}"))
                yield "{"
                break
            if isinstance(child, list):
                open_values.append((_elements(child), "]"))
                yield "["
                break
            yield child.text if isinstance(child, Number) else json.dumps(child)
        else:
            open_values.pop()
            yield closing


def _members(value: dict[str, object]) -> Iterator[tuple[str, object]]:
    for position, (name, member) in enumerate(value.items()):
        yield f"{',' if position else ''}{json.dumps(name)}:", member


def _elements(value: list[object]) -> Iterator[tuple[str, object]]:
    for position, element in enumerate(value):
        yield "," if position else "", element


def pointer(text: str) -> Query:
    """The query for the JSON Pointer `text` (RFC 6901). Raises `ValueError` if it is not a JSON Pointer."""
    if text and not text.startswith("/"):
        raise ValueError("a JSON Pointer starts with a slash")
    if _NO_ESCAPE.search(text):
        raise ValueError("in a JSON Pointer, `~` is written `~0`")
    tokens = [token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:]]

    def query(value: object) -> object:
        for token in tokens:
            value = _member(value, token)
        return value

    return query


def _member(value: object, token: str) -> object:
    if isinstance(value, dict):
        if token in value:
            return value[token]
        raise LookupError(f"there is no {token[:_LONGEST_QUOTED]!r}. {hint(token, value)}")
    if isinstance(value, list):
        if _INDEX.fullmatch(token) and int(token) < len(value):
            return value[int(token)]
        raise LookupError(f"there is no {token[:_LONGEST_QUOTED]!r} in a list of {len(value)}")
    raise LookupError(f"there is no {token[:_LONGEST_QUOTED]!r} in a value that is neither an object nor a list")
