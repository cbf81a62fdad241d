"""What a job keeps of the request that brought it: where it came from, and by which URL, never who sent it."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

from django_batch.execution.chain.handler import remote_user_keys
from django_batch.execution.internals import scheme_of
from django_batch.execution.requests.headers import wsgi_text
from django_batch.jobs.conf import jobs_settings

_KEPT = (
    *("SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SCRIPT_NAME", "REMOTE_ADDR", "HTTPS"),
    *("HTTP_HOST", "HTTP_ACCEPT_LANGUAGE", "HTTP_USER_AGENT"),
    *("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT", "HTTP_X_FORWARDED_PROTO"),
)


def recorded_environ(request: HttpRequest) -> dict[str, str]:
    """The keys of META that a job keeps, and the few cookies that identify nobody."""
    secure_header = (settings.SECURE_PROXY_SSL_HEADER or ("",))[0]
    kept = {key: str(value) for key in (*_KEPT, secure_header) if (value := request.META.get(key)) is not None}
    names = jobs_settings.COOKIES
    cookies = {
        name: request.COOKIES.get(name) for name in ([settings.LANGUAGE_COOKIE_NAME] if names is None else names)
    }
    if pairs := [f"{name}={value}" for name, value in cookies.items() if value is not None]:
        kept["HTTP_COOKIE"] = "; ".join(pairs)
    # Whether the server named the user. The name is that of the user at the time when an item runs.
    kept |= {key: "" for key in remote_user_keys() if request.META.get(key)}
    return {**kept, "wsgi.url_scheme": scheme_of(request)}


def request_for(environ: Mapping[str, str], path_info: str, *, content_type: str = "") -> WSGIRequest:
    """A request like the one that brought the job, without its credentials and its body."""
    own: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": wsgi_text(path_info),
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": "0",
        "wsgi.input": BytesIO(),
    }
    return WSGIRequest({**environ, "SCRIPT_NAME": wsgi_text(environ.get("SCRIPT_NAME", "")), **own})
