"""One operation of Facebook's batches: from its JSON text to a `Subrequest`.

Operations name each other, but sub-requests need ids. So every operation gets its position as id, and the names in it
are replaced by ids once all operations have been read (`OperationReader.tied`). A body is a form unless it is clearly
JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Set
from urllib.parse import urlencode

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder
from msgspec.structs import replace

from django_batch.core.batch import Reference, Subrequest
from django_batch.core.media_types import is_json, media_type_of
from django_batch.dialects.facebook.references import (
    BodyPieces,
    in_body,
    may_refer,
    pieces_of_form,
    pieces_of_json,
    pieces_of_text,
)
from django_batch.dialects.facebook.urls import RelativeURLs
from django_batch.dialects.shared.bodies import is_json_text, text_of_body
from django_batch.dialects.shared.forms import FileParts
from django_batch.dialects.shared.json_items import content_type_of, read_struct
from django_batch.dialects.shared.json_text import MEMBERS, STRING, read
from django_batch.errors import BatchError, Malformed, UnknownDependency

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
_TOKEN_IN_QUERY, _TOKEN_IN_FORM = re.compile(r"[?&]access_token="), re.compile(rb"(^|&)access_token=")
OperationContent = tuple[tuple[tuple[str, str], ...], bytes, tuple[Reference, ...]]  # headers, body and references


class _Header(Struct, forbid_unknown_fields=True):
    name: str
    value: str


class _Operation(Struct, forbid_unknown_fields=True):
    """The members of an operation."""

    relative_url: str
    method: str = "GET"
    name: str | None = None
    headers: list[_Header | str] | dict[str, str] | None = None
    body: Raw | UnsetType = UNSET
    depends_on: str | list[str] | None = None
    omit_response_on_success: bool | None = None
    attached_files: str | list[str] | dict[str, str] | None = None
    attachedFiles: str | list[str] | dict[str, str] | None = None  # noqa: N815  # the spelling of one SDK
    access_token: str | None = None


class _Named(Struct):
    name: Raw | UnsetType = UNSET


_operation = Decoder(_Operation)
_named = Decoder(_Named)


class OperationReader:
    """Reads the operations of one batch. Their ids are their positions.

    `access_token` is used for all operations that have no token of their own.
    """

    def __init__(self, urls: RelativeURLs, *, access_token: str, parts: FileParts) -> None:
        self._urls = urls
        self._access_token = access_token
        self._parts = parts
        self._ids: dict[str, list[str]] = {}  # name -> the ids of the operations with this name
        self._omits: dict[str, bool] = {}  # id -> `omit_response_on_success`, for operations that have this member

    def read(self, raw: Raw, position: int, pointer: str) -> Subrequest:
        """The sub-request of an operation. It depends on names until it is `tied`. Raises `Malformed`."""
        id_ = str(position)
        operation = self._operation(raw, id_, pointer)
        files = _files(operation) if operation.attached_files or operation.attachedFiles else {}
        headers, body, in_content = _content(operation, pointer, has_files=bool(files))
        token = operation.access_token or self._access_token
        if token and _has_token(operation.relative_url, body):
            token = ""
        path, in_path = self._urls.read(operation.relative_url, token, pointer)
        references = in_path + in_content
        return Subrequest(
            id=id_,
            method=operation.method.upper() if operation.method.isascii() else operation.method,
            path=path,
            headers=headers,
            body=body,
            depends_on=_depends_on(operation, references),
            pointer=pointer,
            references=references,
            files=self._parts.take(files, pointer=f"{pointer}/attached_files"),
        )

    def _operation(self, raw: Raw, id_: str, pointer: str) -> _Operation:
        """The operation. Its name, and whether its answer is left out, are remembered. Raises `Malformed`."""
        try:
            operation = read_struct(raw, _operation, pointer=pointer)
        except Malformed:
            self._ids.setdefault(_name(raw), []).append(id_)
            raise
        if operation.name:
            self._ids.setdefault(operation.name, []).append(id_)
        if operation.omit_response_on_success is not None:
            self._omits[id_] = operation.omit_response_on_success
        return operation

    def tied(self, subrequest: Subrequest, faults: list[BatchError]) -> Subrequest:
        """`subrequest` with ids in place of the names of other operations. Call it when all operations are read."""
        ids: dict[str, str] = {}
        for name in subrequest.depends_on:
            found = self._ids.get(name, [])
            if len(found) == 1:
                ids[name] = found[0]
                continue
            named = f"{len(found)} operations have" if found else "no operation of this batch has"
            detail = f"Operation {subrequest.id} refers to {name!r}, but {named} that name."
            faults.append(UnknownDependency(detail, pointer=f"{subrequest.pointer}/depends_on"))
        references = (replace(each, id=ids[each.id]) for each in subrequest.references if each.id in ids)
        return replace(subrequest, depends_on=tuple(ids.values()), references=tuple(references))

    def left_out(self, referred: Set[str]) -> set[str]:
        """The ids of operations whose success is left out.

        An operation can say so itself. If it says nothing, it is left out if others have `referred` to it.
        """
        return {id_ for id_ in {*referred, *self._omits} if self._omits.get(id_, True)}


def _has_token(url: str, body: bytes) -> bool:
    """Whether an operation has its own access token, in its query or in its form."""
    return bool(_TOKEN_IN_QUERY.search(url) or _TOKEN_IN_FORM.search(body))


def _name(raw: Raw) -> str:
    """The name of an operation, even if the rest of the operation is wrong. Empty if it has no readable name."""
    try:
        name = read(raw, _named, pointer="").name
        return "" if name is UNSET else read(name, STRING, pointer="")
    except Malformed:
        return ""


def _depends_on(operation: _Operation, references: tuple[Reference, ...]) -> tuple[str, ...]:
    named = operation.depends_on or []
    names = [named] if isinstance(named, str) else named
    return tuple(dict.fromkeys([*names, *(reference.id for reference in references)]))


def _headers(operation: _Operation, pointer: str) -> tuple[dict[str, str], str]:
    """The headers of an operation, and the content type that they name."""
    headers = operation.headers or {}
    found = headers if isinstance(headers, dict) else dict(map(_pair, headers))
    if len(found) < len(headers):
        detail = "A header appears twice. Join its values with commas."
        raise Malformed(detail, pointer=f"{pointer}/headers")
    return found, content_type_of(found, pointer=pointer) or ""


def _pair(header: _Header | str) -> tuple[str, str]:
    if isinstance(header, _Header):
        return header.name, header.value
    name, _, value = header.partition(":")
    return name.strip(), value.strip()


def _files(operation: _Operation) -> Mapping[str, str | list[str]]:
    """Each form field with the part that it sends. If only parts are named, each field has the name of its part."""
    named = operation.attached_files or operation.attachedFiles or []
    if isinstance(named, dict):
        return {**named}
    parts = named.split(",") if isinstance(named, str) else named
    return {name.strip(): name.strip() for name in parts if name.strip()}


def _content(operation: _Operation, pointer: str, *, has_files: bool) -> OperationContent:
    """The headers, body and references of an operation.

    A body that is a string is a form, unless the headers name another type or the string contains a JSON object.
    """
    headers, named = _headers(operation, pointer) if operation.headers else ({}, "")
    text, is_object = ("", False) if operation.body is UNSET else _text(operation.body, f"{pointer}/body")
    if not text:
        return tuple(headers.items()), b"", ()
    content_type = named or (JSON if is_object else FORM)
    if has_files:
        content_type = FORM
        text = _form_of(text, pointer=f"{pointer}/body") if is_object else text
    if not named:
        headers["Content-Type"] = content_type
    pairs = tuple(headers.items())
    if not may_refer(text):
        return pairs, text.encode(), ()
    try:
        return pairs, *in_body(_pieces(text, content_type))
    except ValueError as error:
        raise Malformed(f"Here {error}.", pointer=f"{pointer}/body") from None


def _text(raw: Raw, pointer: str) -> tuple[str, bool]:
    """The text of a body, and whether it is JSON: an object or a list, or a string that contains an object."""
    body = bytes(text_of_body(raw))
    if body.startswith((b"{", b"[")):
        return body.decode(), True
    if body.startswith(b'"'):
        text = read(body, STRING, pointer=pointer)
        return text, text.startswith("{") and is_json_text(text.encode(), lone_surrogates=True)
    if body == b"null":
        return "", False
    raise Malformed("The body of an operation must be a string or an object.", pointer=pointer)


def _pieces(text: str, content_type: str) -> BodyPieces:
    if media_type_of(content_type) == FORM:
        return pieces_of_form(text)
    encoded = text.encode()
    if is_json(content_type) and is_json_text(encoded, lone_surrogates=True):
        return pieces_of_json(encoded)
    return pieces_of_text(text)


def _form_of(text: str, *, pointer: str) -> str:
    """The members of a JSON object as a urlencoded form. Strings are taken as they are, other values as JSON text."""
    members: dict[str, Raw] = read(text.encode(), MEMBERS, pointer=pointer)
    values = {name: bytes(value).decode() for name, value in members.items()}
    return urlencode({name: json.loads(value) if value.startswith('"') else value for name, value in values.items()})
