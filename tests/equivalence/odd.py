"""Views that do to sessions, tokens, messages and cookies what a view may do."""

from __future__ import annotations

from threading import Thread

from django.contrib import messages
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import cache
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token, rotate_token
from django.urls import path
from django.views.decorators.cache import cache_page, never_cache
from django.views.decorators.csrf import csrf_exempt, ensure_csrf_cookie

from example_project.bookshop.models import Author

from .middleware import current_path

RANDOM = {"CSRF_COOKIE", "HTTP_COOKIE", "HTTP_X_CSRFTOKEN"}
OF_THE_SERVER = {"RAW_URI"}  # and of it alone: see "Of the server's environment" in the list of differences
CHANGES = {
    "look": lambda session: None,
    "write": lambda session: session.update({"written": session.get("written", 0) + 1}),
    "write-inside": lambda session: session.setdefault("inside", []).append(1),  # the second time, nobody notices
    "browser": lambda session: session.set_expiry(0),
    "minute": lambda session: session.set_expiry(60),
    "usual": lambda session: session.set_expiry(None),
    "test-cookie": SessionBase.set_test_cookie,
    "touch": lambda session: setattr(session, "modified", True),
    "clear": SessionBase.clear,
    "cycle": SessionBase.cycle_key,
    "flush": SessionBase.flush,
}


@csrf_exempt
def session(request: HttpRequest, what: str) -> HttpResponse:
    """What the session holds, after a change."""
    CHANGES[what](request.session)
    found = {key: value for key, value in request.session.items() if not key.startswith("_")}
    return JsonResponse(found, status=int(request.GET.get("status", 200)))


def stream(request: HttpRequest, what: str) -> StreamingHttpResponse:
    """Changes the session when the middleware has saved it."""
    return StreamingHttpResponse((str(CHANGES[what](request.session)) for _ in range(2)), content_type="text/plain")


@csrf_exempt
def token(request: HttpRequest, what: str) -> HttpResponse:
    {"get": get_token, "rotate": rotate_token}[what](request)
    return HttpResponse(status=int(request.GET.get("status", 200)))


def show_messages(request: HttpRequest, what: str) -> HttpResponse:
    if what.startswith("add"):
        messages.info(request, "Grüße" * (700 if what == "add-long" else 1))  # long ones do not fit into a cookie
    found = [str(message) for message in messages.get_messages(request)] if what == "read" else []
    return JsonResponse(found, safe=False)


@csrf_exempt
def cookies(request: HttpRequest) -> HttpResponse:
    response = HttpResponse()
    options = {name: request.GET[name] for name in ("path", "secure", "httponly", "samesite") if name in request.GET}
    response.set_cookie(request.GET["name"], "1", **options)
    if "also" in request.GET:
        response.set_cookie("also", request.GET["also"], path="/api/")
    if "signed" in request.GET:
        response.set_signed_cookie("signed", request.GET["signed"])
    if "delete" in request.GET:
        response.delete_cookie(request.GET["delete"])
    return response


def sent(request: HttpRequest) -> JsonResponse:
    """All that the server and the sender say, but for what is random."""
    told = {key: value for key, value in request.META.items() if isinstance(value, str)}
    for key in RANDOM | OF_THE_SERVER:
        told.pop(key, None)
    told.setdefault("wsgi.url_scheme", request._get_scheme())  # which an ASGI server tells elsewhere
    urls = [request.build_absolute_uri(), request.get_full_path(), request.get_port(), request.is_secure()]
    return JsonResponse(
        {"told": told, "urls": urls, "cookies": sorted(request.COOKIES)}, json_dumps_params={"sort_keys": True}
    )


@csrf_exempt
def told(request: HttpRequest, what: str, more: str = "") -> JsonResponse:
    """What Django has found out of the request. Then all of it is changed, as far as it can be."""
    match = request.resolver_match
    lists = {name: getattr(match, name) for name in ("app_names", "namespaces", "tried")}
    dicts = {name: getattr(match, name) for name in ("kwargs", "captured_kwargs", "extra_kwargs")}
    found = {
        "host": request.get_host(),
        "headers": {name: value for name, value in request.headers.items() if name not in ("Cookie", "X-Csrftoken")},
        "cookies": sorted(request.COOKIES),
        "body": request.body.decode(),
        "query": [request.GET.encoding, dict(request.GET.lists())],
        "match": [match.args, match.route, match.view_name, *map(str, (*lists.values(), *dicts.values()))],
    }
    request.GET._mutable = True
    for each in (request.COOKIES, request.GET, request.headers._store, request.META, *dicts.values()):
        each["left"] = "behind"
    for each in lists.values():
        each.append("left behind")
    return JsonResponse(found, json_dumps_params={"sort_keys": True})


async def asynchronous(request: HttpRequest) -> HttpResponse:
    await request.session.aset("written", 7)
    return HttpResponse((await request.auser()).get_username(), content_type="text/plain")


def page(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": request.user.get_username(), "query": request.GET})


def page_of_session(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"written": request.session.get("written")})


heard: list[str] = []  # what a hook has found on its thread


def hook(request: HttpRequest) -> HttpResponse:
    """Has a hook ask what is kept on its thread."""
    with transaction.atomic():
        transaction.on_commit(lambda: heard.append(current_path()))
    return HttpResponse()


def keep_in_cache(request: HttpRequest) -> HttpResponse:
    cache.set("kept", "by a view")
    return HttpResponse()


def write_on_thread(request: HttpRequest) -> HttpResponse:
    """Writes a row as work does that a view hands to a thread of its own."""

    def write() -> None:
        Author.objects.create(name="Of a thread")
        connection.close()

    thread = Thread(target=write)
    thread.start()
    thread.join()
    return HttpResponse()


urlpatterns = [
    path("session/<slug:what>/", session),
    path("stream/<slug:what>/", stream),
    path("token/<slug:what>/", token),
    path("messages/<slug:what>/", show_messages),
    path("cookies/", cookies),
    path("sent/", sent),
    path("told/<slug:what>/", told),
    path("async/", asynchronous),
    path("cached/", cache_page(60)(page)),
    path("cached-session/", cache_page(60)(page_of_session)),
    path("fresh/", never_cache(page)),
    path("with-token/", ensure_csrf_cookie(page)),
]
