"""What a Content-Type says of a body."""

from __future__ import annotations

import re

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s;"]+)', re.IGNORECASE)
_JSON = re.compile(r"application/(.+\+)?json")
_TEXT = re.compile(r"text/.+|application/((.+\+)?xml|javascript|x-www-form-urlencoded)")


def charset_of(content_type: str) -> str | None:
    """The charset parameter of `content_type`, in lower case."""
    found = _CHARSET.search(content_type)
    return found[1].lower() if found else None


def is_json(content_type: str) -> bool:
    """Whether `content_type` is JSON or has its suffix (RFC 6839 §3.1)."""
    return content_type == "application/json" or bool(_JSON.fullmatch(media_type_of(content_type)))


def is_text(content_type: str) -> bool:
    """Whether a body of `content_type` is text: by its type, or because it names a charset."""
    return bool(_TEXT.fullmatch(media_type_of(content_type))) or charset_of(content_type) is not None


def media_type_of(content_type: str) -> str:
    """The type and subtype of `content_type`, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def text_of(body: bytes, content_type: str) -> str | None:
    """`body` in the charset of `content_type` (UTF-8 if it names none), or None if it is no text in it."""
    try:
        return body.decode(charset_of(content_type) or "utf-8")
    except (ValueError, LookupError):  # not only UnicodeDecodeError: of a codec that decodes nothing
        return None
