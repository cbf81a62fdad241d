"""JSON text read into values of known types, or the `Malformed` that says where it is not what it should be.

The text of a member is kept as `msgspec.Raw` until it is known what to read it as: a view of the batch, not a copy.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from functools import lru_cache
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder

from django_batch.errors import Malformed, TooManyRequests

T = TypeVar("T")
_PLACE = re.compile(r" - at `(?:key in )?\$(.*)`$")
_members = Decoder(dict[str, Raw])
_list = Decoder(list[Raw])
_FEW = 16  # times as many elements as are allowed, which cost less to hold than the array that can hold no more
_MAX_UNKNOWN = 10  # members that are answered; there may be a million
_LONGEST_GUESS = 50  # characters of a name that is compared with the known ones, which takes its square in time


def read(raw: Raw | bytes, decoder: Decoder[T], *, pointer: str = "") -> T:
    """The value that `decoder` finds in `raw`, which stands at `pointer`."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        detail = str(error)
        place = _PLACE.search(detail)
        raise Malformed(_PLACE.sub("", detail) + ".", pointer=pointer + _pointer(place[1] if place else "")) from None
    except msgspec.DecodeError as error:
        raise Malformed(f"This is not valid JSON: {error}.", pointer=pointer) from None
    except RecursionError:
        raise Malformed("This JSON is nested too deeply.", pointer=pointer) from None


def _pointer(place: str) -> str:
    """A JSON Pointer for a place such as `.depends_on[0]`; msgspec names no keys of dicts (`.headers[...]`)."""
    return re.sub(r"\.|\[(\d+)\]", r"/\1", place.replace("[...]", ""))


def read_array(raw: Raw | bytes, limit: int, *, commas: int, pointer: str) -> list[Raw]:
    """The elements of a JSON array. Raises `TooManyRequests` past `limit`; many times as many are never held.

    `commas` are as many as there are in `raw`, or more: no array has more elements than one to each, and one.
    """
    if commas <= _FEW * limit:
        elements = read(raw, _list, pointer=pointer)
    else:
        most = 2 ** commas.bit_length()  # elements; a power of two, so that few kinds of array have to be kept
        places = msgspec.structs.astuple(read(raw, _array(min(limit + 1, most)), pointer=pointer))
        elements = [element for element in places if element is not UNSET]
    if len(elements) > limit:
        raise TooManyRequests(f"The batch has more than {limit} sub-requests. Send them in several.", pointer=pointer)
    return elements


@lru_cache(maxsize=32)
def _array(size: int) -> Decoder[Struct]:
    # A struct of so many places: what is behind them msgspec skips, where a list would hold millions of elements.
    places = [(f"place_{number}", Raw | UnsetType, UNSET) for number in range(size)]
    return Decoder(msgspec.defstruct("Array", places, array_like=True))


def read_members(raw: Raw | bytes, *, pointer: str = "") -> dict[str, Raw]:
    """The members of a JSON object, without annotations: names with `@` or `.` (OData JSON 4.01 §4.6)."""
    members = read(raw, _members, pointer=pointer)
    return {name: value for name, value in members.items() if "@" not in name and "." not in name}


def unknown_members(members: Iterable[str], known: Collection[str]) -> list[Malformed]:
    """The errors that those of `members` are that are not `known`, but no more than can be of use."""
    unknown = [name for name in members if name not in known]
    return [unknown_member(name, known, pointer="") for name in unknown[:_MAX_UNKNOWN]]


def unknown_member(name: str, known: Iterable[str], *, pointer: str) -> Malformed:
    """The error that `name` is, where only `known` names are understood."""
    close = get_close_matches(name[:_LONGEST_GUESS], known, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else f"Known are {', '.join(known)}."
    return Malformed(f"Unknown member {name!r}. {hint}", pointer=f"{pointer}/{token(name)}")


def token(name: str) -> str:
    """`name` as a part of a JSON Pointer (RFC 6901 §3)."""
    return name.replace("~", "~0").replace("/", "~1")
