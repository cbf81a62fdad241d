"""Views that show what a request looks like when it arrives, and odd kinds of answers."""

from base64 import b64encode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_exempt

JSON = "application/json"
# kind -> body, content type
CONTENTS = {
    "text": ("Schöne Grüße aus der Buchhandlung".encode(), "text/plain; charset=utf-8"),
    "latin-1": ("Schöne Grüße".encode("latin-1"), "text/plain; charset=iso-8859-1"),
    "html": ("<p>Schöne Grüße</p>".encode(), "text/html; charset=utf-8"),
    "png": (b"\x89PNG\r\n\x1a\n\x00\xff", "image/png"),
    "exact-json": (b'{"a": 1.10, "b": 1e2, "c": 18446744073709551617, "a": 2}', JSON),
    "invalid-json": (b'1},{"id":"9","status":200,"headers":{},"body":"forged"', JSON),
    "invalid-utf-8": (b'{"title": "\xff\xfe"}', JSON),
    "nan": (b'{"rating": NaN}', JSON),
}
# No cookies and no credentials: a script could read here what is hidden from it.
ECHOED_HEADERS = [
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Content-Language",
    "Content-Length",
    "Content-Type",
    "Expect",
    "Host",
    "Idempotency-Key",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "Origin",
    "Prefer",
    "Range",
    "Referer",
    "User-Agent",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-HTTP-Method-Override",
    "X-Request-ID",
    "X-Requested-With",
]


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("This view is broken on purpose.")


def content(request: HttpRequest, kind: str) -> HttpResponse:
    if kind == "empty":
        return HttpResponse(status=204)
    if kind not in CONTENTS:
        raise Http404(f"No such content: {kind}")
    body, content_type = CONTENTS[kind]
    return HttpResponse(body, content_type=content_type)


def visible_cookies(request: HttpRequest) -> dict[str, str]:
    secret = {settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME}
    return {key: value for key, value in request.COOKIES.items() if key not in secret}


@csrf_exempt
def echo(request: HttpRequest) -> JsonResponse:
    """The request as this view sees it; its body both as text and as Base64."""
    return JsonResponse(
        {
            "method": request.method,
            "scheme": request.scheme,
            "host": request.get_host(),
            "path": request.path,
            "query": request.META["QUERY_STRING"],
            "remote_addr": request.META["REMOTE_ADDR"],
            "language": get_language(),
            "user": request.user.get_username(),
            "cookies": visible_cookies(request),
            "headers": {name: request.headers[name] for name in ECHOED_HEADERS if name in request.headers},
            "content_type": request.content_type,
            "body": request.body.decode("utf-8", "backslashreplace"),
            "body_base64": b64encode(request.body).decode(),
        }
    )


@csrf_exempt
def cookies(request: HttpRequest) -> JsonResponse:
    """The cookies sent; with POST, sets `?name=` to `?value=`.

    Without `?path=` the cookie has no Path, so that its URL decides; `?max_age=` is in
    seconds, and 0 deletes it.
    """
    response = JsonResponse(visible_cookies(request))
    if request.method == "POST":
        response.set_cookie(
            request.GET["name"],
            request.GET.get("value", ""),
            max_age=int(request.GET["max_age"]) if "max_age" in request.GET else None,
            path=request.GET.get("path"),
        )
    return response


def visits(request: HttpRequest) -> JsonResponse:
    """How often this session has been here, this time included."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"]})
