"""References: places in a sub-request that are filled in from the answers of those that it depends on.

A reference is a span of a path, of a header value or of a JSON body. Only that span is replaced: every other byte of a
body reaches the view as it was sent. In a body it is an object, so that no text that an end user types can be one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import AnyStr
from urllib.parse import quote

from django_batch.core.documents import Number, Query, document, json_pieces, to_json
from django_batch.core.messages import Reference, Subrequest, Subresponse
from django_batch.errors import UnresolvedReference

# A string, which may look like anything inside, or a reference outside of any: whatever comes first is taken whole.
# The quantifiers are possessive: of a valid text nothing has to be tried twice, and a long string costs no memory.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_IN_BODY = re.compile(_STRING + rb'|\{\s*+"\$ref"\s*+:\s*+(' + _STRING + rb")\s*+\}", re.DOTALL)
_IN_TEXT = re.compile(r"\{([^{}#]+#[^{}]*)\}")
_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can write one, UTF-8 cannot

Compile = Callable[[str], Query]  # the part of a reference behind `#` -> its query; raises `ValueError`


def in_body(body: bytes | memoryview, compile_query: Compile) -> Iterator[Reference]:
    """The references `{"$ref": "ID#QUERY"}` of a JSON text. Raises `ValueError` for one that cannot be read."""
    for found in _IN_BODY.finditer(body):
        if found[1] is not None:
            yield _reference("body", found.span(), json.loads(bytes(found[1])), compile_query)


def in_text(place: str, text: str, compile_query: Compile) -> Iterator[Reference]:
    """The references `{ID#QUERY}` of a path or header value. Raises `ValueError` for one that cannot be read."""
    for found in _IN_TEXT.finditer(text):
        yield _reference(place, found.span(), found[1], compile_query)


def _reference(place: str, span: tuple[int, int], text: str, compile_query: Compile) -> Reference:
    referred, separator, query = text.partition("#")
    if not separator:
        raise ValueError(f"the reference {text!r} is not of the form ID#POINTER")
    try:
        return Reference(place, *span, id=referred, query=compile_query(query), text=text)
    except ValueError as error:
        raise ValueError(f"the reference {text!r} cannot be read: {error}") from None


def masked(path: str, references: Sequence[Reference]) -> str:
    """`path` with a letter for each of its references: what is known of it. Empty if all of it is one."""
    if _is_whole("path", path, references):
        return ""
    return _splice(path, [(each.start, each.end, "x") for each in references if each.place == "path"], str, len(path))


def fill(subrequest: Subrequest, answers: Mapping[str, Sequence[Subresponse]], *, max_size: int) -> Subrequest:
    """`subrequest` with its references filled in, and at most `max_size` bytes of each place of it.

    Raises `UnresolvedReference`.
    """
    if not subrequest.references:
        return subrequest
    documents = {name: document(answers[name][0]) for name in {each.id for each in subrequest.references}}
    whole_path = _is_whole("path", subrequest.path, subrequest.references)

    def filled(place: str, text: AnyStr, write: Callable[[object], AnyStr]) -> AnyStr:
        spans = [(each.start, each.end, value) for each, value in values if each.place == place]
        return _splice(text, spans, write, max_size) if spans else text

    try:
        values = [(each, _find(each, documents)) for each in subrequest.references]
        if not whole_path:
            _check_segments(subrequest.path, [each for each in values if each[0].place == "path"])
        return subrequest._replace(
            path=filled("path", subrequest.path, _text if whole_path else _quoted),
            headers=tuple((name, filled(f"headers/{name}", value, _text)) for name, value in subrequest.headers),
            body=filled("body", bytes(subrequest.body), lambda value: _json(value, max_size)),
        )
    except ValueError as error:
        raise UnresolvedReference(f"Not run, as {error}.", pointer=subrequest.pointer) from None


def _is_whole(place: str, text: str, references: Iterable[Reference]) -> bool:
    """Whether all of `text` is one reference."""
    return any((each.place, each.start, each.end) == (place, 0, len(text)) for each in references)


def _find(reference: Reference, documents: Mapping[str, object]) -> object:
    try:
        return reference.query(documents[reference.id])
    except LookupError as error:
        raise ValueError(f"{reference.text!r} is not found in the answer that it refers to: {error}") from None


def _splice(
    text: AnyStr, spans: Sequence[tuple[int, int, object]], write: Callable[[object], AnyStr], max_size: int
) -> AnyStr:
    """`text` with each span replaced, in one pass. Raises `ValueError` as soon as it is too long: values multiply."""
    pieces: list[AnyStr] = []
    end, size = 0, len(text)
    for start, span_end, value in spans:
        written = write(value)
        pieces += [text[end:start], written]
        size += len(written) - (span_end - start)
        end = span_end
        if size > max_size:
            raise _too_long(max_size)
    pieces.append(text[end:])
    return text[:0].join(pieces)


def _json(value: object, max_size: int) -> bytes:
    pieces, size = [], 0
    for piece in json_pieces(value):
        pieces.append(piece)
        size += len(piece)
        if size > max_size:
            raise _too_long(max_size)
    return "".join(pieces).encode()


def _too_long(max_size: int) -> ValueError:
    return ValueError(f"filled in, it would have more than {max_size} bytes")


def _text(value: object) -> str:
    match value:
        case str() if not _SURROGATE.search(value):
            return value
        case bool() | Number():
            return to_json(value)
    raise ValueError("null, an object, a list or a lone surrogate cannot stand in a path or a header")


def _check_segments(path: str, values: Sequence[tuple[Reference, object]]) -> None:
    """Raise `ValueError` for what would not stay one segment: a server decodes `%2F` before the site reads the path."""
    blank = _splice(path, [(each.start, each.end, "x" * (each.end - each.start)) for each, _ in values], str, len(path))
    before_query = len(blank.partition("?")[0])
    if any(each.start < before_query and isinstance(value, str) and "/" in value for each, value in values):
        raise ValueError("a value with a slash cannot stand in a path, outside of its query")


def _quoted(value: object) -> str:
    """A path segment or a query value, percent-encoded."""
    text = _text(value)
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")
