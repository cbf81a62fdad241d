"""Bodies inside a JSON envelope: a JSON value as it is, text as a string, all else as base64."""

from __future__ import annotations

from base64 import b64encode

import msgspec

from django_batch.core.media_types import is_json, is_text, text_of


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
    text = text_of(body, content_type)
    try:
        return None if text is None else msgspec.json.encode(text)
    except UnicodeEncodeError:  # of a lone surrogate, which UTF-7 can write
        return None
