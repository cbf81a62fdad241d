"""One operation of Facebook's batches: from its JSON text to a `Subrequest`."""

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
    Pieces,
    in_body,
    may_refer,
    pieces_of_form,
    pieces_of_json,
    pieces_of_text,
)
from django_batch.dialects.facebook.urls import RelativeURLs
from django_batch.dialects.shared.bodies import is_json_text
from django_batch.dialects.shared.forms import FileParts
from django_batch.dialects.shared.json_text import read
from django_batch.errors import BatchError, Malformed, UnknownDependency

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
_TOKEN_IN_QUERY, _TOKEN_IN_FORM = re.compile(r"[?&]access_token="), re.compile(rb"(^|&)access_token=")
_MAX_HEADERS = 100  # of one operation, as of one request on most servers
Content = tuple[tuple[tuple[str, str], ...], bytes, tuple[Reference, ...]]  # headers, body, and its references


class _Header(Struct):
    name: str
    value: str


class _Operation(Struct):
    """The members of an operation. Whatever else clients put there means nothing here."""

    relative_url: str
    method: str = "GET"
    name: str | None = None
    headers: list[_Header | str] | dict[str, str] | None = None
    body: Raw | UnsetType = UNSET
    depends_on: str | list[str] | None = None
    omit_response_on_success: bool | None = None
    attached_files: str | list[str] | dict[str, str] | None = None
    attachedFiles: str | list[str] | dict[str, str] | None = None  # noqa: N815  # as an SDK misspells it
    access_token: str | None = None


class _Named(Struct):
    name: Raw | UnsetType = UNSET


_operation = Decoder(_Operation)
_named = Decoder(_Named)
_string = Decoder(str)
_members = Decoder(dict[str, Raw])


class OperationReader:
    """Reads the operations of one batch, whose ids are their positions.

    `access_token` is that of all operations which have none of their own.
    """

    def __init__(self, urls: RelativeURLs, *, access_token: str, parts: FileParts) -> None:
        self._urls = urls
        self._access_token = access_token
        self._parts = parts
        self._ids: dict[str, list[str]] = {}  # name -> the ids of the operations of that name
        self._omits: dict[str, bool] = {}  # of those that say so themselves

    def read(self, raw: Raw, position: int, pointer: str) -> Subrequest:
        """The sub-request of an operation, which depends on names until it is `tied`. Raises `Malformed`."""
        id_ = str(position)
        operation = self._operation(raw, id_, pointer)
        files = _files(operation) if operation.attached_files or operation.attachedFiles else {}
        headers, body, in_content = _content(operation, pointer, has_files=bool(files))
        token = operation.access_token or self._access_token
        if token and _has_token(operation.relative_url, body):
            token = ""
        path, in_path = self._urls.read(operation.relative_url, token, pointer)
        references = in_path + in_content
        return Subrequest(  # by position, as it takes half as long
            id_,
            operation.method.upper() if operation.method.isascii() else operation.method,
            path,
            headers,
            body,
            _depends_on(operation, references) if operation.depends_on or references else (),
            None,
            pointer,
            references,
            False,
            None,
            self._parts.take(files, pointer=f"{pointer}/attached_files") if files else (),
        )

    def _operation(self, raw: Raw, id_: str, pointer: str) -> _Operation:
        """The operation, after a note of what it is called, and of whether it is left out."""
        try:
            operation = read(raw, _operation, pointer=pointer)
        except Malformed:
            self._ids.setdefault(_name(raw), []).append(id_)
            raise
        if operation.name:
            self._ids.setdefault(operation.name, []).append(id_)
        if operation.omit_response_on_success is not None:
            self._omits[id_] = operation.omit_response_on_success
        return operation

    def tied(self, subrequest: Subrequest, faults: list[BatchError]) -> Subrequest:
        """`subrequest` with the ids of the operations that it names, once all of them have been read."""
        ids: dict[str, str] = {}
        for name in subrequest.depends_on:
            found = self._ids.get(name, [])
            if len(found) == 1:
                ids[name] = found[0]
                continue
            number = f"the name of {len(found)} operations" if found else "no name of an operation"
            pointer = f"{subrequest.pointer}/depends_on"
            faults.append(UnknownDependency(f"{name!r} is {number} of this batch.", pointer=pointer))
        references = (replace(each, id=ids[each.id]) for each in subrequest.references if each.id in ids)
        return replace(subrequest, depends_on=tuple(ids.values()), references=tuple(references))

    def left_out(self, referred: Set[str]) -> set[str]:
        """The ids of operations whose success is left out, by what they say, or as others have `referred` to them."""
        return {id_ for id_ in {*referred, *self._omits} if self._omits.get(id_, True)}


def _has_token(url: str, body: bytes) -> bool:
    """Whether an operation has an access token of its own, in its query or its form."""
    return bool(_TOKEN_IN_QUERY.search(url) or _TOKEN_IN_FORM.search(body))


def _name(raw: Raw) -> str:
    """The name of an operation, though the rest of it may be wrong."""
    try:
        name = read(raw, _named, pointer="").name
        return "" if name is UNSET else read(name, _string, pointer="")
    except Malformed:
        return ""


def _depends_on(operation: _Operation, references: tuple[Reference, ...]) -> tuple[str, ...]:
    named = operation.depends_on or []
    names = [named] if isinstance(named, str) else named
    return tuple(dict.fromkeys([*names, *(reference.id for reference in references)]))


def _headers(operation: _Operation, pointer: str) -> tuple[dict[str, str], str]:
    """The headers of an operation, and the content type that they name."""
    headers = operation.headers or {}
    if len(headers) > _MAX_HEADERS:
        raise Malformed(f"An operation has at most {_MAX_HEADERS} headers.", pointer=f"{pointer}/headers")
    found = headers if isinstance(headers, dict) else dict(map(_pair, headers))
    return found, next((value for name, value in found.items() if name.lower() == "content-type"), "")


def _pair(header: _Header | str) -> tuple[str, str]:
    if isinstance(header, _Header):
        return header.name, header.value
    name, _, value = header.partition(":")
    return name.strip(), value.strip()


def _files(operation: _Operation) -> Mapping[str, str | list[str]]:
    """Of each field the part that is sent in it. Where only parts are named, the field is called like its part."""
    named = operation.attached_files or operation.attachedFiles or []
    if isinstance(named, dict):
        return {**named}
    parts = named.split(",") if isinstance(named, str) else named
    return {name.strip(): name.strip() for name in parts if name.strip()}


def _content(operation: _Operation, pointer: str, *, has_files: bool) -> Content:
    """What an operation sends. A string is a form, unless its headers or its text say that it is JSON."""
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
    """The body, and whether it is a JSON object, or a string in which there is one."""
    body = bytes(raw)
    if body.startswith((b"{", b"[")):
        return body.decode(), True
    if body.startswith(b'"'):
        text = read(body, _string, pointer=pointer)
        return text, text.startswith("{") and is_json_text(text.encode())
    if body == b"null":
        return "", False
    raise Malformed("The body of an operation is a string or an object.", pointer=pointer)


def _pieces(text: str, content_type: str) -> Pieces:
    if media_type_of(content_type) == FORM:
        return pieces_of_form(text)
    encoded = text.encode()
    return pieces_of_json(encoded) if is_json(content_type) and is_json_text(encoded) else pieces_of_text(text)


def _form_of(text: str, *, pointer: str) -> str:
    """The members of a JSON object as an urlencoded form: strings as they are, all else as its JSON text."""
    members: dict[str, Raw] = read(text.encode(), _members, pointer=pointer)
    values = {name: bytes(value).decode() for name, value in members.items()}
    return urlencode({name: json.loads(value) if value.startswith('"') else value for name, value in values.items()})
