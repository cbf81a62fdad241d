"""Answers as JSON documents, for references to point into: `{"id", "status", "headers", "body"}`.

Numbers keep their text, so that what a reference takes from one body arrives in another as it was written.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping

from django_batch.core.batch import Subresponse
from django_batch.core.media_types import is_json, is_text, text_of

_BINARY = object()  # stands for a body that has no value
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")  # RFC 6901 §4
_NO_ESCAPE = re.compile(r"~(?![01])")  # RFC 6901 §3
Query = Callable[[object], object]  # document -> the value in it; raises `LookupError`


class Document(dict[str, object]):
    """An answer as the native format shows it. For dialects it has its headers, and the path that was sent, too."""

    def __init__(self, members: Mapping[str, object], *, headers: Mapping[str, str], path: str) -> None:
        super().__init__(members)
        self.headers = headers
        self.path = path


class Number(float):
    """A JSON number that keeps its text: `1.10`, or more digits than a float has."""

    __slots__ = ("text",)  # an answer may be made of millions

    def __init__(self, text: str) -> None:
        self.text = text


def document(subresponse: Subresponse) -> Document:
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
    return Document(shown, headers=headers, path=subresponse.subrequest.path)


def _value(body: bytes, content_type: str) -> object:
    if not body:
        return None
    if is_json(content_type):
        try:
            return json.loads(body.decode(), parse_int=Number, parse_float=Number, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return _string(body, content_type)
    return _string(body, content_type) if is_text(content_type) else _BINARY


def _string(body: bytes, content_type: str) -> object:
    text = text_of(body, content_type)
    return _BINARY if text is None else text


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def to_json(value: object) -> str:
    """The JSON text of a value of a document, in ASCII."""
    return "".join(json_pieces(value))


def json_pieces(value: object) -> Iterator[str]:
    """That text piece by piece: a query can find one value many times, so it may be far longer than the document.

    Not recursive, as an answer may be nested as deeply as a parser allows.
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
    """The query that a JSON Pointer is (RFC 6901). Raises `ValueError` if `text` is none."""
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
        return value[token]
    if isinstance(value, list) and _INDEX.fullmatch(token):
        return value[int(token)]
    raise LookupError(token)
