"""Items in JSON, for all dialects whose batches are an array of items and whose answers are an array too.

An item that is wrong adds a fault to the batch, and a stand-in takes its place. So reading goes on, all faults are
found, and items that depend on the wrong one are not blamed for it.
"""

from __future__ import annotations

import codecs
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder
from msgspec.structs import replace

from django_batch.core.batch import Subrequest, Subresponse
from django_batch.core.media_types import LONGEST_VALUE, charset_of, has_known_charset, media_type_of
from django_batch.dialects.base import Envelope, Writer
from django_batch.dialects.shared.json_text import (
    INVALID_JSON,
    MEMBERS,
    STRING,
    check_repeated,
    masked,
    read,
    read_array,
    read_members,
    token,
    unknown_member,
)
from django_batch.errors import BatchError, Malformed, UnsupportedMediaType

S = TypeVar("S", bound=Struct)
ReadItem = Callable[[Raw, int, str], Subrequest]  # text, position and pointer of an item; raises `Malformed`


_MAX_HEADERS = 100  # in one item, like the limit of most servers for one request
_LONGEST_QUOTED = 200  # characters of a header of the batch that an error quotes
_EMPTY = "The batch is empty. A chunked body does not reach Django under WSGI: send Content-Length."
_SLICE = 1 << 16  # bytes that are decoded at once, so that the text of a batch is never held as a whole


def readable(envelope: Envelope) -> Envelope:
    """`envelope` with a body that can be read as JSON: without a BOM, and with its lone surrogates masked.

    Raises a `BatchError` if its type is not JSON, or if it is not in UTF-8.
    """
    check_encoding(envelope)
    if not envelope.body:
        raise Malformed(_EMPTY)
    body = masked(envelope.body.removeprefix(codecs.BOM_UTF8))
    return envelope if body is envelope.body else replace(envelope, body=body)


def check_encoding(envelope: Envelope) -> None:
    """Raise a `BatchError` if the type of the batch is not JSON, or if it is not in UTF-8."""
    coding = envelope.headers.get("Content-Encoding", "") or "identity"
    if coding.lower() != "identity":
        detail = f"The batch has the content coding {coding[:_LONGEST_QUOTED]!r}. Send it without one."
        raise UnsupportedMediaType(detail)
    charset = charset_of(envelope.content_type)
    if media_type_of(envelope.content_type) != "application/json" or charset not in (None, "utf-8", "utf8"):
        sent = envelope.content_type[:_LONGEST_QUOTED]
        raise UnsupportedMediaType(f"Send the batch as application/json in UTF-8, not as {sent!r}.")
    if envelope.body.isascii():
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(envelope.body)
    try:
        for start in range(0, len(view), _SLICE):
            decoder.decode(view[start : start + _SLICE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise Malformed(f"The batch is not UTF-8: {error.reason}.") from None


def read_items(
    members: Mapping[str, Raw],
    faults: list[BatchError],
    envelope: Envelope,
    *,
    pointer: str,
    read_item: ReadItem,
    member: str = "requests",
    id_member: str = "id",
    default_id: Callable[[int], str] = str,
) -> list[Subrequest]:
    """The sub-requests of all items in the array `member`, which stands at `pointer`.

    An item that is wrong adds to `faults`, and a stand-in takes its place. The stand-in has the id of the item, from
    its `id_member`, so that errors and other items can name it. If that id cannot be read, `default_id` makes one from
    the position.
    """
    try:
        items = _items(members, envelope, member, pointer)
    except Malformed as fault:
        faults.append(_without_frames(fault))
        return []
    subrequests = []
    for position, raw in enumerate(items):
        place = f"{pointer}/{position}"
        try:
            subrequests.append(read_item(raw, position, place))
        except Malformed as fault:
            faults.append(_without_frames(fault))
            subrequests.append(_name_only(raw, id_member, default_id(position), place))
    return subrequests


def _without_frames(fault: Malformed) -> Malformed:
    """`fault` without its traceback. Its frames hold the list of faults, and so form a cycle with the whole batch."""
    fault.__context__ = None
    return fault.with_traceback(None)


def _items(members: Mapping[str, Raw], envelope: Envelope, member: str, pointer: str) -> list[Raw]:
    if member not in members:
        raise Malformed(f"A batch needs {member!r}, an array of items.", pointer=pointer)
    commas = envelope.body.count(b",")
    if items := read_array(members[member], envelope.max_requests, commas=commas, pointer=pointer):
        return items
    raise Malformed("The batch has no sub-requests.", pointer=pointer)


def _name_only(raw: Raw, id_member: str, default_id: str, pointer: str) -> Subrequest:
    """A stand-in for an item that cannot be read. It has the id and the group of the item, if these can be read."""
    try:
        name = MEMBERS.decode(raw)
    except (*INVALID_JSON, RecursionError):
        name = {}
    known_as, group = _text(name.get(id_member)), _text(name.get("atomicity_group"))
    return Subrequest(
        default_id if known_as is None else known_as,
        "GET",
        "/",
        atomicity_group=_text(name.get("atomicityGroup")) if group is None else group,
        pointer=pointer,
    )


def _text(raw: Raw | None) -> str | None:
    try:
        return None if raw is None else STRING.decode(raw)
    except INVALID_JSON:
        return None


def read_struct(raw: Raw, decoder: Decoder[S], *, pointer: str) -> S:
    """The item in `raw`, without its annotations. Raises `Malformed` with the place of the first mistake."""
    try:
        item = decoder.decode(raw)
        # A name that is repeated or nested has a colon, too, but is no other member. Else there is nothing to look for.
        if bytes(raw).count(b":") > len(MEMBERS.decode(raw)):
            check_repeated(raw, pointer=pointer)
            _check_headers(raw, getattr(item, "headers", None), pointer)
        return item
    except (*INVALID_JSON, RecursionError):  # the mistake is found again below, where its place is known
        members = read_members(raw, pointer=pointer)
    known = decoder.type.__struct_encode_fields__
    for name in members:
        if name not in known:
            raise unknown_member(name, known, pointer=pointer)
    return read(msgspec.json.encode(members), decoder, pointer=pointer)


def _check_headers(raw: Raw, headers: object, pointer: str) -> None:
    """Raise `Malformed` if a header appears twice in the text of an item, because only one of the two was read."""
    if isinstance(headers, dict) and 0 < len(headers) <= _MAX_HEADERS:
        text = bytes(raw)
        if any(text.count(b'"%b"' % name.encode()) > 1 for name in headers):
            check_repeated(read_members(raw, pointer=pointer)["headers"], pointer=f"{pointer}/headers")


def content_type_of(headers: Mapping[str, str], *, pointer: str) -> str | None:
    """The content type in `headers`, or None.

    Raises `Malformed` if there are too many headers, or if the content type would be unsafe to pass to Django.
    """
    if len(headers) > _MAX_HEADERS:
        detail = f"An item can have at most {_MAX_HEADERS} headers. This one has {len(headers)}."
        raise Malformed(detail, pointer=f"{pointer}/headers")
    found = None
    for name, value in headers.items():
        if name.lower() == "content-type":
            check_content_type(value, pointer=f"{pointer}/headers/{token(name)}")
            found = found or value
    return found


def check_content_type(value: str, *, pointer: str) -> None:
    """Raise `Malformed` if a content type is too long, or names a charset that is not in `CHARSETS`."""
    if len(value) > LONGEST_VALUE:
        detail = f"A content type can have at most {LONGEST_VALUE} characters. This one has {len(value)}."
        raise Malformed(detail, pointer=pointer)
    if not has_known_charset(value):
        detail = f"The charset in {value!r} is not one that browsers know, such as utf-8 or iso-8859-1. "
        raise Malformed(f"{detail}Send the bytes in 'body_base64', without a charset.", pointer=pointer)


class ItemsWriter(Writer):
    """Writes an array of answers, between `opening` and `closing`."""

    opening, closing = b'{"responses":[', b"]}"

    def __init__(self) -> None:
        self._separator = b""

    def begin(self) -> bytes:
        return self.opening

    def write(self, subresponse: Subresponse) -> bytes:
        item = self.item(subresponse)
        separator, self._separator = self._separator, b","
        return separator + item

    def end(self) -> bytes:
        return self.closing

    @abstractmethod
    def item(self, subresponse: Subresponse) -> bytes:
        """The JSON text of one answer."""
