"""One item of a JSON batch: from its JSON text to a `Subrequest`, or to the `Malformed` that says what is wrong."""

from __future__ import annotations

from itertools import islice
from typing import TypeVar

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder

from django_batch.core.batch import Reference, Subrequest
from django_batch.core.paths import is_plain, local_path
from django_batch.core.references import in_body, in_text, masked
from django_batch.dialects.base import Envelope
from django_batch.dialects.native.queries import compile_query, is_json_path
from django_batch.dialects.shared.bodies import from_base64, from_json
from django_batch.dialects.shared.forms import FileParts, form_body
from django_batch.dialects.shared.json_items import content_type_of, read_struct
from django_batch.dialects.shared.json_text import token
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
    files: dict[str, str | list[str]] | UnsetType = UNSET


_item = Decoder(Item)
_MAX_REFERENCES = 1_000  # of one item
Content = tuple[dict[str, str], bytes | memoryview, tuple[Reference, ...]]  # headers, body, and its references
_MAX_JSON_PATHS = 10  # of these, as each searches a whole answer


def read_item(envelope: Envelope, parts: FileParts, raw: Raw, position: int, pointer: str) -> Subrequest:
    """The sub-request of the item at `position`. `envelope` is that of the batch, `parts` the files beside it.

    References are looked for only where there are dependencies: no other body is ever read.
    """
    item = read_struct(raw, _item, pointer=pointer)
    url = _url(item, pointer)
    depends_on, group = item.depends_on, item.atomicity_group
    if item.dependsOn is not UNSET:
        depends_on = _either(depends_on, item.dependsOn, "depends_on", "dependsOn", pointer)
    if item.atomicityGroup is not UNSET:
        group = _either(group, item.atomicityGroup, "atomicity_group", "atomicityGroup", pointer)
    files = () if item.files is UNSET else parts.take(item.files, pointer=f"{pointer}/files")
    headers, body, fields = _form(item, pointer, bool(depends_on)) if files else _content(item, pointer)
    references = _references(item, url, headers, body, fields, pointer) if depends_on else ()
    return Subrequest(  # by position: by name it would take twice as long, 1 % of a view
        str(position) if item.id is UNSET else item.id,
        item.method.upper() if item.method.isascii() else item.method,
        url if not references and is_plain(url) else _path(item, url, references, pointer, envelope),
        tuple(headers.items()) if headers else (),
        body,
        _names(depends_on) if depends_on else (),
        None if group is UNSET else group,
        pointer,
        references,
        item.omit_body,
        None,
        files,
    )


def _names(depends_on: str | list[str]) -> tuple[str, ...]:
    return (depends_on,) if isinstance(depends_on, str) else tuple(dict.fromkeys(depends_on))


def _either(one: T | UnsetType, other: T | UnsetType, name: str, alias: str, pointer: str) -> T | UnsetType:
    if one is not UNSET and other is not UNSET:
        raise Malformed(f"{name!r} and {alias!r} are two names of one member. Keep one.", pointer=f"{pointer}/{alias}")
    return other if one is UNSET else one


def _url(item: Item, pointer: str) -> str:
    url = item.path if item.url is UNSET else _either(item.path, item.url, "path", "url", pointer)
    if url is UNSET:
        raise Malformed("An item needs a 'path'.", pointer=f"{pointer}/path")
    return url


def _path(item: Item, url: str, references: tuple[Reference, ...], pointer: str, envelope: Envelope) -> str:
    """`url` on this host. One with references is checked as far as it is known, and again when they are filled in."""
    known = masked(url, references) if references else url
    try:
        path = local_path(known, base=envelope.url) if known or not url else ""
    except Malformed as error:
        raise Malformed(error.detail, pointer=f"{pointer}/{'url' if item.path is UNSET else 'path'}") from None
    return path if known == url else url


def _references(
    item: Item,
    url: str,
    headers: dict[str, str],
    body: bytes | memoryview,
    fields: tuple[Reference, ...],
    pointer: str,
) -> tuple[Reference, ...]:
    places = [("body", iter(fields)), ("url" if item.path is UNSET else "path", in_text("path", url, compile_query))]
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


def _form(item: Item, pointer: str, has_references: bool) -> Content:
    """What stands beside the files of an item."""
    if content_type_of(item.headers, pointer=pointer) is not None:
        detail = "An item with 'files' is sent as multipart/form-data. Leave the Content-Type out."
        raise Malformed(detail, pointer=f"{pointer}/headers")
    if item.body_base64 is not UNSET:
        raise Malformed("An item with 'files' has its other fields in 'body'.", pointer=f"{pointer}/body_base64")
    if item.body is UNSET:
        return item.headers, b"", ()
    compiled = compile_query if has_references else None
    return item.headers, *form_body(item.body, compiled, pointer=f"{pointer}/body")


def _content(item: Item, pointer: str) -> Content:
    """The headers and the bytes of an item. What has a body and names no type is JSON."""
    named = content_type_of(item.headers, pointer=pointer) if item.headers else None
    if item.body is UNSET and item.body_base64 is UNSET:
        return item.headers, b"", ()
    if item.body is not UNSET and item.body_base64 is not UNSET:
        raise Malformed("An item has a 'body' or a 'body_base64', not both.", pointer=f"{pointer}/body_base64")
    headers = {**item.headers, "Content-Type": "application/json"} if named is None else item.headers
    if item.body is UNSET:
        return headers, from_base64(str(item.body_base64), pointer=f"{pointer}/body_base64"), ()
    if named is None:
        return headers, memoryview(item.body), ()
    return headers, from_json(item.body, named, pointer=f"{pointer}/body"), ()
