"""JSON text read into values of known types, or a `Malformed` that says where and why it cannot be read.

The text of a member stays a `msgspec.Raw` (a view of the batch, not a copy) until its type is known. So a body is never
decoded, and reading a batch takes memory in proportion to the number of its members, not to their size.
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

from django_batch.core.names import listed
from django_batch.errors import Malformed, TooManyRequests

T = TypeVar("T")
_PLACE = re.compile(r" - at `(?:key in )?\$(.*)`$")
MEMBERS = Decoder(dict[str, Raw])
STRING = Decoder(str)
INVALID_JSON = msgspec.DecodeError, UnicodeDecodeError  # the second for bytes that are not UTF-8, before msgspec 0.23
_list = Decoder(list[Raw])
_FEW = 16  # times the allowed number of elements can be held as a list; a longer list is read with a bounded struct
_MAX_UNKNOWN = 10  # unknown members that are reported; there may be a million
_TRAILING_COMMA = re.compile(rb",\s*+[\]}]")
# Names that other batch formats use for members of items.
_HABITS = {
    "data": "Its name here is 'body'.",
    "json": "Its name here is 'body'.",
    "params": "Write the parameters into the query of the 'path'.",
    "query": "Write it behind a '?' into the 'path'.",
    "atomic": "It stands beside 'requests'. Items with the same 'atomicity_group' are all or nothing.",
}
_LAST = 1_000  # bytes at the end of a text that are searched for a trailing comma
_LONGEST_GUESS = 50  # characters of a name that are compared with known names, because comparing takes quadratic time

# An escape of a lone surrogate is valid JSON (RFC 8259 §8.2), but msgspec refuses it. So while the batch is read, its
# backslash is replaced with a byte that never occurs in UTF-8 and that msgspec does not check inside a body.
MASK = b"\xff"
_MAX_MASKED = 10_000
_MAY_BE_LONE = re.compile(rb"\\u[dD][89a-fA-F]")
_NOT_LONE = re.compile(
    rb"[^\\]*+(?:\\(?:[^u]|u(?![dD][89a-fA-F])|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})[^\\]*+)*+",
    re.DOTALL,
)
is_masked = re.compile(MASK).search


def masked(text: bytes) -> bytes:
    """`text`, in UTF-8, with `MASK` in place of the backslash of every lone surrogate.

    Raises `Malformed` if there are too many.
    """
    if _MAY_BE_LONE.search(text) is None:
        return text
    found: bytearray | None = None
    place, count = _NOT_LONE.match(text, 0), 0
    while place is not None and place.end() < len(text):
        if (count := count + 1) > _MAX_MASKED:
            raise Malformed(f"The batch has more than {_MAX_MASKED} lone surrogates, such as '\\ud83d'.")
        found = bytearray(text) if found is None else found
        found[place.end()] = MASK[0]
        place = _NOT_LONE.match(text, place.end() + 1)
    return text if found is None else bytes(found)


def read(raw: Raw | bytes, decoder: Decoder[T], *, pointer: str = "") -> T:
    """The value that `decoder` finds in `raw`, which stands at `pointer`."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        detail = str(error)
        place = _PLACE.search(detail)
        said = _PLACE.sub("", detail).replace(" | null", "")
        if not pointer and bytes(memoryview(raw)[:1]) == b'"':
            said += ": this is a string that contains JSON. Send the JSON itself"
        raise Malformed(f"{said}.", pointer=pointer + _pointer(place[1] if place else "")) from None
    except INVALID_JSON as error:
        raise Malformed(_not_json(bytes(raw), error), pointer=pointer) from None
    except RecursionError:
        raise Malformed("This JSON is nested too deeply.", pointer=pointer) from None


def _not_json(text: bytes, error: Exception) -> str:
    if MASK in text:
        return "A lone surrogate, such as '\\ud83d', can stand only in a body, because it cannot be encoded."
    if not text.strip():
        return "This is empty. Send a JSON object or array."
    hint = " There is a comma before a closing bracket." if _TRAILING_COMMA.search(text[-_LAST:]) else ""
    return f"This is not valid JSON: {error}.{hint}"


def _pointer(place: str) -> str:
    """A JSON Pointer for a place such as `.depends_on[0]`. The keys of dicts are unknown (`.headers[...]`)."""
    return re.sub(r"\.|\[(\d+)\]", r"/\1", place.replace("[...]", ""))


def read_array(raw: Raw | bytes, limit: int, *, commas: int, pointer: str) -> list[Raw]:
    """The elements of a JSON array. Raises `TooManyRequests` if there are more than `limit`.

    `commas` is the number of commas in `raw`, or a larger number. It bounds the number of elements, so that a list of
    millions is never held in memory.
    """
    if commas <= _FEW * limit:
        elements = read(raw, _list, pointer=pointer)
    else:
        most = 2 ** commas.bit_length()  # elements; a power of two, so that few decoders have to be cached
        places = msgspec.structs.astuple(read(raw, _array(min(limit + 1, most)), pointer=pointer))
        elements = [element for element in places if element is not UNSET]
    if len(elements) > limit:
        detail = f"The batch has more than {limit} sub-requests. Split it into several batches."
        raise TooManyRequests(detail, pointer=pointer)
    return elements


@lru_cache(maxsize=32)
def _array(size: int) -> Decoder[Struct]:
    # A struct with `size` fields. msgspec skips all further elements, where a list would hold millions of them.
    places = [(f"place_{number}", Raw | UnsetType, UNSET) for number in range(size)]
    return Decoder(msgspec.defstruct("Array", places, array_like=True))


def read_members(raw: Raw | bytes, *, pointer: str = "") -> dict[str, Raw]:
    """The members of a JSON object, without annotations, whose names have `@` or `.` (OData JSON 4.01 §4.6)."""
    members = read(raw, MEMBERS, pointer=pointer)
    check_repeated(raw, pointer=pointer)
    return {name: value for name, value in members.items() if "@" not in name and "." not in name}


class _Name(str):
    """A name that is equal only to itself, so that a dict keeps both of two members with the same name."""

    __slots__ = ()
    __hash__ = object.__hash__
    __eq__ = object.__eq__


_all_members = Decoder(dict[_Name, Raw], dec_hook=lambda kind, name: _Name(name))


def check_repeated(raw: Raw | bytes, *, pointer: str) -> None:
    """Raise `Malformed` if a JSON object has a member twice, because only one of the two could be obeyed."""
    names: set[str] = set()
    for each in _all_members.decode(raw):
        name = str(each)
        if name in names:
            detail = f"The member {listed([name])} appears twice. Keep one."
            raise Malformed(detail, pointer=f"{pointer}/{token(name)}")
        names.add(name)


def unknown_members(members: Iterable[str], known: Collection[str]) -> list[Malformed]:
    """Errors for the first few of `members` that are not `known`."""
    unknown = [name for name in members if name not in known]
    return [unknown_member(name, known, pointer="") for name in unknown[:_MAX_UNKNOWN]]


def unknown_member(name: str, known: Iterable[str], *, pointer: str) -> Malformed:
    """The error for the member `name`, which is not one of `known`."""
    close = get_close_matches(name[:_LONGEST_GUESS], known, n=1)
    if "body" in known and name in _HABITS:
        return Malformed(f"Unknown member {name!r}. {_HABITS[name]}", pointer=f"{pointer}/{token(name)}")
    hint = f"Did you mean {close[0]!r}?" if close else f"The known members are {', '.join(known)}."
    return Malformed(f"Unknown member {name!r}. {hint}", pointer=f"{pointer}/{token(name)}")


def token(name: str) -> str:
    """`name` escaped for a JSON Pointer (RFC 6901 §3)."""
    return name.replace("~", "~0").replace("/", "~1")
