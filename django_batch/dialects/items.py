"""One item of a JSON batch: from its JSON text to a `Subrequest`, or to the `Malformed` that says what is wrong."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from itertools import islice
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder

from django_batch.core.media_types import charset_of, is_json
from django_batch.core.messages import Reference, Subrequest
from django_batch.core.paths import local_path
from django_batch.core.references import in_body, in_text, masked
from django_batch.dialects.json import read, read_members, token, unknown_member
from django_batch.dialects.queries import compile_query, is_json_path
from django_batch.errors import Malformed

T = TypeVar("T")


class Item(Struct, forbid_unknown_fields=True):
    """The members of an item, with their aliases."""

    path: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    method: str = "GET"
    id: str | UnsetType = UNSET
    headers: dict[str, str] = {}
    body: Raw | UnsetType = UNSET
    body_base64: str | UnsetType = UNSET
    depends_on: str | list[str] | UnsetType = UNSET
    dependsOn: str | list[str] | UnsetType = UNSET  # noqa: N815
    atomicity_group: str | UnsetType = UNSET
    atomicityGroup: str | UnsetType = UNSET  # noqa: N815
    omit_body: bool = False


class _Name(Struct):
    id: Raw | UnsetType = UNSET
    atomicity_group: Raw | UnsetType = UNSET
    atomicityGroup: Raw | UnsetType = UNSET  # noqa: N815


_item = Decoder(Item)
_name = Decoder(_Name)
_string = Decoder(str)
_MAX_HEADERS = 100  # of one item, as of one request on most servers: what is built of them takes time and memory
_MAX_REFERENCES = 1_000  # of one item
_MAX_JSON_PATHS = 10  # of these, as each searches a whole answer


def read_item(raw: Raw, position: int, *, pointer: str, base: str) -> Subrequest:
    """The sub-request of the item at `position`. `base` is the absolute URL of the batch.

    References are looked for only where there are dependencies: no other body is ever read.
    """
    item = _read(raw, pointer)
    url = _url(item, pointer)
    headers, body = _content(item, pointer)
    depends_on = _either(item.depends_on, item.dependsOn, "depends_on", "dependsOn", pointer)
    group = _either(item.atomicity_group, item.atomicityGroup, "atomicity_group", "atomicityGroup", pointer)
    references = _references(item, url, headers, body, pointer) if depends_on else ()
    return Subrequest(
        id=str(position) if item.id is UNSET else item.id,
        method=item.method.upper() if item.method.isascii() else item.method,
        path=_path(item, url, references, pointer, base),
        headers=tuple(headers.items()),
        body=body,
        depends_on=(depends_on,) if isinstance(depends_on, str) else tuple(dict.fromkeys(depends_on or ())),
        atomicity_group=None if group is UNSET else group,
        pointer=pointer,
        references=references,
        omit_body=item.omit_body,
    )


def name_only(raw: Raw, position: int, *, pointer: str) -> Subrequest:
    """Stands for an item that cannot be read, so that the others that depend on it are not blamed."""
    try:
        name = _name.decode(raw)
    except msgspec.DecodeError:
        name = _Name()
    known_as, group = _text(name.id), _text(name.atomicity_group)
    return Subrequest(
        str(position) if known_as is None else known_as,
        "GET",
        "/",
        atomicity_group=_text(name.atomicityGroup) if group is None else group,
        pointer=pointer,
    )


def _text(raw: Raw | UnsetType) -> str | None:
    try:
        return None if raw is UNSET else _string.decode(raw)
    except msgspec.DecodeError:
        return None


def _read(raw: Raw, pointer: str) -> Item:
    try:
        return _item.decode(raw)
    except msgspec.ValidationError:
        members = read_members(raw, pointer=pointer)
    for name in members:
        if name not in Item.__struct_fields__:
            raise unknown_member(name, Item.__struct_fields__, pointer=pointer)
    return read(msgspec.json.encode(members), _item, pointer=pointer)


def _either(one: T | UnsetType, other: T | UnsetType, name: str, alias: str, pointer: str) -> T | UnsetType:
    if one is not UNSET and other is not UNSET:
        raise Malformed(f"{name!r} and {alias!r} are two names of one member. Keep one.", pointer=f"{pointer}/{alias}")
    return other if one is UNSET else one


def _url(item: Item, pointer: str) -> str:
    url = _either(item.path, item.url, "path", "url", pointer)
    if url is UNSET:
        raise Malformed("An item needs a 'path'.", pointer=f"{pointer}/path")
    return url


def _path(item: Item, url: str, references: tuple[Reference, ...], pointer: str, base: str) -> str:
    """`url` on this host. One with references is checked as far as it is known, and again when they are filled in."""
    known = masked(url, references) if references else url
    try:
        path = local_path(known, base=base) if known or not url else ""
    except Malformed as error:
        raise Malformed(error.detail, pointer=f"{pointer}/{'url' if item.path is UNSET else 'path'}") from None
    return path if known == url else url


def _references(
    item: Item, url: str, headers: dict[str, str], body: bytes | memoryview, pointer: str
) -> tuple[Reference, ...]:
    places = [("url" if item.path is UNSET else "path", in_text("path", url, compile_query))]
    places += [
        (f"headers/{token(name)}", in_text(f"headers/{name}", value, compile_query)) for name, value in headers.items()
    ]
    if item.body is not UNSET and isinstance(body, memoryview):
        places.append(("body", in_body(body, compile_query)))
    references: list[Reference] = []
    for place, found in places:
        try:
            references += islice(found, _MAX_REFERENCES + 1 - len(references))
        except ValueError as error:
            raise Malformed(f"Here {error}.", pointer=f"{pointer}/{place}") from None
    if len(references) > _MAX_REFERENCES:
        raise Malformed(f"An item has at most {_MAX_REFERENCES} references.", pointer=pointer)
    if sum(is_json_path(each.text.partition("#")[2]) for each in references) > _MAX_JSON_PATHS:
        raise Malformed(f"An item has at most {_MAX_JSON_PATHS} references by JSONPath.", pointer=pointer)
    return tuple(references)


def _content(item: Item, pointer: str) -> tuple[dict[str, str], bytes | memoryview]:
    """The headers and the bytes of an item. What has a body and names no type is JSON."""
    if len(item.headers) > _MAX_HEADERS:
        raise Malformed(f"An item has at most {_MAX_HEADERS} headers.", pointer=f"{pointer}/headers")
    if item.body is UNSET and item.body_base64 is UNSET:
        return item.headers, b""
    named = next((value for name, value in item.headers.items() if name.lower() == "content-type"), None)
    if item.body is not UNSET and item.body_base64 is not UNSET:
        raise Malformed("An item has a 'body' or a 'body_base64', not both.", pointer=f"{pointer}/body_base64")
    content_type = "application/json" if named is None else named
    headers = {**item.headers, "Content-Type": content_type} if named is None else item.headers
    if item.body is UNSET:
        return headers, _from_base64(item.body_base64, pointer=f"{pointer}/body_base64")
    return headers, _from_json(item.body, content_type, pointer=f"{pointer}/body")


def _from_base64(text: str | UnsetType, *, pointer: str) -> bytes:
    try:
        return b64decode(str(text), validate=True)
    except (Base64Error, ValueError) as error:
        raise Malformed(f"This is not base64 (RFC 4648 §4): {error}.", pointer=pointer) from None


def _from_json(raw: Raw, content_type: str, *, pointer: str) -> bytes | memoryview:
    """The bytes for a view: of JSON its text unchanged, else those of a string in the charset of its type."""
    charset = charset_of(content_type) or "utf-8"
    try:
        if not is_json(content_type):
            return read(raw, _string, pointer=pointer).encode(charset)
        return memoryview(raw) if charset == "utf-8" else bytes(raw).decode().encode(charset)
    except Malformed as error:
        raise Malformed(f"{error.detail} The body of {content_type} is a string.", pointer=pointer) from None
    except LookupError:
        raise Malformed(f"The charset {charset!r} is unknown. Send 'body_base64' instead.", pointer=pointer) from None
    except ValueError as error:  # not only UnicodeEncodeError: of a codec that encodes nothing, or a name with a NUL
        raise Malformed(f"The body has no form in {charset!r}: {error}.", pointer=pointer) from None
