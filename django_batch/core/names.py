"""Names in error messages: a suggestion for a misspelled name, and short lists of names.

A sender may write a million names, or a single name of a megabyte. So only a few names are listed, and only short ones
are compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_MAX_LISTED = 8
_MAX_COMPARED = 100
_LONGEST = 50  # characters of a name; comparing two names takes time in proportion to the product of their lengths


def hint(name: str, known: Iterable[str]) -> str:
    """A sentence that suggests the closest of `known` for `name`, or lists `known` if none is close."""
    known = [*islice(known, _MAX_COMPARED)]
    close = get_close_matches(name[:_LONGEST], [each for each in known if len(each) <= _LONGEST], n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"There are {listed(known)}." if known else "There are none."


def listed(names: Iterable[str]) -> str:
    """The first few of `names`, quoted and shortened. "…" stands for everything left out."""
    found = [*islice(names, _MAX_LISTED + 1)]
    shown = [repr(each if len(each) <= _LONGEST else f"{each[:_LONGEST]}…") for each in found[:_MAX_LISTED]]
    return ", ".join(shown) + (", …" if len(found) > _MAX_LISTED else "")
