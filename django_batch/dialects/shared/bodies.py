"""Bodies inside a JSON envelope: a JSON value as it is, text as a string, all else as base64."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error

import msgspec
from msgspec import Raw
from msgspec.json import Decoder

from django_batch.core.media_types import charset_of, is_json, is_text, text_of
from django_batch.dialects.shared.json_text import read
from django_batch.errors import Malformed

_text = Decoder(str)
_any = Decoder(Raw)
_URL_ALPHABET = str.maketrans("-_", "+/")


def is_json_text(body: bytes) -> bool:
    """Whether `body` is one JSON value in UTF-8, and so may stand unquoted inside another.

    msgspec checks the syntax but not the UTF-8 inside strings, where a stray byte could hide the end of one.
    """
    try:
        if not body.isascii():
            body.decode()
        _any.decode(body)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True


def from_base64(text: str, *, pointer: str) -> bytes:
    """The bytes that `text` stands for. Raises `Malformed`."""
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        raise Malformed(f"This is not base64 (RFC 4648 §4): {error}.", pointer=pointer) from None


def from_base64url(text: str, *, pointer: str) -> bytes:
    """The bytes that `text` stands for, in the alphabet of URLs or the other, padded or not. Raises `Malformed`."""
    text = text.translate(_URL_ALPHABET).rstrip("=")
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (Base64Error, ValueError) as error:
        raise Malformed(f"This is not base64url (RFC 4648 §5): {error}.", pointer=pointer) from None


def from_json(raw: Raw, content_type: str, *, pointer: str) -> bytes | memoryview:
    """The bytes for a view: of JSON its text unchanged, else those of a string in the charset of its type."""
    charset = charset_of(content_type) or "utf-8"
    try:
        if not is_json(content_type):
            return read(raw, _text, pointer=pointer).encode(charset)
        return memoryview(raw) if charset == "utf-8" else bytes(raw).decode().encode(charset)
    except Malformed as error:
        raise Malformed(f"{error.detail} The body of {content_type} is a string.", pointer=pointer) from None
    except LookupError:
        raise Malformed(f"The charset {charset!r} is unknown. Send 'body_base64' instead.", pointer=pointer) from None
    except ValueError as error:  # not only UnicodeEncodeError: of a codec that encodes nothing, or a name with a NUL
        raise Malformed(f"The body has no form in {charset!r}: {error}.", pointer=pointer) from None


def json_body(body: bytes, content_type: str, *, encoded: bool) -> tuple[bytes, bytes | None]:
    """Two JSON texts: the value that stands for `body`, and its base64 where no value can.

    `encoded` tells of a content coding such as gzip, which makes any type binary.
    """
    if not body:
        return b"null", None
    if not encoded and (is_json(content_type) or is_text(content_type)) and (value := json_value(body, content_type)):
        return value, None
    return b"null", b'"%b"' % b64encode(body)


def json_value(body: bytes, content_type: str) -> bytes | None:
    """The JSON text of the value or the string that `body` is, or None if it is no text in its charset."""
    return body if is_json(content_type) and is_json_text(body) else _string(body, content_type)


def _string(body: bytes, content_type: str) -> bytes | None:
    text = text_of(body, content_type)
    try:
        return None if text is None else msgspec.json.encode(text)
    except UnicodeEncodeError:  # of a lone surrogate, which UTF-7 can write
        return None
