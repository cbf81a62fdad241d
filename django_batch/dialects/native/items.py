"""One item of a native batch: from its JSON text to a `Subrequest`, or to a `Malformed` that says what is wrong.

An item is decoded into a struct first, which checks its members and their types. Its body is not decoded: it stays a
view of the batch. References are looked for only in items with dependencies, so no other body is ever changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder

from django_batch.core.batch import Reference, Subrequest
from django_batch.core.names import listed
from django_batch.core.paths import is_plain, local_path
from django_batch.core.references import Compile, in_body, in_text, masked, referred
from django_batch.dialects.base import Envelope
from django_batch.dialects.native.queries import Compiler
from django_batch.dialects.shared.bodies import from_base64, from_json, text_of_body
from django_batch.dialects.shared.forms import FileParts, form_body
from django_batch.dialects.shared.json_items import content_type_of, read_struct
from django_batch.dialects.shared.json_text import token
from django_batch.errors import Malformed

T = TypeVar("T")


class NativeItem(Struct, forbid_unknown_fields=True):
    """The members of an item, with their aliases. `null` means "not given", because typed clients write it so."""

    path: str | None = None
    url: str | None = None
    method: str = "GET"
    id: str | None = None
    headers: dict[str, str] | list[Raw] | None = None  # PHP writes an empty object as an empty list
    body: Raw | UnsetType = UNSET
    body_base64: str | None = None
    depends_on: str | list[str] | None = None
    dependsOn: str | list[str] | None = None  # noqa: N815
    atomicity_group: str | None = None
    atomicityGroup: str | None = None  # noqa: N815
    omit_body: bool = False
    files: dict[str, str | list[str]] | None = None
    idempotency_key: str | None = None


_item = Decoder(NativeItem)
_MAX_REFERENCES = 1_000  # in one item
_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS", "DELETE")  # methods for which `"body": null` means that there is no body
ItemContent = tuple[Mapping[str, str], bytes | memoryview, tuple[Reference, ...]]  # headers, body, and its references


def read_item(
    envelope: Envelope, parts: FileParts, compiler: Compiler, raw: Raw, position: int, pointer: str
) -> Subrequest:
    """The sub-request of the item at `position`, whose files are among `parts`. Raises `Malformed`."""
    item = read_struct(raw, _item, pointer=pointer)
    url, depends_on = _url(item, pointer), _depends_on(item, pointer)
    method = item.method.upper() if item.method.isascii() else item.method
    files = parts.take(item.files, pointer=f"{pointer}/files") if item.files else ()
    headers, body, fields = (
        _form(item, pointer, compiler if depends_on else None) if files else _content(item, method, pointer)
    )
    references = _references(item, url, headers, body, fields, compiler, pointer) if depends_on else ()
    return Subrequest(
        id=str(position) if item.id is None else item.id,
        method=method,
        path=url if not references and is_plain(url) else _path(item, url, references, pointer, envelope),
        headers=tuple(headers.items()) if headers else (),
        body=body,
        depends_on=depends_on,
        atomicity_group=_group(item, pointer),
        pointer=pointer,
        references=references,
        omit_body=item.omit_body,
        files=files,
        idempotency_key=item.idempotency_key,
    )


def _depends_on(item: NativeItem, pointer: str) -> tuple[str, ...]:
    names: Sequence[str] | None = item.depends_on
    if item.dependsOn is not None:
        names = _either(names, item.dependsOn, "depends_on", "dependsOn", pointer)
    if not names:
        return ()
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))


def _group(item: NativeItem, pointer: str) -> str | None:
    group = item.atomicity_group
    if item.atomicityGroup is not None:
        group = _either(group, item.atomicityGroup, "atomicity_group", "atomicityGroup", pointer)
    return group


def _either(one: T | None, other: T | None, name: str, alias: str, pointer: str) -> T | None:
    if one is not None and other is not None:
        raise Malformed(f"{name!r} and {alias!r} are the same member. Keep one.", pointer=f"{pointer}/{alias}")
    return other if one is None else one


def _url(item: NativeItem, pointer: str) -> str:
    url = item.path if item.url is None else _either(item.path, item.url, "path", "url", pointer)
    if url is None:
        raise Malformed("An item needs a 'path', such as \"/api/books/1/\".", pointer=f"{pointer}/path")
    return url


def _path(item: NativeItem, url: str, references: tuple[Reference, ...], pointer: str, envelope: Envelope) -> str:
    """The path of `url` on this host. If it has references, only the known parts are checked now.

    The whole path is checked when the references are filled in.
    """
    known = masked(url, references) if references else url
    try:
        path = local_path(known, base=envelope.url) if known or not url else ""
    except Malformed as error:
        raise Malformed(error.detail, pointer=f"{pointer}/{'url' if item.path is None else 'path'}") from None
    return path if known == url else url


def _references(
    item: NativeItem,
    url: str,
    headers: Mapping[str, str],
    body: bytes | memoryview,
    fields: tuple[Reference, ...],
    compile_query: Compiler,
    pointer: str,
) -> tuple[Reference, ...]:
    compile_query.begin_item()
    places = [("body", iter(fields)), ("url" if item.path is None else "path", in_text("path", url, compile_query))]
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
        raise Malformed(f"An item can have at most {_MAX_REFERENCES} references. This one has more.", pointer=pointer)
    return tuple(references)


def _form(item: NativeItem, pointer: str, compile_query: Compile | None) -> ItemContent:
    """The headers and the other fields of an item with files."""
    headers = _headers(item, pointer)
    if content_type_of(headers, pointer=pointer) is not None:
        detail = "An item with 'files' is sent as multipart/form-data. Remove its Content-Type."
        raise Malformed(detail, pointer=f"{pointer}/headers")
    if item.body_base64 is not None:
        detail = "An item with 'files' has its other fields in 'body'. Remove 'body_base64'."
        raise Malformed(detail, pointer=f"{pointer}/body_base64")
    if item.body is UNSET or _is_null(item.body):
        return headers, b"", ()
    return headers, *form_body(item.body, compile_query, pointer=f"{pointer}/body")


def _content(item: NativeItem, method: str, pointer: str) -> ItemContent:
    """The headers and the bytes of an item. A body without a Content-Type is JSON."""
    body = item.body
    if body is UNSET and item.body_base64 is None and not item.headers:
        return {}, b"", ()
    headers = _headers(item, pointer)
    named = content_type_of(headers, pointer=pointer)
    if body is not UNSET and (item.body_base64 is not None or method in _WITHOUT_BODY) and _is_null(body):
        body = UNSET
    if body is UNSET and item.body_base64 is None:
        return headers, b"", ()
    if body is not UNSET and item.body_base64 is not None:
        raise Malformed("An item has both 'body' and 'body_base64'. Keep one.", pointer=f"{pointer}/body_base64")
    if named is None:
        headers = {**headers, "Content-Type": "application/json"}
    if body is UNSET:
        return headers, from_base64(str(item.body_base64), pointer=f"{pointer}/body_base64"), ()
    if named is None:
        return headers, text_of_body(body), ()
    return headers, from_json(body, named, pointer=f"{pointer}/body"), ()


def _headers(item: NativeItem, pointer: str) -> Mapping[str, str]:
    """The headers of an item. An empty list stands for none. Raises `Malformed` for any other list."""
    headers = item.headers or {}
    if isinstance(headers, list):
        raise Malformed("The headers of an item must be an object, not a list.", pointer=f"{pointer}/headers")
    return headers


def _is_null(body: Raw) -> bool:
    return bytes(memoryview(body)[:5]) == b"null"


def undeclared(subrequests: Sequence[Subrequest]) -> Iterator[Malformed]:
    """A fault for each body that refers to another item of the batch although its own item has no `depends_on`.

    Without `depends_on` no reference is filled in, so the view would store the reference itself.
    """
    ids = {each.id for each in subrequests}
    for each in subrequests:
        if not each.depends_on and isinstance(each.body, memoryview):
            name = next((name for name in referred(each.body) if name in ids and name != each.id), None)
            if name is not None:
                detail = f"The body of item {listed([each.id])} refers to {listed([name])}. Name it in 'depends_on'."
                yield Malformed(detail, pointer=f"{each.pointer}/body")
