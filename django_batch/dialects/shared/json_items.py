"""Items in JSON, as the dialects that are written in it have them: an array in, one sub-request for each; an array out.

What is wrong with an item is a fault of the batch, which has something in its place, so that all faults are found.
"""

from __future__ import annotations

import codecs
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder

from django_batch.core.batch import Subrequest, Subresponse
from django_batch.core.media_types import charset_of, media_type_of
from django_batch.dialects.base import Envelope, Writer
from django_batch.dialects.shared.json_text import read, read_array, read_members, unknown_member
from django_batch.errors import BatchError, Malformed, UnsupportedMediaType

S = TypeVar("S", bound=Struct)
ReadItem = Callable[[Raw, int, str], Subrequest]  # text, position and pointer of an item; raises `Malformed`


class _Name(Struct):
    id: Raw | UnsetType = UNSET
    atomicity_group: Raw | UnsetType = UNSET
    atomicityGroup: Raw | UnsetType = UNSET  # noqa: N815


_name = Decoder(_Name)
_string = Decoder(str)
_MAX_HEADERS = 100  # of one item, as of one request on most servers: what is built of them takes time and memory
_SLICE = 1 << 16  # bytes that are checked at once, so that a batch is never held a second time, as text


def check_encoding(envelope: Envelope) -> None:
    """Raise a `BatchError` for what is not JSON by its type, or not in UTF-8."""
    charset = charset_of(envelope.content_type)
    if media_type_of(envelope.content_type) != "application/json" or charset not in (None, "utf-8", "utf8"):
        raise UnsupportedMediaType(f"Send the batch as application/json in UTF-8, not as {envelope.content_type!r}.")
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
    default_id: Callable[[int], str] = str,
) -> list[Subrequest]:
    """The sub-requests of all items in the member `requests`; for one that is wrong, a fault and what stands for it.

    That has the id of the item, or, if that cannot be read, the one that its position gets by `default_id`.
    """
    try:
        items = _items(members, envelope, pointer)
    except Malformed as fault:
        faults.append(fault)
        return []
    subrequests = []
    for position, raw in enumerate(items):
        place = f"{pointer}/{position}"
        try:
            subrequests.append(read_item(raw, position, place))
        except Malformed as fault:
            faults.append(fault)
            subrequests.append(_name_only(raw, default_id(position), place))
    return subrequests


def _items(members: Mapping[str, Raw], envelope: Envelope, pointer: str) -> list[Raw]:
    if "requests" not in members:
        raise Malformed("A batch needs 'requests', an array of items.", pointer=pointer)
    commas = envelope.body.count(b",")
    if items := read_array(members["requests"], envelope.max_requests, commas=commas, pointer=pointer):
        return items
    raise Malformed("The batch has no sub-requests.", pointer=pointer)


def _name_only(raw: Raw, default_id: str, pointer: str) -> Subrequest:
    """Stands for an item that cannot be read, so that the others that depend on it are not blamed."""
    try:
        name = _name.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        name = _Name()
    known_as, group = _text(name.id), _text(name.atomicity_group)
    return Subrequest(
        default_id if known_as is None else known_as,
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


def read_struct(raw: Raw, decoder: Decoder[S], *, pointer: str) -> S:
    """The item that `decoder` finds in `raw`, but for its annotations."""
    try:
        return decoder.decode(raw)
    except (msgspec.ValidationError, RecursionError):  # of one that is nested too deeply, which is found again below
        members = read_members(raw, pointer=pointer)
    known = decoder.type.__struct_encode_fields__
    for name in members:
        if name not in known:
            raise unknown_member(name, known, pointer=pointer)
    return read(msgspec.json.encode(members), decoder, pointer=pointer)


def content_type_of(headers: Mapping[str, str], *, pointer: str) -> str | None:
    """The content type that `headers` name. Raises `Malformed` if there are more than a request can have."""
    if len(headers) > _MAX_HEADERS:
        raise Malformed(f"An item has at most {_MAX_HEADERS} headers.", pointer=f"{pointer}/headers")
    for name, value in headers.items():
        if name.lower() == "content-type":
            return value
    return None


class ItemsWriter(Writer):
    """Writes an array of answers, between `opening` and `closing`."""

    opening, closing = b'{"responses":[', b"]}"

    def __init__(self) -> None:
        self._separator = b""

    def begin(self) -> bytes:
        return self.opening

    def write(self, subresponse: Subresponse) -> bytes:
        separator, self._separator = self._separator, b","
        return separator + self.item(subresponse)

    def end(self) -> bytes:
        return self.closing

    @abstractmethod
    def item(self, subresponse: Subresponse) -> bytes:
        """One answer."""
