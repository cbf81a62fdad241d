"""From the HTTP request that carries a batch to the `Envelope` that its dialect reads."""

from __future__ import annotations

from django.http import HttpRequest, UnreadablePostError

from django_batch.dialects.base import Envelope
from django_batch.errors import Malformed, TooLarge


def read_envelope(request: HttpRequest, *, max_size: int, max_requests: int) -> Envelope:
    """What `request` carries. Raises `TooLarge` past `max_size` bytes, if possible before anything is read."""
    return Envelope(
        _body(request, max_size),
        content_type=request.META.get("CONTENT_TYPE", ""),
        url=request.build_absolute_uri(request.path),
        max_requests=max_requests,
        headers=request.headers,
    )


def _body(request: HttpRequest, max_size: int) -> bytes:
    try:
        declared = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        declared = 0
    try:
        body = b"" if declared > max_size else request.read(max_size + 1)
    except UnreadablePostError as error:
        raise Malformed("The batch could not be read to its end.") from error
    if max(declared, len(body)) > max_size:
        raise TooLarge(f"The batch has more than {max_size} bytes. Send it in several.")
    return body
