"""Bodies inside a JSON envelope: a JSON value as it is, text as a string, all else as base64."""

from __future__ import annotations

import re
from base64 import b64encode

import msgspec

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s;"]+)', re.IGNORECASE)
_JSON = re.compile(r"application/(.+\+)?json")
_TEXT = re.compile(r"text/.+|application/((.+\+)?xml|javascript|x-www-form-urlencoded)")


def charset_of(content_type: str) -> str | None:
    """The charset parameter of `content_type`, in lower case."""
    found = _CHARSET.search(content_type)
    return found[1].lower() if found else None


def is_json(content_type: str) -> bool:
    """Whether `content_type` is JSON or has its suffix (RFC 6839 §3.1)."""
    return content_type == "application/json" or bool(_JSON.fullmatch(_media_type(content_type)))


def is_text(content_type: str) -> bool:
    """Whether a body of `content_type` is text: by its type, or because it names a charset."""
    return bool(_TEXT.fullmatch(_media_type(content_type))) or charset_of(content_type) is not None


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def is_json_text(body: bytes) -> bool:
    """Whether `body` is one JSON value in UTF-8, and so may stand unquoted inside another.

    msgspec checks the syntax but not the UTF-8 inside strings, where a stray byte could hide the end of one.
    """
    try:
        if not body.isascii():
            body.decode()
        msgspec.json.decode(body, type=msgspec.Raw)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True


def json_body(body: bytes, content_type: str, *, encoded: bool) -> tuple[bytes, bytes | None]:
    """Two JSON texts: the value that stands for `body`, and its base64 where no value can.

    `encoded` tells of a content coding such as gzip, which makes any type binary.
    """
    if not body:
        return b"null", None
    if not encoded and (value := _value(body, content_type)):
        return value, None
    return b"null", b'"%b"' % b64encode(body)


def _value(body: bytes, content_type: str) -> bytes | None:
    if is_json(content_type):
        return body if is_json_text(body) else _string(body, content_type)
    return _string(body, content_type) if is_text(content_type) else None


def _string(body: bytes, content_type: str) -> bytes | None:
    """`body` as a JSON string, unless it is no text in its own charset (by default UTF-8)."""
    try:
        return msgspec.json.encode(body.decode(charset_of(content_type) or "utf-8"))
    except (UnicodeDecodeError, LookupError):
        return None
