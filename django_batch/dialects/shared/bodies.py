"""Bodies inside a JSON batch: a JSON value as it is, text as a string, anything else as base64.

JSON is never decoded and encoded again. It is only checked, and then copied as bytes. The check includes UTF-8, which
msgspec does not check inside strings, because a stray byte could hide the end of a string and forge further items.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error

import msgspec
from msgspec import Raw
from msgspec.json import Decoder

from django_batch.core.media_types import charset_of, is_json, is_text, text_of
from django_batch.dialects.shared.json_text import INVALID_JSON, MASK, STRING, is_masked, masked, read
from django_batch.errors import Malformed

_any = Decoder(Raw)
_URL_ALPHABET = str.maketrans("-_", "+/")


def is_json_text(body: bytes, *, lone_surrogates: bool = False) -> bool:
    """Whether `body` is one JSON value in UTF-8, so that it may be copied into another JSON text.

    With `lone_surrogates`, escapes of lone surrogates are allowed too, as in a body that a sender writes for a view.
    """
    try:
        if not body.isascii():
            body.decode()
        _any.decode(masked(body) if lone_surrogates else body)
    except (*INVALID_JSON, RecursionError):
        return False
    return True


def from_base64(text: str, *, pointer: str) -> bytes:
    """The bytes that `text` encodes. Raises `Malformed`."""
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        raise Malformed(f"This is not base64 (RFC 4648 §4): {error}.", pointer=pointer) from None


def from_base64url(text: str, *, pointer: str) -> bytes:
    """The bytes that `text` encodes, in the URL alphabet or the standard one, padded or not. Raises `Malformed`."""
    text = text.translate(_URL_ALPHABET).rstrip("=")
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (Base64Error, ValueError) as error:
        raise Malformed(f"This is not base64url (RFC 4648 §5): {error}.", pointer=pointer) from None


def text_of_body(raw: Raw) -> bytes | memoryview:
    """The JSON text of a body as it was sent: a view of the batch, or a copy if lone surrogates were masked."""
    return bytes(raw).replace(MASK, b"\\") if is_masked(raw) else memoryview(raw)


def from_json(raw: Raw, content_type: str, *, pointer: str) -> bytes | memoryview:
    """The bytes for a view: the unchanged text of a JSON body, or a string encoded in the charset of its type."""
    charset = charset_of(content_type) or "utf-8"
    try:
        if not is_json(content_type):
            return read(raw, STRING, pointer=pointer).encode(charset)
        text = text_of_body(raw)
        return text if charset in ("utf-8", "utf8") else bytes(text).decode().encode(charset)
    except Malformed as error:
        raise Malformed(f"{error.detail} A body of {content_type} must be a string.", pointer=pointer) from None
    except UnicodeEncodeError as error:
        detail = f"The body has a character that does not exist in {charset!r}: {error.object[error.start]!r}."
        raise Malformed(f"{detail} Send it in utf-8.", pointer=pointer) from None


def json_body(body: bytes, content_type: str, *, encoded: bool) -> tuple[bytes, bytes | None]:
    """Two JSON texts: the value of `body`, and, if it has no JSON value, its base64 (else None).

    If the body is `encoded` with a content coding such as gzip, it is binary, whatever its type.
    """
    if not body:
        return b"null", None
    value = None if encoded else json_value(body, content_type)
    return (b"null", b'"%b"' % b64encode(body)) if value is None else (value, None)


def json_value(body: bytes, content_type: str) -> bytes | None:
    """The JSON text of `body`, as a value or a string, or None if it is neither JSON nor text in its charset."""
    said_to_be_json = is_json(content_type)
    if said_to_be_json and is_json_text(body):
        return body
    text = text_of(body, content_type) if said_to_be_json or is_text(content_type) else None
    return None if text is None else msgspec.json.encode(text)
