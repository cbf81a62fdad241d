"""References: places in a sub-request that are filled in from the answers of those that it depends on.

A reference is a span of a path, of a header value or of a JSON body. Only that span is replaced: every other byte of a
body reaches the view as it was sent. In a body it is an object, so that no text that an end user types can be one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import AnyStr, TypeVar
from urllib.parse import quote, unquote

from msgspec.structs import replace

from django_batch.core.batch import Reference, Subrequest, Subresponse
from django_batch.core.documents import Number, Query, document, json_pieces, to_json
from django_batch.errors import UnresolvedReference

# A string, which may look like anything inside, or a reference outside of any: whatever comes first is taken whole.
# The quantifiers are possessive: of a valid text nothing has to be tried twice, and a long string costs no memory.
JSON_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_IN_BODY = re.compile(JSON_STRING + rb'|\{\s*+"\$ref"\s*+:\s*+(' + JSON_STRING + rb")\s*+\}", re.DOTALL)
_IN_TEXT = re.compile(r"\{([^{}#]+#[^{}]*)\}")
_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can write one, UTF-8 cannot

T = TypeVar("T")
Found = tuple[Reference, object]  # with the value that its query finds
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
    """`path` with a letter for each of its references: what is known of it. Empty if it starts with one, a URL."""
    if any(map(_is_url, references)):
        return ""
    return _splice(path, [(each.start, each.end, "x") for each in references if each.place == "path"], str, len(path))


def fill(subrequest: Subrequest, answers: Mapping[str, Sequence[Subresponse]], *, max_size: int) -> Subrequest:
    """`subrequest` with its references filled in, and at most `max_size` bytes of each place of it.

    Raises `UnresolvedReference`.
    """
    if not subrequest.references:
        return subrequest
    documents = {name: document(answers[name][0]) for name in {each.id for each in subrequest.references}}

    def filled(place: str, text: AnyStr, write: Callable[[Found], AnyStr]) -> AnyStr:
        spans = [(found[0].start, found[0].end, found) for found in values if found[0].place == place]
        return _splice(text, spans, write, max_size) if spans else text

    try:
        values = [(each, _find(each, documents)) for each in subrequest.references]
        _check_segments(subrequest.path, values)
        return replace(
            subrequest,
            path=filled("path", subrequest.path, _written),
            headers=tuple((name, filled(f"headers/{name}", value, _written)) for name, value in subrequest.headers),
            body=filled("body", bytes(subrequest.body), lambda found: _written_in_body(found, max_size)),
        )
    except ValueError as error:
        raise UnresolvedReference(f"Not run, as {error}.", pointer=subrequest.pointer) from None


def _is_url(reference: Reference) -> bool:
    """Whether its value is a URL, or the beginning of one: nothing but a slash could stand at the start of a path."""
    return reference.place == "path" and reference.start == 0


def _written(found: Found) -> str:
    reference, value = found
    if reference.write:
        return reference.write(value)
    return quoted(value) if reference.place == "path" and reference.start else text_of(value)


def _written_in_body(found: Found, max_size: int) -> bytes:
    reference, value = found
    return reference.write(value).encode() if reference.write else _json(value, max_size)


def _find(reference: Reference, documents: Mapping[str, object]) -> object:
    try:
        return reference.query(documents[reference.id])
    except LookupError as error:
        raise ValueError(f"{reference.text!r} is not found in the answer that it refers to: {error}") from None


def _splice(text: AnyStr, spans: Sequence[tuple[int, int, T]], write: Callable[[T], AnyStr], max_size: int) -> AnyStr:
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


def text_of(value: object) -> str:
    """`value` as it stands in a header. Raises `ValueError` for what has no plain text."""
    match value:
        case str() if not _SURROGATE.search(value):
            return value
        case bool() | Number():
            return to_json(value)
    raise ValueError("null, an object, a list or a lone surrogate cannot stand in a path or a header")


def _check_segments(path: str, values: Sequence[Found]) -> None:
    """Raise `ValueError` for what would not stay one segment: a server decodes `%2F` before the site reads the path."""
    in_path = [(each, value) for each, value in values if each.place == "path"]
    blanks = [(each.start, each.end, "x" * (each.end - each.start)) for each, _ in in_path]
    before_query = len(_splice(path, blanks, str, len(path)).partition("?")[0])
    if any(0 < each.start < before_query and "/" in unquote(_written((each, value))) for each, value in in_path):
        raise ValueError("a value with a slash cannot stand in a path, outside of its query")


def quoted(value: object) -> str:
    """A path segment or a query value, percent-encoded. Raises `ValueError` for what has no plain text."""
    text = text_of(value)
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")
