"""The second law, as a table of attacks: no batch does what its sender could not do with single requests.

Every attack is sent as a batch, and one request after another. Each answer of the batch is exactly the one that is
expected here, is no success that the sender would not have had alone, and no row changes that would not have alone.
"""

from __future__ import annotations

import json
import re
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.middleware import RemoteUserMiddleware
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import override_settings
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from django_batch.conf import DEFAULT_ALLOWED_HEADERS
from django_batch.decorators import batch_exempt
from django_batch.testing import BatchClient
from django_batch.views import BatchView
from example_project.bookshop.models import Author
from example_project.settings import MIDDLEWARE

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.urls(__name__),
]

DOC = Path(__file__).parent.parent / "docs" / "explanation" / "security.md"
HEADING = "## What a batch cannot do"

# The bookshop, with views that an attacker would like to find in it.


class ProxyUserMiddleware(RemoteUserMiddleware):
    """Of a site behind a proxy that logs people in."""

    header = "HTTP_REMOTE_USER"


def seen(request: HttpRequest) -> JsonResponse:
    """What a site that trusts its proxy knows of the sender."""
    user = getattr(request, "user", None)
    return JsonResponse(
        {
            "user": user.get_username() if user else None,
            "address": request.META.get("HTTP_X_FORWARDED_FOR", request.META["REMOTE_ADDR"]),
            "secure": request.is_secure(),
            "host": request.get_host(),
        }
    )


@csrf_exempt
def say(request: HttpRequest) -> HttpResponse:
    """What was sent, as an answer of any type."""
    return HttpResponse(request.body, content_type=request.GET["type"])


class Shred(APIView):
    """Looks at the method for itself, as careless views do."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method in ("POST", "DELETE"):
            self.permission_denied(request)

    def delete(self, request: Request) -> Response:
        return Response("shredded")

    post = delete


@csrf_exempt
def enter(request: HttpRequest, name: str) -> JsonResponse:
    """A login without any check."""
    login(request, User.objects.get(username=name), "django.contrib.auth.backends.ModelBackend")
    return JsonResponse({})


def deactivate(request: HttpRequest) -> None:
    User.objects.filter(username="staff").update(is_active=False)


def revoke(request: HttpRequest) -> None:
    User.objects.get(username="staff").user_permissions.clear()


def change_password(request: HttpRequest) -> None:
    staff = User.objects.get(username="staff")
    staff.set_password("another-secret")
    staff.save()


def drop_token(request: HttpRequest) -> None:
    Token.objects.filter(user__username="staff").delete()


def promote(request: HttpRequest) -> None:
    User.objects.get(username="ada").user_permissions.add(Permission.objects.get(codename="add_author"))


@csrf_exempt
def change(request: HttpRequest, what: str) -> JsonResponse:
    """Changes somebody's rights while the batch is under way."""
    {each.__name__: each for each in (deactivate, revoke, logout, change_password, drop_token, promote)}[what](request)
    return JsonResponse({})


@csrf_exempt
def guess(request: HttpRequest) -> HttpResponse:
    """Counts the wrong guesses in the database."""
    Author.objects.create(name="a wrong guess")
    return HttpResponse(status=403)


@batch_exempt
def exempt(request: HttpRequest) -> HttpResponse:
    return HttpResponse("reached")


@batch_exempt
async def exempt_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse("reached")


@method_decorator(batch_exempt, name="dispatch")
class Exempt(APIView):
    def get(self, request: Request) -> Response:
        return Response("reached")


class ExemptMethods(APIView):
    @batch_exempt
    def get(self, request: Request) -> Response:
        return Response("reached")

    @method_decorator(batch_exempt)
    def post(self, request: Request) -> Response:
        return Response("reached")


class ExemptAsyncMethod(View):
    @batch_exempt
    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("reached")


@method_decorator(batch_exempt, name="dispatch")
class ExemptViewSet(ViewSet):
    def list(self, request: Request) -> Response:
        return Response("reached")

    @action(detail=False)
    def more(self, request: Request) -> Response:
        return Response("reached")


class ExemptActions(ViewSet):
    @batch_exempt
    def list(self, request: Request) -> Response:
        return Response("reached")

    @batch_exempt
    @action(detail=False)
    def outside(self, request: Request) -> Response:
        return Response("reached")

    @action(detail=False)
    @batch_exempt
    def inside(self, request: Request) -> Response:
        return Response("reached")


router = SimpleRouter()
router.register("exempt-viewset", ExemptViewSet, "exempt-viewset")
router.register("exempt-actions", ExemptActions, "exempt-actions")
urlpatterns = [
    path("seen/", seen),
    path("say/", say),
    path("shred/", Shred.as_view()),
    path("enter/<slug:name>/", enter),
    path("change/<slug:what>/", change),
    path("guess/", guess),
    path("exempt/", exempt),
    path("exempt-async/", exempt_async),
    path("exempt-class/", Exempt.as_view()),
    path("exempt-methods/", ExemptMethods.as_view()),
    path("exempt-async-method/", ExemptAsyncMethod.as_view()),
    path("", include(router.urls)),
    path("again/", include(("django_batch.urls", "again"))),
    path("token-batch/", BatchView.as_view(authentication_classes=[TokenAuthentication])),
    path("open-batch/", BatchView.as_view(authentication_classes=[])),
    path("", include("example_project.urls")),
]

# Who sends, what, and what a batch of it is answered.

JSON = "application/json"
CSRF_TOKEN, WRONG_TOKEN = "a" * 32, "b" * 32
Item = dict[str, Any]


@dataclass(frozen=True)
class Sender:
    """What stands in each of its requests. The right CSRF token is read from the cookie each time, as a page does."""

    headers: Mapping[str, str] = field(default_factory=dict)
    session_of: str = ""
    csrf_token: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    secure: bool = False
    batch_path: str = "/batch/"
    content_type: str = JSON

    def client(self) -> BatchClient:
        client = BatchClient(enforce_csrf_checks=True, headers=self.headers, **self.environ)
        if self.session_of:
            client.force_login(User.objects.get(username=self.session_of), "django.contrib.auth.backends.ModelBackend")
        client.cookies[settings.CSRF_COOKIE_NAME] = CSRF_TOKEN
        return client

    def send_batch(self, items: Sequence[Item], **members: Any) -> Any:
        """The answer to `items` in one request."""
        client = self.client()
        content = json.dumps({"requests": items, **members})
        headers = self._csrf_header(client)
        return client.generic("POST", self.batch_path, content, self.content_type, secure=self.secure, headers=headers)

    def send_alone(self, items: Sequence[Item]) -> list[Any]:
        """The answers to `items` in requests of their own."""
        client = self.client()
        return [self._send(client, item) for item in items]

    def _send(self, client: BatchClient, item: Item) -> Any:
        prefix = self.environ.get("SCRIPT_NAME") or settings.FORCE_SCRIPT_NAME or ""
        path = item["path"].removeprefix(prefix)
        headers = {**self._csrf_header(client), **item.get("headers", {})}
        return client.generic(
            item.get("method", "GET"), path, bytes_of(**item), JSON, secure=self.secure, headers=headers
        )

    def _csrf_header(self, client: BatchClient) -> dict[str, str]:
        cookie = client.cookies[settings.CSRF_COOKIE_NAME].value
        token = cookie if self.csrf_token == CSRF_TOKEN else self.csrf_token
        return {"X-CSRFToken": token} if token else {}


def bytes_of(body: object = None, body_base64: str = "", **members: Any) -> bytes:
    return b64decode(body_base64) or (b"" if body is None else json.dumps(body).encode())


@dataclass(frozen=True)
class Attack:
    """`answers` has the status of each item, or the code of its refusal. If it is no list, the batch is refused so."""

    answers: list[int | str] | int | str
    items: Sequence[Item]
    sender: Sender = field(default_factory=Sender)
    site: Mapping[str, Any] = field(default_factory=dict)


def allowing(*names: str) -> dict[str, Any]:
    return {"BATCH": {"ALLOWED_HEADERS": [*DEFAULT_ALLOWED_HEADERS, *names]}}


def get(url: str, **members: Any) -> Item:
    return {"path": url, **members}


def post(url: str, body: object = None, **members: Any) -> Item:
    return {"method": "POST", "path": url, "body": body or {}, **members}


def with_header(name: str, value: str = "staff") -> Item:
    return get("/seen/", headers={name: value})


def said(body: bytes, content_type: str) -> Item:
    """An item that is answered with `body`."""
    text = b64encode(body).decode()
    return {"method": "POST", "path": f"/say/?type={quote(content_type)}", "body_base64": text}


def authorized(value: str) -> Item:
    return get("/api/me/", headers={"Authorization": value})


ME, SEEN, AUTHOR = get("/api/me/"), get("/seen/"), post("/api/authors/", {"name": "Eve"})
NESTED, BROKEN, GUESS = post("/batch/", {"requests": [ME]}), get("/api/broken/"), post("/guess/")
NOBODY, ADA, STAFF = (
    Sender(),
    Sender({"Authorization": "Token ada-token"}),
    Sender({"Authorization": "Token staff-token"}),
)
ADA_IN_BROWSER, STAFF_IN_BROWSER = (Sender(session_of=name, csrf_token=CSRF_TOKEN) for name in ("ada", "staff"))
STAFF_THROUGH_OPEN_DOOR = replace(STAFF_IN_BROWSER, batch_path="/open-batch/")  # which itself checks nothing
NO_CHANGE: dict[str, Any] = {}
BELOW_SHOP = Sender(environ={"SCRIPT_NAME": "/shop"})
BEHIND_PROXY = {
    "MIDDLEWARE": [*MIDDLEWARE, f"{__name__}.ProxyUserMiddleware"],
    "AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.RemoteUserBackend"],
    "SECURE_PROXY_SSL_HEADER": ("HTTP_X_SCHEME", "staff"),
    "USE_X_FORWARDED_HOST": True,
}
WITHOUT_USERS = {"MIDDLEWARE": [name for name in MIDDLEWARE if ".auth." not in name and ".messages." not in name]}
ABOUT_SENDER = (
    *("Remote-User", "Remote-Addr", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-User"),
    *("X-Real-IP", "Forwarded", "Host", "Origin", "Referer", "Cookie", "Sec-Fetch-Site"),
    "X-Scheme",  # SECURE_PROXY_SSL_HEADER of the site
)
ABOUT_MESSAGE = (
    *("Content-Length", "Transfer-Encoding", "TE", "Trailer", "Connection", "Keep-Alive", "Proxy-Authorization"),
    *("Proxy-Connection", "Upgrade", "Expect", "HTTP2-Settings"),
)
ENVIRONMENT = ("Request-Method", "Query-String", "Path-Info", "Script-Name", "Server-Name", "HTTPS", "Auth-Type")
UNDERSCORES = ("REMOTE_USER", "X_Forwarded_For", "X-Forwarded_For", "wsgi.url_scheme", "CONTENT_LENGTH")
ODD_NAMES = (
    *("Accept\r\nRemote-User", "Accept\n", "Accept\x00", "Accept:", "Accept ", " Accept", "Äccept"),
    "Coo\u212aie",  # the Kelvin sign, of which k is the lower case
)
OTHER_HOSTS = (
    *("http://evil.example/seen/", "//evil.example/seen/", "///evil.example/seen/", "http:///seen/", "http:/seen/"),
    *("https://testserver/seen/", "ftp://testserver/seen/", "file:///etc/passwd", "javascript:alert(1)"),
    *("http://testserver:8000/seen/", "http://testserver:/seen/", "http://testserver:x/seen/", "http:seen/"),
    *("http://testserver.evil.example/seen/", "http://testserver@evil.example/seen/", "http://ada@testserver/seen/"),
    *("http://evil.example\\@testserver/seen/", "http://evil.example#@testserver/seen/", "http://ⓣestserver/seen/"),
    *("http://[::1]/seen/", "http://[::1/seen/", "http://testserver%2eevil.example/seen/"),
)
NO_PATHS = (
    *("", "seen/", "?x", "*", "/\\evil.example/", "\\\\evil.example/", "/seen/#x", " /seen/", "/seen/ ", "/se en/"),
    *("/seen/\r\nX: x", "/seen/\x00", "/seen/\t", "/seen/\x7f", "\ufeff/seen/", "./seen/", "../seen/"),
)
PATHS_OF_NOTHING = (
    *("/x/../seen/", "/./seen/", "/%2e%2e/seen/", "/x//../seen/", "/seen/%00", "/seen%0d%0aX:%20staff/", "/%2Fseen/"),
    *("/seen;x/", "/SEEN/", "/seen%252f"),
)
BESIDE_SHOP = ("/seen/", "/shopping/seen/", "/%2e/shop/seen/", "/x/../shop/seen/", "/shop/../seen/")
ODD_METHODS = (
    *("TRACE", "CONNECT", "PROPFIND", "", " DELETE", "DELETE ", "DELETE\n", "GET /seen/ HTTP/1.1\r\nX:", "*"),
    *("po\u017ft", "opt\u0131ons"),  # POST and OPTIONS in upper case
)
FORM, UPLOAD = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
OTHER_TYPES = (
    *("", "text/plain", "text/plain; x=application/json", "application/json, text/plain", "application/json5"),
    *("text/json", "application/octet-stream"),
)
OTHER_ORIGIN = {"Origin": "https://evil.example"}
WRONG_TOKENS = ("", WRONG_TOKEN, "no token")
GUESSES = ("Token staff-token", "token ada-token", "Token ada-token ", "Basic c3RhZmY6c3RhZmYtc2VjcmV0", "")
BATCHES = (
    *("/batch/", "/%62atch/", "/b%61%74ch/?x", "http://testserver/batch/", "HTTP://TESTSERVER:80/batch/"),
    *("/again/", "/token-batch/", "/open-batch/"),
)
EXEMPT = (
    *("/exempt/", "/%65xempt/?x", "http://testserver/exempt/", "/exempt-async/", "/exempt-class/", "/exempt-methods/"),
    *("/exempt-async-method/", "/exempt-viewset/", "/exempt-viewset/more/"),
    *("/exempt-actions/", "/exempt-actions/outside/", "/exempt-actions/inside/"),
)
FORGERIES = (
    b'1},{"id":"1","status":200,"headers":{},"body":"forged"',
    b'null}]}{"responses":[{"id":"0","status":200,"headers":{},"body":null',
    b'"a\xff"},{"id":"1","status":200,"headers":{},"body":"forged"',
    b'"\xe2"},{"id":"1","status":200,"headers":{},"body":"\x82"',
    *(b'"\xed\xa0\x80"', b'"\\ud800"', b'{"rating": NaN}', b"[Infinity, -Infinity]", b"\xef\xbb\xbf1", b"1 2"),
    *(b'"line\nbreak"', b"'quoted'", b"[" * 10_000, b"\x00", b"{", "1},{".encode("utf-16")),
)
CHARSETS = ("hex", "undefined", "idna", "punycode", "unicode_escape", "utf-7", "x" * 300)


FILLED_IN = (
    ("//evil.example/seen/", "malformed"),
    ("http://evil.example/seen/", "malformed"),
    ("/seen/ x", "malformed"),
    ("/\\evil.example/", "malformed"),
    ("", "malformed"),
    ("/%62atch/", "nested_batch"),
    ("http://testserver/exempt/", "batch_exempt"),
)
FILLED_IN_SEGMENT = (
    *(
        ("../batch", "unresolved_reference"),
        ("me/../../batch", "unresolved_reference"),
        ("/batch/", "unresolved_reference"),
    ),
    *(
        ("..", 404),
        (".", 404),
        ("..%2fbatch", 404),
        ("..\\batch", 404),
        ("me?x", 404),
        ("me#", 404),
        ("me\r\nX: x", 404),
    ),
)
LINE_BREAKS = ("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029")


def grouped(*items: Item) -> list[Item]:
    return [{**item, "atomicity_group": "group"} for item in items]


def filled_header(name: str) -> Item:
    return get("/seen/", headers={name: "{0#/body}"}, depends_on="0")


def refused(code: str, items: Sequence[Item], sender: Sender = NOBODY, site: Mapping[str, Any] = NO_CHANGE) -> Attack:
    """Each of `items` is refused, but not what comes after them."""
    return Attack([*[code] * len(items), 200], [*items, SEEN], sender, site)


ATTACKS: dict[str, list[Attack]] = {
    "Headers by which a site knows its sender": [
        refused("header_not_allowed", [*map(with_header, ABOUT_SENDER)], site=BEHIND_PROXY)
    ],
    "Headers about the message or its connection": [refused("header_not_allowed", [*map(with_header, ABOUT_MESSAGE)])],
    "Such headers on a site that lists them by mistake": [
        refused(
            "header_not_allowed",
            [*map(with_header, (*ABOUT_SENDER, *ABOUT_MESSAGE))],
            site={**BEHIND_PROXY, **allowing(*ABOUT_SENDER, *ABOUT_MESSAGE)},
        )
    ],
    "Keys of the server's environment as headers": [
        refused("header_not_allowed", [*map(with_header, ENVIRONMENT)], site=BEHIND_PROXY)
    ],
    "Underscores, which stand for hyphens in a server's environment": [
        refused("header_not_allowed", [*map(with_header, UNDERSCORES)], site={**BEHIND_PROXY, **allowing(*UNDERSCORES)})
    ],
    "Line breaks and other odd characters in a header": [
        refused(
            "header_not_allowed",
            [
                with_header("Accept", f"x{text}x")
                for text in ("\r\nRemote-User: staff", "\n", "\r", "\x00", "\x1f", "\x7f")
            ],
        ),
        refused("header_not_allowed", [*map(with_header, ODD_NAMES)], site=allowing(*ODD_NAMES)),
        refused("header_not_allowed", [with_header("")]),
    ],
    "One header twice, in other letter case": [
        refused("header_not_allowed", [get("/seen/", headers={"Accept": "text/html", "ACCEPT": JSON})]),
        refused(
            "header_not_allowed",
            [{**AUTHOR, "headers": {"X-CSRFToken": WRONG_TOKEN, "x-csrftoken": CSRF_TOKEN}}],
            STAFF_IN_BROWSER,
        ),
    ],
    "A `Connection` header of the batch that names what a proxy has added": [
        Attack(
            [200],
            [SEEN],
            Sender({"Connection": names, "X-Forwarded-For": "203.0.113.9", **headers}, csrf_token=CSRF_TOKEN),
            BEHIND_PROXY,
        )
        for names in ("X-Forwarded-For", "close, x-forwarded-for, X-Scheme, Remote-User, Host, Cookie, Authorization")
        for headers in ({}, {"X-Scheme": "staff"}, {"Remote-User": "ada"})
    ],
    "A URL on another host": [
        Attack("malformed", [*map(get, OTHER_HOSTS)]),
        Attack([200, 200], [get("HTTP://TestServer/seen/"), get("http://testserver:80/seen/?x=http://evil.example/")]),
    ],
    "Paths that a proxy or a browser reads in another way": [
        Attack("malformed", [*map(get, NO_PATHS)]),
        Attack([404] * len(PATHS_OF_NOTHING), [*map(get, PATHS_OF_NOTHING)]),
        Attack([200], [get("/s%65en/")]),
    ],
    "A path outside of the site's script prefix": [
        Attack(["not_found"] * 4 + [404, 200], [*map(get, BESIDE_SHOP), get("/shop/s%65en/")], sender, site)
        for sender, site in ((BELOW_SHOP, NO_CHANGE), (NOBODY, {"FORCE_SCRIPT_NAME": "/shop"}))
    ],
    "A method in lower case, past a view that compares": [
        Attack(
            [403, 403, 403],
            [get("/shred/", method=method) for method in ("delete", "DeLete", "pOST")],
            STAFF,
        )
    ],
    "Methods that a view does not expect": [
        refused("method_not_allowed", [get("/shred/", method=method) for method in ODD_METHODS], STAFF)
    ],
    "A form or a script of another site": [
        *(
            Attack(answer, [AUTHOR], Sender(session_of="staff", content_type=content_type))
            for content_type, answer in ((FORM, 403), (UPLOAD, 403), *((each, 415) for each in OTHER_TYPES))
        ),
        *(
            Attack("unsupported_media_type", [AUTHOR], replace(STAFF_THROUGH_OPEN_DOOR, content_type=content_type))
            for content_type in (FORM, UPLOAD, *OTHER_TYPES)
        ),
        Attack([403], [AUTHOR], replace(STAFF_THROUGH_OPEN_DOOR, headers=OTHER_ORIGIN)),
        Attack(403, [AUTHOR], replace(STAFF_IN_BROWSER, headers=OTHER_ORIGIN)),
        Attack([403], [AUTHOR], replace(STAFF_THROUGH_OPEN_DOOR, secure=True)),  # no Referer
    ],
    "A session without its CSRF token": [
        *(Attack(403, [AUTHOR], Sender({}, "staff", token)) for token in WRONG_TOKENS),
        *(
            Attack([403, 200], [AUTHOR, ME], Sender({}, "staff", token, batch_path=batch_path))
            for token in WRONG_TOKENS
            for batch_path in ("/token-batch/", "/open-batch/")
        ),
        Attack([403, 201], [{**AUTHOR, "headers": {"X-CSRFToken": WRONG_TOKEN}}, AUTHOR], STAFF_IN_BROWSER),
    ],
    "A login that renews the CSRF cookie, after a wrong token": [
        *(
            Attack([200, 403], [post("/enter/staff/"), AUTHOR], Sender(csrf_token=token, batch_path=batch_path))
            for token in WRONG_TOKENS
            for batch_path in ("/batch/", "/token-batch/", "/open-batch/")
        ),
        Attack([200, 201], [post("/enter/staff/"), AUTHOR], Sender(csrf_token=CSRF_TOKEN)),
    ],
    "A session where only a token is taken, or a token where only a session is": [
        Attack([401], [get("/api/partner/stock/")], STAFF_IN_BROWSER),
        Attack([403, 200], [get("/api/basket/"), ME], STAFF),
        Attack([403, 200], [get("/api/basket/"), ME], STAFF, WITHOUT_USERS),
        Attack([403], [get("/api/basket/")], replace(STAFF, batch_path="/token-batch/")),
        Attack([302], [get("/accounts/profile/")], STAFF),
    ],
    "Guesses of passwords and tokens in the `Authorization` of items": [
        *(
            refused("header_not_allowed", [*map(authorized, GUESSES)], sender)
            for sender in (NOBODY, ADA, ADA_IN_BROWSER)
        ),
        Attack([200, 200], [authorized("Token staff-token"), ME], STAFF),
    ],
    "The `Authorization` of another item": [
        Attack(
            [200, 401, 200],
            [authorized("Token staff-token"), authorized("Token x"), ME],
            sender,
            allowing("Authorization"),
        )
        for sender in (NOBODY, ADA)
    ],
    "Rights that an earlier item has taken away": [
        Attack([200, status], [post(f"/change/{what}/"), AUTHOR], sender)
        for what, sender, status in (
            ("deactivate", STAFF, 401),
            ("deactivate", STAFF_IN_BROWSER, 401),
            ("revoke", STAFF, 403),
            ("revoke", STAFF_IN_BROWSER, 403),
            ("logout", STAFF_IN_BROWSER, 401),
            ("change_password", STAFF_IN_BROWSER, 401),
            ("drop_token", STAFF, 401),
        )
    ],
    "Rights that only a later item brings": [
        Attack([401, 200, 201], [AUTHOR, post("/enter/staff/"), AUTHOR], Sender(csrf_token=CSRF_TOKEN)),
        Attack([403, 200, 201], [AUTHOR, post("/change/promote/"), AUTHOR], ADA),
    ],
    "Rights that a rolled-back group has given": [
        Attack(["rolled_back", 500, 403], [*grouped(post("/change/promote/"), BROKEN), AUTHOR], ADA),
        Attack(
            ["rolled_back", 500, 401], [*grouped(post("/enter/staff/"), BROKEN), AUTHOR], Sender(csrf_token=CSRF_TOKEN)
        ),
    ],
    "More tries than a throttle allows": [
        Attack([*[200] * 5, 429, 200], [*[get("/api/recommendations/")] * 6, SEEN], sender)
        for sender in (NOBODY, ADA, ADA_IN_BROWSER, Sender({"X-Forwarded-For": "203.0.113.9"}))
    ],
    "A reference that is filled with another host, path or header": [
        *(
            Attack([200, answer], [said(json.dumps(text).encode(), JSON), get("{0#/body}", depends_on="0")])
            for text, answer in FILLED_IN
        ),
        *(
            Attack([200, answer], [said(json.dumps(text).encode(), JSON), get("/api/{0#/body}/", depends_on="0")])
            for text, answer in FILLED_IN_SEGMENT
        ),
        *(
            Attack([200, "header_not_allowed"], [said(json.dumps(text).encode(), JSON), filled_header(name)], ADA)
            for name, text in (
                ("Accept", "x\r\nRemote-User: staff"),
                ("Remote-User", "staff"),
                ("Authorization", "Token staff-token"),
            )
        ),
        Attack(
            [200, "unresolved_reference"],
            [post("/api/cookies/?name=a&value=1"), get("/{0#/headers/Set-Cookie}", depends_on="0")],
        ),
    ],
    "A batch in a batch": [
        *(refused("nested_batch", [{**NESTED, "path": url} for url in BATCHES], sender) for sender in (NOBODY, ADA)),
        refused(
            "nested_batch", [{**NESTED, "method": method} for method in ("post", "GET", "OPTIONS", "PUT", "DELETE")]
        ),
        Attack([403, 404, 301], [get("/batch/", method="HEAD"), get("/batch/batch/"), get("/batch")]),
        *(
            Attack(["nested_batch"], [{**NESTED, "path": "/shop/batch/"}], sender, site)
            for sender, site in ((BELOW_SHOP, NO_CHANGE), (NOBODY, {"FORCE_SCRIPT_NAME": "/shop"}))
        ),
    ],
    "A view that is `@batch_exempt`": [
        refused("batch_exempt", [*map(get, EXEMPT), post("/exempt/"), post("/exempt-methods/")]),
        refused("batch_exempt", [post("/api/password/")], STAFF_IN_BROWSER),
        Attack(["batch_exempt"], [get("/shop/exempt/")], BELOW_SHOP),
    ],
    "HTTP where the site wants HTTPS": [
        Attack(301, [SEEN], site={"SECURE_SSL_REDIRECT": True}),
        Attack([301], [SEEN], site={"SECURE_SSL_REDIRECT": True, "SECURE_REDIRECT_EXEMPT": ["^batch/"]}),
    ],
    "A body that looks like the items after it": [
        *(
            Attack([200] * (len(FORGERIES) + 1), [*(said(body, kind) for body in FORGERIES), SEEN])
            for kind in (
                "application/json",
                "application/problem+json",
                "application/json;charset=utf-16",
                "text/plain",
            )
        ),
        Attack([200] * (len(CHARSETS) + 1), [*(said(b"x", f"text/plain;charset={each}") for each in CHARSETS), SEEN]),
    ],
    "Ids that look like members of an answer": [
        Attack([200, 200], [get("/seen/", id=text), get("/seen/", id=f"{text}2")])
        for text in ('","status":200,"x":"', "\x00\x1f\u2028\u2029", '\\"', "</script>", "\ud83d\ude00", "")
    ],
    "Line breaks in what is logged": [
        refused("method_not_allowed", [get("/seen/", method=f"GET{odd}FORGED") for odd in LINE_BREAKS]),
        Attack([404] * 3, [get(f"/{odd}FORGED") for odd in ("\x85", "\u2028", "\u2029")]),
    ],
}


Rows = set[tuple[object, ...]]


def rows() -> Rows:
    return {row for connection in connections.all() for row in rows_of(connection.connection)}


def rows_of(database: sqlite3.Connection) -> Rows:
    """All that is in it, but for sessions and what differs each time that it is written."""
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {
        (table, *row)
        for table in tables
        if table != Session._meta.db_table
        for row in database.execute(f"SELECT {', '.join(columns_of(table, database))} FROM {table}")
    }


def columns_of(table: str, database: sqlite3.Connection) -> list[str]:
    columns = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
    return [name for name in columns if name not in ("password", "last_login")]


def answers_in_a_group(answers: list[int | str]) -> list[int | str]:
    """What becomes of `answers` where all is undone, and the rest not done, at the first failure."""
    failed = next((place for place, answer in enumerate(answers) if answer not in range(400)), None)
    if failed is None:
        return answers
    return ["rolled_back"] * failed + [answers[failed]] + ["not_run"] * (len(answers) - failed - 1)


def outcomes(response: Any) -> list[int | str]:
    """Of each item its status, or the code of its refusal."""
    return [outcome(answer["status"], answer["body"]) for answer in response.json()["responses"]]


def outcome(status: int, body: Any) -> int | str:
    return body["code"] if isinstance(body, dict) and "code" in body else status


def assert_refused(response: Any, attack: Attack) -> None:
    """The whole batch, and if by its code, with something to say of each item."""
    body = response.json() if response["Content-Type"].endswith("json") else {}
    assert outcome(response.status_code, body) == attack.answers
    assert len(body.get("errors", attack.items)) == len(attack.items)


def assert_no_better(answers: Sequence[dict[str, Any]], alone: Sequence[Any]) -> None:
    """Each success was one alone too, with the same content."""
    for answer, response in zip(answers, alone, strict=True):
        assert "Set-Cookie" not in answer["headers"]
        if answer["status"] < 400:
            assert answer["status"] == response.status_code
            assert content(answer) in readings(response)


def content(answer: dict[str, Any]) -> object:
    if "body_base64" in answer:
        return b64decode(answer["body_base64"])
    return b"" if answer["body"] is None else answer["body"]


def readings(response: Any) -> list[object]:
    """What the body of `response` can be understood as."""
    found: list[object] = [response.content]
    with suppress(ValueError, RecursionError):
        found.append(json.loads(response.content))
    with suppress(ValueError, LookupError):
        found.append(response.content.decode(response.charset))
    return found


@pytest.mark.parametrize("mode", ["each", "atomic", "dry_run"])
@pytest.mark.parametrize("name", ATTACKS)
def test_attack_does_no_better_in_a_batch_than_alone(bookshop, caplog, subtests, name, mode):
    caplog.set_level("DEBUG", "django_batch")
    for number, attack in enumerate(ATTACKS[name]):
        if mode == "atomic" and any("atomicity_group" in item for item in attack.items):
            continue
        with subtests.test(number=number), override_settings(**attack.site):
            bookshop()
            before = rows()
            response = attack.sender.send_batch(attack.items, **{mode: True} if mode != "each" else {})
            changed = rows() ^ before
            bookshop()
            if isinstance(attack.answers, list):
                alone = attack.sender.send_alone(attack.items)
                assert outcomes(response) == (
                    answers_in_a_group(attack.answers) if mode == "atomic" else attack.answers
                )
                assert_no_better(response.json()["responses"], alone)
                assert changed <= (set() if mode == "dry_run" else rows() ^ before)
            else:
                assert_refused(response, attack)
                assert not changed
    assert all(len(record.getMessage().splitlines()) == 1 for record in caplog.records)


def test_every_attack_has_its_line_in_the_docs():
    section = DOC.read_text().partition(HEADING)[2].partition("\n## ")[0]
    assert re.findall(r"^\| (.+?) \|", section, re.MULTILINE)[2:] == [*ATTACKS]


# What remains, as the docs have it.


def guesses() -> int:
    return Author.objects.filter(name="a wrong guess").count()


@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=["atomic", "dry_run"])
def test_guess_that_is_rolled_back_is_not_counted(bookshop, members):
    client = BatchClient()
    assert [client.batch([GUESS])[0]["status"], guesses()] == [403, 1]
    assert [client.batch([GUESS], **members)[0]["status"], guesses()] == [403, 1]


@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=["atomic", "dry_run"])
def test_guess_that_is_counted_outside_of_the_atomic_databases_is_counted_always(bookshop, settings, members):
    settings.BATCH = {"ATOMIC_DATABASES": ["archive"]}
    assert [BatchClient().batch([GUESS], **members)[0]["status"], guesses()] == [403, 1]


def test_throttle_counts_the_address_that_the_server_sees(bookshop):
    tries = [get("/api/recommendations/")] * 3
    near, far = BatchClient(REMOTE_ADDR="203.0.113.9"), BatchClient(REMOTE_ADDR="203.0.113.10")
    assert [answer["status"] for answer in near.batch(tries)] == [200, 200, 200]
    assert [answer["status"] for answer in far.batch(tries)] == [200, 200, 200]
    assert [answer["status"] for answer in near.batch(tries)] == [200, 200, 429]
