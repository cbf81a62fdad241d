"""Django's own requests, for sub-requests that differ in nothing but method, path and body.

Django makes the first request of each set of headers. The others are copies of what it made, with what is their own:
nothing of a request's class is overridden, so that nobody can tell one from a request that a server has made.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import unquote

from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import LimitedStream, WSGIRequest, get_path_info
from django.http import HttpRequest

from django_batch.core.batch import Subrequest

_SCOPE = ("type", "asgi", "http_version", "scheme", "client", "server", "root_path")  # keys that are the server's own


class WSGITemplate:
    """Makes requests as `WSGIRequest(environ)` does."""

    def __init__(self, meta: Mapping[str, Any]) -> None:
        own = {"REQUEST_METHOD": "GET", "PATH_INFO": "", "QUERY_STRING": "", "CONTENT_LENGTH": "0"}
        request = WSGIRequest({**own, "wsgi.input": BytesIO(), "wsgi.version": (1, 0), **meta})
        self._fields = vars(request)
        self._prefix = request.path

    def make(self, subrequest: Subrequest, path_info: str, *, query: str, body: Any, length: int) -> HttpRequest:
        """The request for `subrequest`. `path_info` is decoded as PEP 3333 says."""
        request = WSGIRequest.__new__(WSGIRequest)
        request.__dict__ = fields = self._fields.copy()
        fields["environ"] = fields["META"] = environ = fields["environ"].copy()
        fields["method"] = environ["REQUEST_METHOD"] = subrequest.method
        environ["PATH_INFO"] = path_info
        environ["QUERY_STRING"] = query if query.isascii() else query.encode().decode("latin-1")
        environ["CONTENT_LENGTH"] = str(length)
        environ["wsgi.input"] = body
        if not path_info or not path_info.isascii():
            environ["PATH_INFO"] = path_info = get_path_info(environ) or "/"
        fields["path_info"] = path_info
        fields["path"] = self._prefix + path_info[1:]
        fields["content_params"] = fields["content_params"].copy()
        fields["_stream"] = LimitedStream(body, length)
        return request


class ASGITemplate:
    """Makes requests as `ASGIRequest(scope, body)` does. `scope` is that of the request that carries the batch."""

    def __init__(self, meta: Mapping[str, Any], scope: Mapping[str, Any]) -> None:
        headers = [(_header(key), value.encode("latin-1")) for key, value in meta.items() if _is_header(key)]
        self._scope = {
            **{key: scope[key] for key in _SCOPE if key in scope},
            "scheme": meta["wsgi.url_scheme"],
            "method": "GET",
            "path": f"{scope.get('root_path', '')}/",
            "headers": headers,
        }
        self._fields = vars(ASGIRequest(self._scope, BytesIO()))
        given = {key: value for key, value in meta.items() if not _is_header(key) and not key.startswith("wsgi.")}
        self._meta = {**self._fields["META"], **given, "SCRIPT_NAME": self._fields["META"]["SCRIPT_NAME"]}

    def make(self, subrequest: Subrequest, path_info: str, *, query: str, body: Any, length: int) -> HttpRequest:
        """The request for `subrequest`, whose path is taken as it was sent."""
        sent = subrequest.path.partition("?")[0]
        path, length_header = unquote(sent), b"%d" % length
        request = ASGIRequest.__new__(ASGIRequest)
        request.__dict__ = fields = self._fields.copy()
        fields["scope"] = {
            **self._scope,
            "method": subrequest.method,
            "path": path,
            "raw_path": sent.encode(),
            "query_string": query.encode(),
            "headers": [*self._scope["headers"], (b"content-length", length_header)],
        }
        path_info = path[len(fields["script_name"].rstrip("/")) :]
        own = {"REQUEST_METHOD": subrequest.method, "QUERY_STRING": query, "PATH_INFO": path_info}
        fields["META"] = {**self._meta, **own, "CONTENT_LENGTH": str(length)}
        fields |= {"path": path, "path_info": path_info, "method": subrequest.method, "_stream": body}
        fields["content_params"] = fields["content_params"].copy()
        return request


def _is_header(key: str) -> bool:
    return key.startswith("HTTP_") or key == "CONTENT_TYPE"


def _header(key: str) -> bytes:
    return key.removeprefix("HTTP_").replace("_", "-").lower().encode()
