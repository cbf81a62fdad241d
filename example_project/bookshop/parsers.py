from collections.abc import Mapping
from typing import IO, Any

from django.core.files.base import ContentFile
from rest_framework.parsers import BaseParser


class PngParser(BaseParser):
    """Takes a picture as the whole body, as if it had come in the form field `cover`."""

    media_type = "image/png"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, ContentFile]:
        return {"cover": ContentFile(stream.read(), name="cover.png")}
