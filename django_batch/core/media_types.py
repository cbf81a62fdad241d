"""Media types: the type and charset that a Content-Type names, and the types that an Accept header asks for.

Senders write both headers, so two rules protect the process. Only charsets on a short list are ever looked up: some of
Python's codecs need quadratic time, and Python remembers every unknown name until the process ends. And only short
values are cached.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")
LONGEST_VALUE = 8 * 2**10  # characters of a header value; most servers accept no longer one
_LONGEST_KEY = 100  # characters of a value that is cached
# The charsets that browsers know (WHATWG Encoding), under the names that Python uses for them.
CHARSETS = frozenset(
    """
    utf-8 utf8 utf-16 utf-16le utf-16be utf-16-le utf-16-be ascii us-ascii latin-1 latin1 iso8859-1 iso_8859-1
    iso-8859-1 iso-8859-2 iso-8859-3 iso-8859-4 iso-8859-5 iso-8859-6 iso-8859-7 iso-8859-8 iso-8859-9
    iso-8859-10 iso-8859-11 iso-8859-13 iso-8859-14 iso-8859-15 iso-8859-16 windows-1250 windows-1251
    windows-1252 windows-1253 windows-1254 windows-1255 windows-1256 windows-1257 windows-1258 cp1250 cp1251
    cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 koi8-r koi8-u shift_jis shift-jis sjis euc-jp iso-2022-jp
    gbk gb2312 gb18030 big5 big5-hkscs euc-kr
    """.split()  # noqa: SIM905  # a list of strings would take one line for each
)

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s;"]+)', re.IGNORECASE)
_JSON = re.compile(r"application/(.+\+)?json")
_QUALITY = re.compile(r";\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE)  # RFC 9110 §12.4.2
_TEXT = re.compile(r"text/.+|application/((.+\+)?xml|javascript|x-www-form-urlencoded)")


def kept(maxsize: int) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    """A decorator that caches up to `maxsize` results of a function of one text, except those for long texts."""

    def decorate(function: Callable[[str], T]) -> Callable[[str], T]:
        cached = lru_cache(maxsize)(function)

        def call(text: str) -> T:
            return cached(text) if len(text) <= _LONGEST_KEY else function(text)

        return call

    return decorate


@kept(maxsize=256)
def charset_of(content_type: str) -> str | None:
    """The charset parameter of `content_type`, in lower case. Look it up only if it is in `CHARSETS`."""
    found = _CHARSET.search(content_type)
    return found[1].lower() if found else None


@kept(maxsize=256)
def has_known_charset(content_type: str) -> bool:
    """Whether every charset that Django may look up for `content_type` is in `CHARSETS`.

    Django reads parameters more liberally than `charset_of`, so every parameter that could be a charset is checked.
    """
    if ";" not in content_type:
        return True
    if len(content_type) > LONGEST_VALUE:
        return False
    return all(map(_is_known, content_type.lower().split(";")[1:]))


def _is_known(parameter: str) -> bool:
    """Whether `parameter`, in lower case, names only known charsets, as its value or in the form of RFC 2231."""
    name, _, value = (each.strip() for each in parameter.partition("="))
    if "charset" in name:
        return value in CHARSETS or (value[:1] == value[-1:] == '"' and value[1:-1] in CHARSETS)
    # RFC 2231 allows `name*=utf-8''text`. Its continuations (`name*0*=`) are not allowed here, because they could put
    # the name of a charset together from pieces.
    return "*" not in name or (name.endswith("*") and value.lstrip('"').partition("'")[0] in CHARSETS)


def is_json(content_type: str) -> bool:
    """Whether `content_type` is JSON or ends in `+json` (RFC 6839 §3.1)."""
    return content_type == "application/json" or bool(_JSON.fullmatch(media_type_of(content_type)))


def is_plain_text(content_type: str) -> bool:
    """Whether `content_type` is of the top-level type text."""
    return media_type_of(content_type).startswith("text/")


def is_text(content_type: str) -> bool:
    """Whether a body of `content_type` is text: by its type, or because it names a charset."""
    return bool(_TEXT.fullmatch(media_type_of(content_type))) or charset_of(content_type) is not None


@kept(maxsize=256)
def media_type_of(content_type: str) -> str:
    """The type and subtype of `content_type`, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def text_of(body: bytes, content_type: str) -> str | None:
    """`body` decoded with the charset of `content_type` (default: UTF-8), or None if that is not possible."""
    charset = charset_of(content_type) or "utf-8"
    try:
        return body.decode(charset) if charset in CHARSETS else None
    except UnicodeDecodeError:
        return None


def preferred(accept: str, offers: tuple[str, ...]) -> str:
    """The one of `offers` that `accept` wants most (RFC 9110 §12.5.1), or the first if it wants none of them.

    Among offers of equal quality, one that `accept` names exactly wins over a wildcard, and earlier offers win over
    later ones.
    """
    return (_kept_choice if len(accept) <= _LONGEST_KEY else _choice)(accept, offers)


def _choice(accept: str, offers: tuple[str, ...]) -> str:
    wanted = [*_ranges(accept)]

    def weight(offer: str) -> tuple[float, int]:
        kind = offer.partition("/")[0]
        names = (offer, f"{kind}/*", "*/*")
        found = [(names.index(name), quality) for name, quality in wanted if name in names]
        place, quality = min(found, default=(len(names), 0.0))
        return quality, -place

    return max(offers, key=weight)


_kept_choice = lru_cache(maxsize=64)(_choice)


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Each media range with its quality, which is 1 if it cannot be read."""
    for each in accept.split(","):
        found = _QUALITY.search(each)
        yield media_type_of(each), float(found[1]) if found else 1.0
