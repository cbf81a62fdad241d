"""References in Facebook's batches: `{result=NAME:$.PATH}`, in URLs and bodies.

A path is a small subset of JSONPath. It may select several values, which are joined with commas. A body is first cut
into pieces of bytes and `Mention`s, in the syntax of its type (JSON, form or text). Then the pieces are joined, which
gives each mention its place in the bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote_plus, unquote_plus

from django_batch.core.batch import Reference
from django_batch.core.documents import Document, Query, to_json
from django_batch.core.media_types import kept
from django_batch.core.references import plain_text, quoted

_REFERENCE = re.compile(r"\{result=([^:{}]*+):(\$[^{}]*+)\}")
_STEP = re.compile(r"""\.([^.\[\]'"]++)|\[(\*|\d{1,9})\]|\['([^']*+)'\]|\["([^"]*+)"\]""")
# A JSON string, with the colon behind it if it is the name of a member. Possessive quantifiers never backtrack.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"(\s*+:)?', re.DOTALL)
_MAY_REFER = re.compile("".join(f"(?:{each}|%{ord(each):x})" for each in "result="), re.IGNORECASE)
_MAX_REFERENCES = 100  # in one URL, and in one body
_MAX_PLACES = 1_000  # fields of a form, or strings of a JSON text, that are searched in one body
_LONGEST_FIELD = 2**20  # characters of a field that is searched, because decoding it takes many times as much memory
_LONGEST_PATH = 1_000  # characters
_MAX_VALUES = 20_000  # values that one reference may look at, because one item may have many references
_EVERY = object()  # stands for `*`

Write = Callable[[object], str]


class Mention(NamedTuple):
    """A reference whose place is not known yet. `write` turns the values that it finds into text."""

    name: str
    path: str
    write: Write

    def at(self, place: str, start: int, end: int) -> Reference:
        """The reference, at this place. Raises `ValueError` if its path cannot be read."""
        text = f"{self.name}:{self.path}"
        return Reference(place, start, end, id=self.name, query=compile_path(self.path), text=text, write=self.write)


BodyPieces = Iterable[bytes | Mention]


def may_refer(text: str) -> bool:
    """Whether there may be a reference in `text`, which is a URL or a body of any type."""
    # Most texts have no equals sign, and need no search for the pattern.
    return ("=" in text or "%3" in text) and _MAY_REFER.search(text) is not None


def is_reference(text: str) -> bool:
    """Whether `text` is exactly one reference."""
    return _REFERENCE.fullmatch(text) is not None


def in_url(url: str, *, shift: int, write_first: Write) -> Iterator[Reference]:
    """The references in `url`, which begins `shift` characters behind the start of the path.

    A reference at the start of `url` is written by `write_first`. Raises `ValueError`.
    """
    for number, found in enumerate(_REFERENCE.finditer(url)):
        _check_number(number)
        write = write_first if found.start() == 0 else as_segment
        yield Mention(found[1], found[2], write).at("path", found.start() + shift, found.end() + shift)


def in_body(pieces: BodyPieces) -> tuple[bytes, tuple[Reference, ...]]:
    """The body that consists of `pieces`, and the references in it. Raises `ValueError`."""
    body = bytearray()
    references: list[Reference] = []
    for piece in pieces:
        if isinstance(piece, Mention):
            _check_number(len(references))
            references.append(piece.at("body", len(body), len(body)))
        else:
            body += piece
    return bytes(body), tuple(references)


def _check_number(number: int) -> None:
    if number >= _MAX_REFERENCES:
        raise ValueError(f"there are more than {_MAX_REFERENCES} references")


def _check_places(number: int) -> None:
    if number > _MAX_PLACES:
        raise ValueError(f"there are more than {_MAX_PLACES} places where references could be")


def pieces_of_text(text: str) -> Iterator[bytes | Mention]:
    """The pieces of a body that is neither a form nor JSON."""
    return _pieces(text, str.encode, as_text)


def pieces_of_form(text: str) -> Iterator[bytes | Mention]:
    """The pieces of a urlencoded body. Its values are decoded first, and then searched for references."""
    pairs = text.split("&", _MAX_PLACES)
    _check_places(len(pairs))
    for number, pair in enumerate(pairs):
        yield b"&" if number else b""
        name, separator, value = pair.partition("=")
        if may_refer(value):
            yield (name + separator).encode()
            yield from _pieces_of_value(value)
        else:
            yield pair.encode()


def _pieces_of_value(value: str) -> Iterator[bytes | Mention]:
    if len(value) > _LONGEST_FIELD:
        raise ValueError(f"a field with a reference in it can have at most {_LONGEST_FIELD} characters")
    decoded = unquote_plus(value, errors="surrogateescape")
    if "{result=" in decoded:
        yield from _pieces(decoded, _form_value, _as_form_value)
    else:
        yield value.encode()


def pieces_of_json(text: bytes) -> Iterator[bytes | Mention]:
    """The pieces of a JSON body. A reference that is a whole string becomes a value, any other becomes text."""
    end = places = 0
    for found in _STRING.finditer(text):
        if found[1] or b"result=" not in found[0]:
            continue
        places += 1
        _check_places(places)
        string = json.loads(found[0])
        yield text[end : found.start()]
        end = found.end()
        if whole := _REFERENCE.fullmatch(string):
            yield Mention(whole[1], whole[2], _as_json)
        else:
            yield b'"'
            yield from _pieces(string, _inside_string, _as_inside_string)
            yield b'"'
    yield text[end:]


def _pieces(text: str, encode: Callable[[str], bytes], write: Write) -> Iterator[bytes | Mention]:
    end = 0
    for found in _REFERENCE.finditer(text):
        yield encode(text[end : found.start()])
        yield Mention(found[1], found[2], write)
        end = found.end()
    yield encode(text[end:])


def _form_value(text: str) -> bytes:
    return quote_plus(text, errors="surrogateescape").encode()


def _inside_string(text: str) -> bytes:
    return json.dumps(text)[1:-1].encode()


def as_text(found: object) -> str:
    """The values that a path has found, joined with commas. Raises `ValueError` if one is null or an object."""
    return ",".join(map(plain_text, _values(found)))


def as_segment(found: object) -> str:
    """The values joined with commas and percent-encoded, as a segment of a path or a value of a query."""
    return ",".join(map(quoted, _values(found)))


def _as_form_value(found: object) -> str:
    return quote_plus(as_text(found))


def _as_json(found: object) -> str:
    values = _values(found)
    return to_json(values[0]) if len(values) == 1 else json.dumps(as_text(found))


def _as_inside_string(found: object) -> str:
    return json.dumps(as_text(found))[1:-1]


def _values(found: object) -> Sequence[object]:
    """The values found. A list among them is replaced by its elements."""
    assert isinstance(found, list)
    return [each for value in found for each in (value if isinstance(value, list) else [value])]


@kept(maxsize=64)  # references with the same path then share one query, whose result is computed once for each answer
def compile_path(path: str) -> Query:
    """A query for the list of values that `path` selects in the body of an answer.

    Raises `ValueError` if `path` cannot be read.
    """
    steps = [*_steps(path)]

    def query(document: object) -> object:
        assert isinstance(document, dict)
        values, room = [document["body"]], _MAX_VALUES
        for step in steps:
            looked_at = sum(len(value) for value in values if isinstance(value, list | dict))
            room -= looked_at
            if room < 0:
                raise LookupError(f"it looks at more than {_MAX_VALUES} values")
            if isinstance(document, Document):
                document.look_at(looked_at)
            values = [child for value in values for child in _children(value, step)]
        if not values:
            raise LookupError("the path selects nothing")
        return values

    return query


def _steps(path: str) -> Iterator[object]:
    if len(path) > _LONGEST_PATH:
        raise ValueError(f"a path can have at most {_LONGEST_PATH} characters")
    end = 1
    while end < len(path):
        found = _STEP.match(path, end)
        if found is None:
            raise ValueError("a path consists of steps such as `.name`, `.*`, `[0]`, `[*]` and `['name']`")
        step = found[found.lastindex or 0]
        yield _EVERY if step == "*" and found.lastindex in (1, 2) else step
        end = found.end()


def _children(value: object, step: object) -> Iterable[object]:
    """The values that `step` selects in `value`. In a list, the name of a member selects it in every element."""
    match value:
        case dict():
            return value.values() if step is _EVERY else [value[step]] if step in value else ()
        case list() if step is _EVERY:
            return value
        case list() if isinstance(step, str) and step.isdecimal():
            return value[int(step) : int(step) + 1]
        case list():
            return [each[step] for each in value if isinstance(each, dict) and step in each]
    return ()
