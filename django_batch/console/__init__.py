"""The console: a page at the URL of a batch, on which a batch is written, sent, and looked at.

What every request asks is here. The page and the pictures are imported by those who want them.
"""

from __future__ import annotations

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest

from django_batch.core.media_types import preferred

# A type of our own for requests for pictures. No dialect reads it, and no page of another site can send it unasked.
DRAWING = "application/vnd.django-batch.drawing+json"


def is_on(console: bool | None) -> bool:
    """Whether the setting `CONSOLE` offers the console. By default it follows DEBUG, where a site serves its files."""
    return settings.DEBUG and apps.is_installed("django.contrib.staticfiles") if console is None else console


def is_asked_for(request: HttpRequest) -> bool:
    """Whether the sender of `request` would rather have HTML than JSON, as a browser would."""
    return preferred(request.META.get("HTTP_ACCEPT", ""), ("application/json", "text/html")) == "text/html"


def is_drawing(request: HttpRequest) -> bool:
    """Whether `request` asks for pictures, and carries no batch to be run."""
    return request.content_type == DRAWING
