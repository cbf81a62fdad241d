"""References: places in a sub-request that are filled in from the answers of other sub-requests.

A reference is a span of a path, of a header value or of a JSON body. Only that span is replaced: every other byte of a
body reaches the view as it was sent. In a body a reference is an object, so text typed by an end user is never one.

All references of a batch share one `Budget`, because a short batch can ask for much work: each of its items may refer
to a large answer many times. An answer is decoded only once, even if many items refer to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import RLock
from typing import AnyStr, TypeVar, cast
from urllib.parse import quote, unquote

from msgspec.structs import replace

from django_batch.core.batch import Reference, Subrequest, Subresponse
from django_batch.core.documents import Document, Number, Query, document, json_pieces, to_json
from django_batch.errors import UnresolvedReference

# Matches a whole string, or a reference outside of a string, whichever comes first. So text inside of a string that
# looks like a reference is skipped. The quantifiers are possessive: the engine never backtracks in a valid text.
JSON_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_IN_BODY = re.compile(JSON_STRING + rb'|\{\s*+"\$ref"\s*+:\s*+(' + JSON_STRING + rb")\s*+\}", re.DOTALL)
_IN_TEXT = re.compile(r"\{([^{}#]+#[^{}]*)\}")
_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can express a lone surrogate, UTF-8 cannot

_KINDS: dict[type, str] = {type(None): "null", dict: "an object", list: "a list"}
T = TypeVar("T")
Found = tuple[Reference, object]  # a reference, and the value that its query finds
Compile = Callable[[str], Query]  # the part of a reference behind `#` -> its query; raises `ValueError`
_LONGEST_REFERENCE = 8 * 2**10  # characters
_LONGEST_QUOTED = 200  # characters of a reference that an error quotes
_READ = 2  # times `MAX_SIZE` is how many bytes of answers the references of one batch may decode together
_WRITTEN = 2  # times `MAX_SIZE` is how many bytes they may write together, counting each value and each place
_MAX_VALUES = 1_000_000  # values that all queries of one batch together may look at


def in_body(body: bytes | memoryview, compile_query: Compile) -> Iterator[Reference]:
    """The references `{"$ref": "ID#QUERY"}` of a JSON text. Raises `ValueError` for one that cannot be read."""
    for found in _IN_BODY.finditer(body):
        if found[1] is not None:
            yield _reference("body", found.span(), json.loads(bytes(found[1])), compile_query)


def referred(body: bytes | memoryview) -> Iterator[str]:
    """The ids in the references of a JSON text, whether or not the references can be read."""
    for found in _IN_BODY.finditer(body):
        if found[1] is not None and len(found[1]) <= _LONGEST_REFERENCE:
            name, separator, _ = json.loads(bytes(found[1])).partition("#")
            if separator:
                yield name


def in_text(place: str, text: str, compile_query: Compile) -> Iterator[Reference]:
    """The references `{ID#QUERY}` of a path or header value. Raises `ValueError` for one that cannot be read."""
    for found in _IN_TEXT.finditer(text):
        yield _reference(place, found.span(), found[1], compile_query)


def _reference(place: str, span: tuple[int, int], text: str, compile_query: Compile) -> Reference:
    if len(text) > _LONGEST_REFERENCE:
        raise ValueError(f"a reference has {len(text)} characters, but may have at most {_LONGEST_REFERENCE}")
    referred, separator, query = text.partition("#")
    if not separator:
        raise ValueError(f"the reference {_quoted(text)} does not have the form ID#POINTER")
    try:
        return Reference(place, *span, id=referred, query=compile_query(query), text=text)
    except ValueError as error:
        raise ValueError(f"the reference {_quoted(text)} cannot be read: {error}") from None


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_QUOTED else f"{text[:_LONGEST_QUOTED]}…")


def masked(path: str, references: Sequence[Reference]) -> str:
    """`path` with a letter in place of each reference, to check the parts that are known.

    Empty if `path` starts with a reference, because the value may be a whole URL.
    """
    if any(map(_is_url, references)):
        return ""
    return _splice(path, [(each.start, each.end, "x") for each in references if each.place == "path"], str, len(path))


class Budget:
    """The limits that all references of one batch share, and the answers that have been decoded so far.

    `max_size` is the largest answer that can be referred to, and the largest filled-in place, in bytes. Threads may
    share a budget.
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self._readable = _READ * max_size
        self._writable = _WRITTEN * max_size
        self._values = _MAX_VALUES
        # The key is the `id()` of the subresponse, which is stored too so that its `id()` is not used again.
        self._documents: dict[int, tuple[Subresponse, Document]] = {}
        self._lock = RLock()

    def document(self, subresponse: Subresponse) -> Document:
        """The answer as a document. Raises `ValueError` if it is too large."""
        with self._lock:
            found = self._documents.get(id(subresponse))
            if found is None:
                self._read(len(subresponse.body), subresponse.subrequest.id)
                found = subresponse, document(subresponse, look_at=self._look_at)
                self._documents[id(subresponse)] = found
            return found[1]

    def _read(self, size: int, id_: str) -> None:
        """Count a body of `size` bytes, and drop old documents to make room for it."""
        if size > self.max_size:
            raise ValueError(f"the answer to {id_!r} has {size} bytes, but references read at most {self.max_size}")
        if size > self._readable:
            raise ValueError(f"the references of this batch read more than {_READ * self.max_size} bytes of answers")
        self._readable -= size
        kept = sum(len(each.body) for each, _ in self._documents.values())
        while kept + size > self.max_size:
            oldest, _ = self._documents.pop(next(iter(self._documents)))
            kept -= len(oldest.body)

    def _look_at(self, values: int) -> None:
        with self._lock:
            if values > self._values:
                raise LookupError(f"the references of this batch look at more than {_MAX_VALUES} values")
            self._values -= values

    def write(self, size: int) -> None:
        """Count `size` bytes that are filled in. Raises `ValueError`."""
        with self._lock:
            self._writable -= size
            if self._writable < 0:
                raise ValueError(f"the references of this batch write more than {_WRITTEN * self.max_size} bytes")


def fill(subrequest: Subrequest, answers: Mapping[str, Sequence[Subresponse]], *, budget: Budget) -> Subrequest:
    """`subrequest` with its references filled in. Raises `UnresolvedReference`."""
    if not subrequest.references:
        return subrequest
    filling = _Filling(budget)
    try:
        return filling.filled(subrequest, answers)
    except ValueError as error:
        detail = f"Not run because {error}."
    except Exception as error:  # raised by a query library or a dialect; one item must not end the whole batch
        detail = f"Not run because a reference cannot be filled in ({type(error).__name__})."
    raise UnresolvedReference(detail, pointer=f"{subrequest.pointer}/{filling.pointer}")


class _Filling:
    """Fills in one sub-request. `pointer` names the place that it is working on, for errors."""

    def __init__(self, budget: Budget) -> None:
        self.pointer = ""
        self._budget = budget
        self._kept: dict[tuple[object, ...], object] = {}  # the values found and the texts written so far

    def filled(self, subrequest: Subrequest, answers: Mapping[str, Sequence[Subresponse]]) -> Subrequest:
        self._budget.write(0)
        values = [(each, self._find(each, answers)) for each in subrequest.references]
        self._check_segments(subrequest.path, values)
        return replace(
            subrequest,
            path=self._fill("path", subrequest.path, values, self._text),
            headers=tuple(
                (name, self._fill(f"headers/{name}", value, values, self._text)) for name, value in subrequest.headers
            ),
            body=self._fill("body", bytes(subrequest.body), values, self._json),
        )

    def _at(self, place: str) -> None:
        kind, slash, name = place.partition("/")
        self.pointer = kind + slash + name.replace("~", "~0").replace("/", "~1")

    def _find(self, reference: Reference, answers: Mapping[str, Sequence[Subresponse]]) -> object:
        self._at(reference.place)
        key = reference.id, reference.query
        if key not in self._kept:
            try:
                self._kept[key] = reference.query(self._budget.document(answers[reference.id][0]))
            except LookupError as error:
                detail = f"{_quoted(reference.text)} is not found in the answer that it refers to: {error.args[0]}"
                raise ValueError(detail.rstrip(".")) from None
        return self._kept[key]

    def _fill(self, place: str, text: AnyStr, values: Sequence[Found], write: Callable[[Found], AnyStr]) -> AnyStr:
        spans = [(found[0].start, found[0].end, found) for found in values if found[0].place == place]
        if not spans:
            return text
        self._at(place)

        def counted(found: Found) -> AnyStr:
            written = write(found)
            self._budget.write(len(written))
            return written

        return _splice(text, spans, counted, self._budget.max_size)

    def _text(self, found: Found) -> str:
        return self._once(found, "text", lambda: _written(found))

    def _json(self, found: Found) -> bytes:
        reference, value = found
        if write := reference.write:
            return self._once(found, "json", lambda: write(value).encode())
        return self._once(found, "json", lambda: _json(value, self._budget))

    def _once(self, found: Found, form: str, write: Callable[[], AnyStr]) -> AnyStr:
        """The result of `write`, which is kept because one value may stand in many places."""
        reference = found[0]
        key = form, reference.id, reference.query, reference.write, _is_url(reference), reference.place == "path"
        if key not in self._kept:
            written = write()
            self._budget.write(len(written))  # before it is kept
            self._kept[key] = written
        return cast("AnyStr", self._kept[key])

    def _check_segments(self, path: str, values: Sequence[Found]) -> None:
        """Raise `ValueError` for a value that would not stay one segment of the path.

        Such a value has a slash. Writing it as `%2F` does not help, because a server decodes that before the site
        reads the path.
        """
        in_path = [(each, value) for each, value in values if each.place == "path"]
        blanks = [(each.start, each.end, "x" * (each.end - each.start)) for each, _ in in_path]
        before_query = len(_splice(path, blanks, str, len(path)).partition("?")[0])
        self._at("path")
        for each, value in in_path:
            if 0 < each.start < before_query and "/" in unquote(self._text((each, value))):
                raise ValueError(f"the value of {_quoted(each.text)} has a slash, which can stand only in a query")


def _is_url(reference: Reference) -> bool:
    """Whether the value is a URL or the start of one. It is if `reference` stands where a path has its first slash."""
    return reference.place == "path" and reference.start == 0


def _written(found: Found) -> str:
    reference, value = found
    if reference.write:
        return reference.write(value)
    return quoted(value) if reference.place == "path" and reference.start else plain_text(value)


def _splice(text: AnyStr, spans: Sequence[tuple[int, int, T]], write: Callable[[T], AnyStr], max_size: int) -> AnyStr:
    """`text` with each span replaced, in one pass. Raises `ValueError` as soon as the result is too long."""
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


def _json(value: object, budget: Budget) -> bytes:
    pieces, size = [], 0
    for piece in json_pieces(value):
        pieces.append(piece)
        size += len(piece)
        if size > budget.max_size:
            budget.write(size)  # count the work that has already been done
            raise _too_long(budget.max_size)
    return "".join(pieces).encode()


def _too_long(max_size: int) -> ValueError:
    return ValueError(f"with its references filled in, this would have more than {max_size} bytes")


def plain_text(value: object) -> str:
    """`value` as text, for a header or a path. Raises `ValueError` unless it is a string, a number or a boolean."""
    match value:
        case str() if not _SURROGATE.search(value):
            return value
        case bool() | Number():
            return to_json(value)
    kind = "a lone surrogate" if isinstance(value, str) else _KINDS.get(type(value), "this")
    raise ValueError(f"{kind} cannot stand in a path or a header; only a string, a number or a boolean can")


def quoted(value: object) -> str:
    """`value` percent-encoded, as a path segment or a query value. Raises `ValueError` as `plain_text` does."""
    text = plain_text(value)
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")
