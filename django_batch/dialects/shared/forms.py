"""Batches sent as forms: the JSON text in the part `batch`, and files in parts that items name.

An item with files is sent to its view as a form too, with the members of its `body` as the other fields. A part that no
item names is refused, because its sender would think that the file was saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from urllib.parse import quote_plus

from msgspec import Raw
from msgspec.structs import replace

from django_batch.core.batch import File, Reference
from django_batch.core.names import hint, listed
from django_batch.core.references import Compile, in_body, plain_text
from django_batch.dialects.base import Envelope, Form
from django_batch.dialects.shared.json_text import MEMBERS, STRING, read, read_array, token
from django_batch.errors import Malformed, TooManyRequests

_BATCH = "batch"
_NOT_OF_BATCH = (_BATCH, "csrfmiddlewaretoken")  # fields that no item names
_EMPTY = Form({}, {})
_MAX_FIELDS = 1_000  # in one item, like Django's own limit
_TOO_MANY_FIELDS = f"An item can have at most {_MAX_FIELDS} fields beside its files."


def opened(envelope: Envelope) -> Envelope:
    """`envelope` with the JSON text of its form as its body. Other envelopes are unchanged. Raises `Malformed`."""
    if envelope.form is None:
        return envelope
    return replace(envelope, body=_batch_of(envelope.form), content_type="application/json")


def _batch_of(form: Form) -> bytes:
    """The JSON text of the part `batch`, which may be a field or a file."""
    fields, files = form.fields.get(_BATCH, ()), form.files.get(_BATCH, ())
    if len(fields) + len(files) != 1:
        found = len(fields) + len(files)
        raise Malformed(f"A form needs one part 'batch', with the JSON of the batch. This one has {found}.")
    if files:
        return files[0].read(0, files[0].size)
    if "\ufffd" in fields[0]:  # Django puts this character in place of bytes that are not UTF-8
        raise Malformed("The part 'batch' is not UTF-8. (If it has a U+FFFD itself, write that as '\\ufffd'.)")
    return fields[0].encode()


class FileParts:
    """The files of a form, and a record of the parts that no item has named yet."""

    def __init__(self, form: Form | None) -> None:
        self._form = form or _EMPTY
        self._unnamed = dict.fromkeys([*self._form.fields, *self._form.files])
        for name in _NOT_OF_BATCH:
            self._unnamed.pop(name, None)

    def take(self, named: Mapping[str, str | list[str]], *, pointer: str) -> tuple[File, ...]:
        """The files of an item, for the fields and parts in `named`.

        Raises `Malformed` if a part does not exist or is named twice.
        """
        files: list[File] = []
        taken: set[str] = set()
        for field, names in named.items():
            place = f"{pointer}/{token(field)}"
            for name in [names] if isinstance(names, str) else names:
                if name in taken:  # checked first, because repeating a part many times would take memory
                    detail = f"The part {listed([name])} is named twice. An item can send each part once."
                    raise Malformed(detail, pointer=place)
                taken.add(name)
                files += [replace(file, field=field) for file in self._part(name, place)]
        return tuple(files)

    def _part(self, name: str, pointer: str) -> Sequence[File]:
        if name not in self._form.files or name == _BATCH:
            known = [each for each in self._form.files if each != _BATCH]
            there = hint(name, known) if known else "Files are sent in a form, beside the batch, with a 'filename'."
            raise Malformed(f"There is no file {listed([name])} in this request. {there}", pointer=pointer)
        self._unnamed.pop(name, None)
        return self._form.files[name]

    def unnamed(self) -> Iterator[Malformed]:
        """A fault for each part that no item has named."""
        for name in self._unnamed:
            yield Malformed(f"No item names the part {listed([name])} in its 'files'. Remove it, or name it.")


def form_body(raw: Raw, compile_query: Compile | None, *, pointer: str) -> tuple[bytes, tuple[Reference, ...]]:
    """The members of a JSON object as a urlencoded form, and the references in it.

    A list becomes a repeated field. Without a `compile_query`, references are not looked for. Raises `Malformed`.
    """
    body = bytearray()
    references: list[Reference] = []
    for number, (name, value, place) in enumerate(_values(raw, pointer)):
        if number >= _MAX_FIELDS:
            raise Malformed(_TOO_MANY_FIELDS, pointer=pointer)
        body += b"&" if number else b""
        if reference := _reference(value, compile_query, place):
            write = partial(_written, name)
            references.append(replace(reference, start=len(body), end=len(body), write=write))
        else:
            body += _pair(name, _text(value, place)).encode()
    return bytes(body), tuple(references)


def _values(raw: Raw, pointer: str) -> Iterator[tuple[str, bytes, str]]:
    """The name, value and pointer of each field."""
    members: dict[str, Raw] = read(raw, MEMBERS, pointer=pointer)
    for name, member in members.items():
        value, place = bytes(member), f"{pointer}/{token(name)}"
        if not value.startswith(b"["):
            yield name, value, place
            continue
        for position, element in enumerate(_elements(value, place)):
            yield name, bytes(element), f"{place}/{position}"


def _elements(value: bytes, pointer: str) -> list[Raw]:
    try:
        return read_array(value, _MAX_FIELDS, commas=value.count(b","), pointer=pointer)
    except TooManyRequests:
        raise Malformed(_TOO_MANY_FIELDS, pointer=pointer) from None


def _reference(value: bytes, compile_query: Compile | None, pointer: str) -> Reference | None:
    if compile_query is None:
        return None
    try:
        found = next(in_body(value, compile_query), None)
    except ValueError as error:
        raise Malformed(f"Here {error}.", pointer=pointer) from None
    return found if found and (found.start, found.end) == (0, len(value)) else None


def _text(value: bytes, pointer: str) -> str:
    if value.startswith(b'"'):
        return read(value, STRING, pointer=pointer)
    if value.startswith((b"{", b"[", b"n")):
        raise Malformed("A form field must be a string, a number, a boolean, or a list of these.", pointer=pointer)
    return value.decode()


def _pair(name: str, text: str) -> str:
    return f"{quote_plus(name)}={quote_plus(text)}"


def _written(name: str, value: object) -> str:
    """The value of a reference as a field, or a list as one field for each element. Raises `ValueError`."""
    values: list[object] = value if isinstance(value, list) else [value]
    return "&".join(_pair(name, plain_text(each)) for each in values)
