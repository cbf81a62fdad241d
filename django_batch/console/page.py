"""The page of the console, for a browser that asks the URL of a batch for HTML.

The page has no right of its own. It sends the batch as anybody does, with the session of the browser and the CSRF token
that is written into it. Its policy allows two files and this host, and nothing else; no frame may show it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from django.conf import settings
from django.http import HttpHeaders, HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template import Context, Engine, Template
from django.templatetags.static import static
from django.utils.cache import patch_vary_headers

from django_batch.console import DRAWING
from django_batch.console.routes import examples, routes
from django_batch.execution.chain.access import Access
from django_batch.execution.internals import csp_nonce_of

_TEMPLATES = Path(__file__).parent.parent / "templates"
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types django-batch"
)


def page(request: HttpRequest, view: Any, *, user: object, besides: type) -> HttpResponse:
    """The page for the batch view `view`, which `user` has asked for. Views of the class `besides` are no examples."""
    nonce = csp_nonce_of(request) or token_urlsafe(16)
    context = {
        "nonce": nonce,
        "path": request.path,
        "user": str(user) if getattr(user, "is_authenticated", False) else "",
        "told": _told(request, view, besides),
        "script": static("django_batch/console.js"),
        "style": static("django_batch/console.css"),
    }
    response = HttpResponse(_template().render(Context(context)))
    response.headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce)
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"  # Django's CSRF check needs it under HTTPS
    response.headers["Cache-Control"] = "no-store"
    patch_vary_headers(response, ("Accept", "Cookie"))
    return response


def _told(request: HttpRequest, view: Any, besides: type) -> dict[str, Any]:
    """What the script is told, as JSON."""
    access = Access(exempt=view.exempt, group_exempt=(), group_allowed=())
    found = routes(request, access, besides=besides)
    return {
        "csrf": {"header": _header(settings.CSRF_HEADER_NAME), "token": get_token(request)},
        "drawing": DRAWING,
        "examples": [{"title": title, "text": text} for title, text in examples(found, dry_run=view.dry_run)],
        "routes": [{"method": route.method, "path": route.path} for route in found],
    }


@cache
def _template() -> Template:
    """By an engine of its own, because a site of nothing but an API may have none."""
    return Engine(dirs=[str(_TEMPLATES)]).get_template("django_batch/console.html")


def _header(key: str) -> str:
    """The header whose key in the environment is `key`."""
    return HttpHeaders.parse_header_name(key) or key
