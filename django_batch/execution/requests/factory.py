"""From a sub-request to the `HttpRequest` that the site would get if it were sent alone.

A sub-request inherits what the server knows of the sender by one allow-list, and takes what its item may say by
another; nothing else gets in. Credentials are handed down, never a user: each sub-request's own middleware and its
authenticators decide who the sender is. A view that does not take these credentials would let an attached user in.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from django.core.exceptions import BadRequest, DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from msgspec.structs import replace

from django_batch.core.batch import Subrequest
from django_batch.core.media_types import has_known_charset
from django_batch.errors import Malformed, MethodNotAllowed, OutsideScriptPrefix
from django_batch.execution.internals import marks_of_tests
from django_batch.execution.requests.headers import ItemHeaders, inherited_meta, wsgi_text
from django_batch.execution.requests.templates import ASGITemplate, WSGITemplate
from django_batch.execution.requests.uploads import Upload
from django_batch.requests import RequestBatch

_MAX_TEMPLATES = 64  # kept per batch
Pairs = tuple[tuple[str, str], ...]  # names and values


class SubrequestFactory:
    """Builds the sub-requests of one batch. `parent` is the request that carries it."""

    def __init__(self, parent: HttpRequest, *, allowed_headers: Collection[str], methods: Collection[str]) -> None:
        self._parent = parent
        self._inherited = inherited_meta(parent)
        self._methods = tuple(methods)
        self._headers = ItemHeaders(parent, allowed_headers)
        self._script_prefix = wsgi_text(parent.META.get("SCRIPT_NAME", "")).rstrip("/")  # Django has decoded it
        self._templates: dict[object, WSGITemplate | ASGITemplate] = {}
        self._marks = marks_of_tests(parent)

    def build(self, subrequest: Subrequest, *, cookies: Pairs, batch: RequestBatch | None = None) -> HttpRequest:
        """The request that `subrequest` is, with what it has of its `batch`.

        Raises a `BatchError` if it may not be sent.
        """
        if subrequest.method not in self._methods:
            raise self._method_not_allowed(subrequest)
        upload = Upload(subrequest) if subrequest.files else None
        sent = replace(subrequest, headers=upload.headers) if upload else subrequest
        path, _, query = sent.path.partition("?")
        path_info = self.path_info(path, sent.pointer)
        try:
            template = self._templates.get((sent.headers, cookies)) or self._template(sent, cookies)
            body, length = (upload.stream(), upload.size) if upload else (BytesIO(sent.body), len(sent.body))
            request = template.make(sent, path_info, query=query, body=body, length=length)
        except (BadRequest, ValueError, LookupError) as error:  # in a Content-Type, or a lone surrogate
            raise Malformed(f"This request cannot be read: {error}", pointer=sent.pointer) from None
        fields = vars(request)
        if self._marks:
            fields.update(self._marks)
        fields["batch"] = batch or RequestBatch(self._parent, subrequest)
        return request

    def path_info(self, path: str, pointer: str) -> str:
        """`path` without the script prefix, as a WSGI server decodes it (PEP 3333)."""
        decoded = unquote_to_bytes(path).decode("latin-1") if "%" in path or not path.isascii() else path
        prefix = self._script_prefix
        if not prefix and decoded[:1] == "/":
            return decoded
        if decoded != prefix and not decoded.startswith(f"{prefix}/"):
            detail = f"{path!r} is outside the script prefix {prefix!r}, where this site has nothing."
            raise OutsideScriptPrefix(detail, pointer=f"{pointer}/path")
        return decoded[len(prefix) :]

    def _template(self, subrequest: Subrequest, cookies: Pairs) -> WSGITemplate | ASGITemplate:
        """The template for all sub-requests with the same headers."""
        if len(self._templates) >= _MAX_TEMPLATES:
            self._templates.clear()
        meta: dict[str, Any] = {**self._inherited, **dict(cookies), **dict(self._headers.read(subrequest))}
        if not has_known_charset(content_type := meta.get("CONTENT_TYPE", "")):  # Django would ask Python for the codec
            raise ValueError(f"the charset of {content_type!r} is not one that is read here. Send UTF-8.")
        template: WSGITemplate | ASGITemplate
        if isinstance(self._parent, ASGIRequest):
            template = ASGITemplate(meta, self._parent.scope)
        else:
            script_name = wsgi_text(meta.get("SCRIPT_NAME", ""))
            template = WSGITemplate({**meta, "SCRIPT_NAME": script_name, "wsgi.errors": sys.stderr})
        self._templates[subrequest.headers, cookies] = template
        return template

    def _method_not_allowed(self, subrequest: Subrequest) -> MethodNotAllowed:
        allow = ", ".join(self._methods)
        detail = f"The method {subrequest.method!r} is not one of {allow}."
        return MethodNotAllowed(detail, pointer=f"{subrequest.pointer}/method", headers={"Allow": allow})


def absolute_url(parent: HttpRequest) -> str:
    """The URL of a batch."""
    try:
        return parent.build_absolute_uri(parent.path)
    except DisallowedHost:  # where no middleware minds, requests alone are answered, and so is a batch
        return f"{parent.scheme}://{parent.META['SERVER_NAME']}{parent.path}"
