"""What a Content-Type says of a body, and an Accept header of the one that is wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s;"]+)', re.IGNORECASE)
_JSON = re.compile(r"application/(.+\+)?json")
_QUALITY = re.compile(r";\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE)  # RFC 9110 §12.4.2
_TEXT = re.compile(r"text/.+|application/((.+\+)?xml|javascript|x-www-form-urlencoded)")


@lru_cache(maxsize=256)  # as most messages of a site are of few types
def charset_of(content_type: str) -> str | None:
    """The charset parameter of `content_type`, in lower case."""
    found = _CHARSET.search(content_type)
    return found[1].lower() if found else None


def is_json(content_type: str) -> bool:
    """Whether `content_type` is JSON or has its suffix (RFC 6839 §3.1)."""
    return content_type == "application/json" or bool(_JSON.fullmatch(media_type_of(content_type)))


def is_plain_text(content_type: str) -> bool:
    """Whether `content_type` is of the top-level type text."""
    return media_type_of(content_type).startswith("text/")


def is_text(content_type: str) -> bool:
    """Whether a body of `content_type` is text: by its type, or because it names a charset."""
    return bool(_TEXT.fullmatch(media_type_of(content_type))) or charset_of(content_type) is not None


@lru_cache(maxsize=256)
def media_type_of(content_type: str) -> str:
    """The type and subtype of `content_type`, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def text_of(body: bytes, content_type: str) -> str | None:
    """`body` in the charset of `content_type` (UTF-8 if it names none), or None if it is no text in it."""
    try:
        return body.decode(charset_of(content_type) or "utf-8")
    except (ValueError, LookupError):  # not only UnicodeDecodeError: of a codec that decodes nothing
        return None


@lru_cache(maxsize=64)
def preferred(accept: str, offers: tuple[str, ...]) -> str:
    """The one of `offers` that `accept` wants most (RFC 9110 §12.5.1): where it wants several alike, the one that it
    names, then the first, as where it wants none of them.

    Kept, as clients say the same each time: 1 % of a batch of one.
    """
    wanted = [*_ranges(accept)]

    def weight(offer: str) -> tuple[float, int]:
        kind = offer.partition("/")[0]
        names = (offer, f"{kind}/*", "*/*")
        found = [(names.index(name), quality) for name, quality in wanted if name in names]
        place, quality = min(found, default=(len(names), 0.0))
        return quality, -place

    return max(offers, key=weight)


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Each media range with its quality, which is 1 where none can be read."""
    for each in accept.split(","):
        found = _QUALITY.search(each)
        yield media_type_of(each), float(found[1]) if found else 1.0
