"""One item of OData's JSON format, read into a `Subrequest` (OData JSON 4.01 §19.1).

Items are read in order, and may refer only to earlier ones, so the reader knows the ids and groups that a reference can
name. Members are read as Microsoft's clients really write them: with `null`, with lists from PHP, and with bodies in
base64 that the standard does not know.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder
from msgspec.structs import replace

from django_batch.core.batch import Subrequest
from django_batch.core.media_types import is_json, is_plain_text
from django_batch.dialects.odata.conditions import compile_condition
from django_batch.dialects.odata.references import may_refer, references
from django_batch.dialects.odata.urls import ServiceRoot
from django_batch.dialects.shared.bodies import from_base64url, from_json, is_json_text, text_of_body
from django_batch.dialects.shared.json_items import content_type_of, read_struct
from django_batch.dialects.shared.json_text import STRING, read
from django_batch.errors import Malformed

ItemHeaders = tuple[tuple[str, str], ...]


class ODataItem(Struct, forbid_unknown_fields=True):
    """The members of an item. Members that may be left out may also be null."""

    id: str
    method: str
    url: str
    headers: dict[str, str | None] | list[Raw] | None = None  # PHP writes an empty object as an empty list
    body: Raw | UnsetType = UNSET
    dependsOn: list[str] | str | None = None  # noqa: N815
    depends_on: list[str] | str | None = None  # the spelling of msgraph-core
    atomicityGroup: str | None = None  # noqa: N815
    condition: str | None = msgspec.field(name="if", default=None)


_item = Decoder(ODataItem)
_JSON = "application/json"
_NULL, _QUOTE = b'n"'


@dataclass
class ItemReader:
    """Reads the items of one batch, in order. `base` is the absolute URL of the batch.

    With `values`, strings in bodies and values in queries can be references too.
    """

    root: ServiceRoot
    base: str
    values: bool
    _members: dict[str, list[str]] = field(default_factory=dict)  # group -> the ids in it so far
    _ids: set[str] = field(default_factory=set)  # the ids of the items so far

    def read(self, raw: Raw, position: int, pointer: str) -> Subrequest:
        """The sub-request of one item. Raises `Malformed`."""
        item = read_struct(raw, _item, pointer=pointer)
        headers, body = _content(item, pointer)
        method = item.method.upper() if item.method.isascii() else item.method
        path = self._path(item.url, pointer)
        self._ids.add(item.id)
        subrequest = Subrequest(
            id=item.id,
            method=method,
            path=path,
            headers=headers,
            body=body,
            atomicity_group=item.atomicityGroup,
            pointer=pointer,
        )
        if item.atomicityGroup is not None:
            self._members.setdefault(item.atomicityGroup, []).append(item.id)
        if item.dependsOn or item.depends_on or item.condition is not None:
            return self._tied(subrequest, item)
        if not may_refer(path, headers):
            return subrequest
        found = references(method, path, headers, body, (), values=False, pointer=pointer)
        return replace(subrequest, references=found) if found else subrequest

    def _tied(self, subrequest: Subrequest, item: ODataItem) -> Subrequest:
        """`subrequest` with its dependencies, references and condition."""
        pointer = subrequest.pointer
        depends_on = dict.fromkeys([*_names(item.dependsOn), *_names(item.depends_on)])
        # An item that depends on a group can refer to members of the group, which then become dependencies too.
        ids = {each for name in depends_on for each in self._members.get(name, [name])}
        found = references(
            subrequest.method,
            subrequest.path,
            subrequest.headers,
            subrequest.body,
            ids,
            values=self.values,
            pointer=pointer,
            roots=self.root.prefixes(self.base),
        )
        named = {each.id for each in found}
        condition = None
        if item.condition is not None:
            concerns, condition = compile_condition(item.condition)
            _check_concerns(concerns, ids.union(depends_on), pointer)
            named |= concerns
        if named:
            depends_on |= dict.fromkeys(sorted(ids & named))
        return replace(subrequest, depends_on=tuple(depends_on), references=found, condition=condition)

    def _path(self, url: str, pointer: str) -> str:
        try:
            return self.root.resolve(url, base=self.base, known=self._ids)
        except Malformed as error:
            raise Malformed(error.detail, pointer=f"{pointer}/url") from None


def misplaced(subrequests: Sequence[Subrequest]) -> Iterator[Malformed]:
    """A fault for each of `subrequests` that stands before one of its dependencies, or apart from its group."""
    if not any(each.depends_on or each.atomicity_group is not None for each in subrequests):
        return
    names = {each.id for each in subrequests} | {each.atomicity_group for each in subrequests}
    before: set[str | None] = set()
    group = None
    for each in subrequests:
        later = each.depends_on and [
            name for name in each.depends_on if name in names and name not in before and name != each.id
        ]
        if later:
            quoted = ", ".join(map(repr, later))
            detail = f"Item {each.id!r} depends on {quoted}, which comes later in the batch. Put {each.id!r} behind it."
            yield Malformed(detail, pointer=f"{each.pointer}/dependsOn")
        if each.atomicity_group != group:
            group = each.atomicity_group
            if group is not None and group in before:
                detail = f"Members of the group {group!r} are not adjacent. Put {each.id!r} beside the others."
                yield Malformed(detail, pointer=f"{each.pointer}/atomicityGroup")
            before.add(group)
        before.add(each.id)


def _names(names: list[str] | str | None) -> list[str]:
    return [names] if isinstance(names, str) else names or []


def _check_concerns(concerns: Set[str], names: Set[str], pointer: str) -> None:
    """Raise `Malformed` if a condition is about an item that is not one of `names`."""
    if unknown := sorted(concerns - names):
        quoted = ", ".join(map(repr, unknown))
        raise Malformed(f"The condition is about {quoted}. Name it in 'dependsOn' too.", pointer=f"{pointer}/if")


def _content(item: ODataItem, pointer: str) -> tuple[ItemHeaders, bytes | memoryview]:
    """The headers and the bytes of an item. A body without a Content-Type is JSON."""
    headers = _headers(item, pointer)
    content_type = content_type_of(headers, pointer=pointer) if headers else None
    pairs = tuple(headers.items())
    if item.body is UNSET:
        return pairs, b""
    body = text_of_body(item.body)
    first = body[0]  # of a JSON text, which tells its type
    if first == _NULL:
        return pairs, b""
    if content_type is not None:
        return pairs, _body(item.body, content_type, pointer=f"{pointer}/body")
    if first == _QUOTE:
        body = _encoded(item.body, b"{", pointer) or _body(item.body, _JSON, pointer=f"{pointer}/body")
    return (*pairs, ("Content-Type", _JSON)), body


def _headers(item: ODataItem, pointer: str) -> dict[str, str]:
    if isinstance(item.headers, list):
        if item.headers:
            raise Malformed("The headers of an item must be an object, not a list.", pointer=f"{pointer}/headers")
        return {}
    return {name: value for name, value in (item.headers or {}).items() if value is not None}


def _body(raw: Raw, content_type: str, *, pointer: str) -> bytes | memoryview:
    """The bytes for a view: a JSON body as its text, a text body as its string, any other decoded from base64url."""
    if is_json(content_type):
        return _encoded(raw, b"[", pointer) or from_json(raw, content_type, pointer=pointer)
    if is_plain_text(content_type):
        return from_json(raw, content_type, pointer=pointer)
    try:
        return from_base64url(read(raw, STRING), pointer=pointer)
    except Malformed as error:
        raise Malformed(f"{error.detail} A body of {content_type} must be in base64url.", pointer=pointer) from None


def _encoded(raw: Raw, start: bytes, pointer: str) -> bytes | None:
    """The JSON text that a string contains in base64, if it begins with the bracket `start`, else None.

    msgraph-core writes arrays so, and @microsoft/msgraph-sdk-core writes every body without a type so.
    """
    if bytes(memoryview(raw)[:2]) != b'"' + b64encode(start)[:1]:
        return None
    try:
        body = from_base64url(read(raw, STRING), pointer=pointer)
    except Malformed:
        return None
    return body if body.startswith(start) and is_json_text(body) else None
