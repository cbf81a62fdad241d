"""Idempotency keys (draft-ietf-httpapi-idempotency-key-header): how they are written, and how they are stored.

A key belongs to its sender and to one URL. The database holds only digests, of fixed length and without the key.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256

from django_batch.core.batch import Subrequest
from django_batch.errors import Malformed

_STRING = re.compile(r'"((?:[^"\\]|\\["\\])*)"')  # RFC 8941 §3.3.3
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def read_key(text: str, *, pointer: str = "") -> str:
    """The key in a header or a member, bare or as a quoted string. Raises `Malformed`."""
    quoted = _STRING.fullmatch(text.strip())
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text.strip()
    if not _KEY.fullmatch(key):
        raise Malformed("An idempotency key has 1 to 255 visible ASCII characters.", pointer=pointer)
    return key


def scoped(kind: str, user_key: str, path: str, key: str) -> str:
    """The digest under which `key` is stored. `kind` keeps the keys of batches and those of items apart."""
    return sha256(json.dumps([kind, user_key, path, key]).encode()).hexdigest()


def fingerprint_of_batch(content_type: str, body: bytes) -> str:
    """A digest that is the same if the same batch is sent again."""
    return sha256(b"%b\n%b" % (content_type.encode(), body)).hexdigest()


def fingerprint_of_item(subrequest: Subrequest) -> str:
    """A digest that is the same if the same item is sent again, in whatever batch."""
    sent = [subrequest.method, subrequest.path, sorted(subrequest.headers), subrequest.atomicity_group is not None]
    return sha256(json.dumps(sent).encode() + b"\n" + bytes(subrequest.body)).hexdigest()
