"""The pictures of a batch, for the console: asked for with the text of the batch, and when its items ran.

Nothing is run. The batch is read and planned by the same functions as one that is sent, so that what is wrong with it
is told in the same words, and the pictures show what an executor would be given.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from django.http import HttpResponse
from msgspec import Meta, Struct
from msgspec.structs import replace
from rest_framework.request import Request

from django_batch.carrier.envelopes import read_envelope
from django_batch.console import DRAWING
from django_batch.console.graph import graph
from django_batch.console.items import Answer, picture
from django_batch.console.waterfall import waterfall
from django_batch.core.plan import plan
from django_batch.dialects.base import Envelope
from django_batch.dialects.native import NativeDialect
from django_batch.errors import BatchError, Malformed

_BYTES_OF_ANSWER = 200  # at most, in a request for pictures
_NARROWEST, _WIDEST = 260.0, 2_000.0


class Drawing(Struct, frozen=True):
    """What is asked for. `width` is the room for the pictures, in pixels; `answers` are there once the batch ran."""

    batch: str
    answers: list[Answer] = []
    width: Annotated[float, Meta(ge=0, le=10_000)] = 800.0


_drawing = msgspec.json.Decoder(Drawing)


def drawn(request: Request, view: Any, dialect: NativeDialect) -> HttpResponse:
    """The pictures that `request` asks for, as JSON, or the refusal that its batch would get if it were sent."""
    try:
        envelope = read_envelope(
            request,
            media_types=(DRAWING,),
            max_size=view.max_size + _BYTES_OF_ANSWER * view.max_requests,
            max_requests=view.max_requests,
        )
        pictures = _draw(envelope, dialect, parallel_writes=view.parallel_writes)
    except BatchError as error:
        return HttpResponse(dialect.write_error(error), status=error.status, content_type=dialect.error_content_type)
    return HttpResponse(msgspec.json.encode(pictures), content_type="application/json")


def _draw(envelope: Envelope, dialect: NativeDialect, *, parallel_writes: bool) -> dict[str, str]:
    try:
        drawing = _drawing.decode(envelope.body)
        text = drawing.batch.encode()
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Malformed(f"The drawing cannot be read: {error}") from None
    batch = dialect.parse(replace(envelope, body=text, content_type="application/json"))
    room = min(max(drawing.width, _NARROWEST), _WIDEST)
    shown = picture(plan(batch, parallel_writes=parallel_writes), drawing.answers)
    pictures = {"graph": graph(shown, room=room)}
    if drawing.answers:
        pictures["waterfall"] = waterfall(shown.marks, room=room)
    return pictures
