"""Batches that come as forms: the JSON text in the part `batch`, and files in parts that items name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from urllib.parse import quote_plus

from msgspec import Raw
from msgspec.json import Decoder
from msgspec.structs import replace

from django_batch.core.batch import File, Reference
from django_batch.core.references import Compile, in_body, text_of
from django_batch.dialects.base import Envelope, Form
from django_batch.dialects.shared.json_text import read, read_array, token
from django_batch.errors import Malformed, TooManyRequests

_BATCH = "batch"
_NOT_OF_BATCH = (_BATCH, "csrfmiddlewaretoken")  # fields of which the items know nothing
_members = Decoder(dict[str, Raw])
_string = Decoder(str)
_EMPTY = Form({}, {})
_MAX_FIELDS = 1_000  # of one item, as Django's own limit is; what is built of them takes time and memory


def opened(envelope: Envelope) -> Envelope:
    """`envelope` with the JSON text that stands in its form, if it is one, as its body. Raises `Malformed`."""
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
    if "\ufffd" in fields[0]:  # which stands for bytes that Django could not read, if the sender has not written it
        raise Malformed("The part 'batch' is not UTF-8. (A U+FFFD in it is written as '\\ufffd'.)")
    return fields[0].encode()


class FileParts:
    """The files of a form, and which of its parts no item has named yet."""

    def __init__(self, form: Form | None) -> None:
        self._form = form or _EMPTY
        self._unnamed = [name for name in (*self._form.fields, *self._form.files) if name not in _NOT_OF_BATCH]

    def take(self, named: Mapping[str, str | list[str]], *, pointer: str) -> tuple[File, ...]:
        """The files of an item, by field. Raises `Malformed` for a part that is not there, or is named twice."""
        files: list[File] = []
        for field, names in named.items():
            for name in [names] if isinstance(names, str) else names:
                files += [replace(file, field=field) for file in self._part(name, f"{pointer}/{token(field)}")]
        if len({id(file.read) for file in files}) < len(files):
            raise Malformed("An item can send each part once.", pointer=pointer)
        return tuple(files)

    def _part(self, name: str, pointer: str) -> Sequence[File]:
        if name not in self._form.files or name == _BATCH:
            known = ", ".join(map(repr, self._form.files)) or "none: files are sent in a form, beside the batch"
            detail = f"There is no file {name!r} in the form. A file part has a 'filename'. There are {known}."
            raise Malformed(detail, pointer=pointer)
        self._unnamed = [each for each in self._unnamed if each != name]
        return self._form.files[name]

    def unnamed(self) -> Iterator[Malformed]:
        """A fault for each part that nobody has asked for."""
        for name in self._unnamed:
            yield Malformed(f"No item names the part {name!r} in its 'files'. Leave it out, or name it.")


def form_body(raw: Raw, compile_query: Compile | None, *, pointer: str) -> tuple[bytes, tuple[Reference, ...]]:
    """The members of a JSON object as an urlencoded form, and its references if there is a `compile_query` for them.

    A list is a field that is repeated. Raises `Malformed`.
    """
    body = bytearray()
    references: list[Reference] = []
    for number, (name, value, place) in enumerate(_values(raw, pointer)):
        if number >= _MAX_FIELDS:
            raise Malformed(f"An item has at most {_MAX_FIELDS} fields beside its files.", pointer=pointer)
        body += b"&" if number else b""
        if reference := _reference(value, compile_query, place):
            write = partial(_written, name)
            references.append(replace(reference, start=len(body), end=len(body), write=write))
        else:
            body += _pair(name, _text(value, place)).encode()
    return bytes(body), tuple(references)


def _values(raw: Raw, pointer: str) -> Iterator[tuple[str, bytes, str]]:
    """Each value with its name and its place."""
    members: dict[str, Raw] = read(raw, _members, pointer=pointer)
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
        raise Malformed(f"An item has at most {_MAX_FIELDS} fields beside its files.", pointer=pointer) from None


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
        return read(value, _string, pointer=pointer)
    if value.startswith((b"{", b"[", b"n")):
        raise Malformed("A field of a form is a string, a number or a boolean, or a list of them.", pointer=pointer)
    return value.decode()


def _pair(name: str, text: str) -> str:
    return f"{quote_plus(name)}={quote_plus(text)}"


def _written(name: str, value: object) -> str:
    """What a reference finds: a field, or, of a list, one for each element. Raises `ValueError`."""
    values: list[object] = value if isinstance(value, list) else [value]
    return "&".join(_pair(name, text_of(each)) for each in values)
