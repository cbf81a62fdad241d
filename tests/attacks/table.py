"""What is tried, by its line in docs/explanation/security.md, and what it is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django_batch.conf import DEFAULT_ALLOWED_HEADERS
from example_project.settings import MIDDLEWARE
from tests.equivalence.sites import ROUTERS, SHARED_BACKENDS, tenants

from .passwords import VIEWS
from .senders import (
    CSRF_TOKEN,
    JSON,
    UPLOAD,
    WRONG_TOKEN,
    Attack,
    Item,
    Sender,
    authorized,
    get,
    post,
    said,
    with_header,
)


def allowing(*names: str) -> dict[str, Any]:
    return {"BATCH": {"DRY_RUN": True, "ALLOWED_HEADERS": [*DEFAULT_ALLOWED_HEADERS, *names]}}


ME, SEEN, AUTHOR = get("/api/me/"), get("/seen/"), post("/api/authors/", {"name": "Eve"})
NESTED, BROKEN, GUESS = post("/batch/", {"requests": [ME]}), get("/api/broken/"), post("/guess/")
TRIED = [{"username": "ada", "password": password} for password in ("wrong", "ada-secret")]
WRONG_LOGIN, RIGHT_LOGIN = (post("/api/login/", body) for body in TRIED)
READ_ONLY = {"read_only": True}
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
ENDINGS = ("base", "headers", "status")
BAD_QUERY: dict[str, Any] = {"name": {"$ref": "0#$.body[?value(@) == 1]"}}
AFTER = said(b"still here", "text/plain")
BEN = Sender({"Authorization": "Token ben-token"})
TENANTS: dict[str, Any] = {
    "MIDDLEWARE": ["tests.equivalence.middleware.choose_tenant", *MIDDLEWARE],
    "DATABASE_ROUTERS": ROUTERS,
    "SESSION_ENGINE": "django_batch.sessions.db",
    "AUTHENTICATION_BACKENDS": SHARED_BACKENDS,
}
NOBODY, ADA, STAFF = (
    Sender(),
    Sender({"Authorization": "Token ada-token"}),
    Sender({"Authorization": "Token staff-token"}),
)
ADA_IN_BROWSER, STAFF_IN_BROWSER = (Sender(session_of=name, csrf_token=CSRF_TOKEN) for name in ("ada", "staff"))
STAFF_THROUGH_OPEN_DOOR = replace(STAFF_IN_BROWSER, batch_path="/open-batch/")  # which itself checks nothing
NO_CHANGE: dict[str, Any] = {}
# Where a login may be part of a group, so that what it brings is undone with the group.
LOGINS_IN_GROUPS = {"BATCH": {"DRY_RUN": True, "GROUP_ALLOWED": ["tests.attacks.site.enter"]}}
BELOW_SHOP = Sender(environ={"SCRIPT_NAME": "/shop"})
BEHIND_PROXY = {
    "MIDDLEWARE": [*MIDDLEWARE, "tests.attacks.site.ProxyUserMiddleware"],
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
    *("Transfer-Encoding", "TE", "Trailer", "Keep-Alive", "Proxy-Authorization"),
    *("Proxy-Connection", "Upgrade", "Expect", "HTTP2-Settings"),
)
LEFT_OUT = ("Content-Length", "Connection")  # as clients write them into every item
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
FORM = "application/x-www-form-urlencoded"
OTHER_TYPES = (
    *("", "text/plain", "text/plain; x=application/json", "application/json, text/plain", "application/json5"),
    *("text/json", "application/octet-stream"),
)
OTHER_ORIGIN = {"Origin": "https://evil.example"}
WRONG_TOKENS = ("", WRONG_TOKEN, "no token")
TOKEN_OF_ANOTHER_SESSION = "a" * 32 + "b" * 32  # masked, as it stands in a page
FORM_OF_STAFF = Sender(session_of="staff", content_type=UPLOAD)
FIELD_OF_STAFF = replace(FORM_OF_STAFF, in_a_field=True)
FORM_OF_NOBODY = Sender(content_type=UPLOAD, has_cookies=False)
TOKEN_OF_STAFF = {"Authorization": "Token staff-token"}
PASSWORD_OF_STAFF = {"Authorization": "Basic c3RhZmY6c3RhZmYtc2VjcmV0"}
GUESSES = ("Token staff-token", "token ada-token", "Token ada-token ", "Basic c3RhZmY6c3RhZmYtc2VjcmV0", "")
BATCHES = (
    *("/batch/", "/%62atch/", "/b%61%74ch/?x", "http://testserver/batch/", "HTTP://TESTSERVER:80/batch/"),
    *("/again/", "/token-batch/", "/open-batch/", "/async/batch/"),
    # of other protocols
    *("/batch", "/batch/calendar/v3", "/$batch", "/%24batch/", "/v1.0/$batch", "/api/odata/v4/$batch"),
    *("/api/odata/v2/$batch", "/v19.0", "/v19.0/?x"),
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


def grouped(*items: Item, name: str = "group") -> list[Item]:
    return [{**item, "atomicity_group": name} for item in items]


def exempting(*names: str) -> dict[str, Any]:
    return {"BATCH": {"DRY_RUN": True, "EXEMPT": names}}


def limiting(name: str) -> dict[str, Any]:
    return {"BATCH": {"DRY_RUN": True, "LIMITS": {name: 1}}}


def filled_header(name: str) -> Item:
    return get("/seen/", headers={name: "{0#/body}"}, depends_on="0")


def refused(
    code: str,
    items: Sequence[Item],
    sender: Sender = NOBODY,
    site: Mapping[str, Any] = NO_CHANGE,
    *,
    after: Item = SEEN,
) -> Attack:
    """Each of `items` is refused, and not what comes after them."""
    return Attack([*[code] * len(items), 200], [*items, after], sender, site)


ATTACKS: dict[str, list[Attack]] = {
    "Headers by which a site knows its sender": [
        refused("header_not_allowed", [*map(with_header, ABOUT_SENDER)], site=BEHIND_PROXY)
    ],
    "Headers about the message or its connection": [
        refused("header_not_allowed", [*map(with_header, ABOUT_MESSAGE)]),
        Attack([200] * 3, [*map(with_header, LEFT_OUT), SEEN]),
    ],
    "Such headers on a site that lists them by mistake": [
        refused(
            "header_not_allowed",
            [*map(with_header, (*ABOUT_SENDER, *ABOUT_MESSAGE))],
            site={**BEHIND_PROXY, **allowing(*ABOUT_SENDER, *ABOUT_MESSAGE)},
        ),
        Attack([200] * 3, [*map(with_header, LEFT_OUT), SEEN], site={**BEHIND_PROXY, **allowing(*LEFT_OUT)}),
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
            Attack(403, [AUTHOR], Sender(session_of="staff", content_type=content_type))
            for content_type in (FORM, UPLOAD, *OTHER_TYPES)
        ),
        *(
            Attack("unsupported_media_type", [AUTHOR], replace(STAFF_THROUGH_OPEN_DOOR, content_type=content_type))
            for content_type in (FORM, *OTHER_TYPES)
        ),
        Attack([403], [AUTHOR], replace(STAFF_THROUGH_OPEN_DOOR, headers=OTHER_ORIGIN)),
        Attack(403, [AUTHOR], replace(STAFF_IN_BROWSER, headers=OTHER_ORIGIN)),
        Attack([403], [AUTHOR], replace(STAFF_THROUGH_OPEN_DOOR, secure=True)),  # no Referer
    ],
    "A batch that is a form": [
        *(
            Attack(403, [AUTHOR], replace(sender, batch_path=batch_path, csrf_token=token, headers=headers))
            for sender in (FORM_OF_STAFF, FIELD_OF_STAFF)
            for batch_path in ("/batch/", "/token-batch/", "/open-batch/")
            for token, headers in (
                *((token, {}) for token in (*WRONG_TOKENS, TOKEN_OF_ANOTHER_SESSION)),
                ("", {"Authorization": "Token ada-token"}),
                (CSRF_TOKEN, OTHER_ORIGIN),
                (CSRF_TOKEN, {"Origin": "null"}),
            )
        ),
        *(
            Attack([201], [AUTHOR], replace(sender, batch_path=batch_path, csrf_token=CSRF_TOKEN))
            for sender in (FORM_OF_STAFF, FIELD_OF_STAFF)
            for batch_path in ("/batch/", "/open-batch/")
        ),
        Attack(403, [AUTHOR], replace(FIELD_OF_STAFF, csrf_token=CSRF_TOKEN, secure=True)),  # no Referer
        Attack(403, [SEEN], replace(FORM_OF_NOBODY, has_cookies=True)),
        Attack([401, 200], [AUTHOR, SEEN], FORM_OF_NOBODY),
        Attack([201], [AUTHOR], replace(FORM_OF_NOBODY, headers=TOKEN_OF_STAFF)),
        Attack([201], [AUTHOR], replace(FORM_OF_NOBODY, headers={**TOKEN_OF_STAFF, **OTHER_ORIGIN})),
        Attack([201], [AUTHOR], replace(FORM_OF_NOBODY, headers=PASSWORD_OF_STAFF)),
        Attack(403, [AUTHOR], replace(FORM_OF_NOBODY, headers={**PASSWORD_OF_STAFF, **OTHER_ORIGIN})),
        Attack(403, [SEEN], replace(FORM_OF_NOBODY, headers=OTHER_ORIGIN)),
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
            Attack(
                [200, 403],
                [post("/enter/staff/"), AUTHOR],
                Sender(csrf_token=token, batch_path=batch_path),
                LOGINS_IN_GROUPS,
            )
            for token in WRONG_TOKENS
            for batch_path in ("/batch/", "/token-batch/", "/open-batch/")
        ),
        Attack([200, 201], [post("/enter/staff/"), AUTHOR], Sender(csrf_token=CSRF_TOKEN), LOGINS_IN_GROUPS),
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
        Attack(
            [401, 200, 201],
            [AUTHOR, post("/enter/staff/"), AUTHOR],
            Sender(csrf_token=CSRF_TOKEN),
            LOGINS_IN_GROUPS,
        ),
        Attack([403, 200, 201], [AUTHOR, post("/change/promote/"), AUTHOR], ADA),
    ],
    "Rights that a rolled-back group has given": [
        Attack(["rolled_back", 500, 403], [*grouped(post("/change/promote/"), BROKEN), AUTHOR], ADA),
        Attack(
            ["rolled_back", 500, 401],
            [*grouped(post("/enter/staff/"), BROKEN), AUTHOR],
            Sender(csrf_token=CSRF_TOKEN),
            LOGINS_IN_GROUPS,
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
        Attack(["nested_batch", 404, 301], [get("/batch/", method="HEAD"), get("/batch/batch/"), get("/again")]),
        *(
            Attack(["nested_batch"], [{**NESTED, "path": "/shop/batch/"}], sender, site)
            for sender, site in ((BELOW_SHOP, NO_CHANGE), (NOBODY, {"FORCE_SCRIPT_NAME": "/shop"}))
        ),
    ],
    "A path that leads somewhere only for some": [
        Attack(
            [200, 200, 200, 200, 404, 404, 200],
            [*[get("/inside/")] * 3, post("/change/logout/"), *[get("/inside/")] * 2, SEEN],
            STAFF_IN_BROWSER,
            {"MIDDLEWARE": [*MIDDLEWARE, "tests.attacks.site.InsideMiddleware"]},
        ),
        Attack(
            [404, 404, 404, 200, 200],
            [*[get("/inside/")] * 3, post("/enter/staff/"), get("/inside/")],
            ADA_IN_BROWSER,
            {**LOGINS_IN_GROUPS, "MIDDLEWARE": [*MIDDLEWARE, "tests.attacks.site.InsideMiddleware"]},
        ),
    ],
    "A view that is `@batch_exempt`": [
        refused("batch_exempt", [*map(get, EXEMPT), post("/exempt/"), post("/exempt-methods/")]),
        refused("batch_exempt", [post("/api/password/")], STAFF_IN_BROWSER),
        Attack(["batch_exempt"], [get("/shop/exempt/")], BELOW_SHOP),
    ],
    "HTTP where the site wants HTTPS": [
        Attack(301, [SEEN], site={"SECURE_SSL_REDIRECT": True}),
        Attack([301], [SEEN], site={"SECURE_SSL_REDIRECT": True, "SECURE_REDIRECT_EXEMPT": ["batch/$"]}),
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
    "Passwords that are guessed in a group or a dry run, which is then rolled back": [
        Attack(
            ["group_exempt", "not_run", "group_exempt", "not_run", 200],
            [*grouped(WRONG_LOGIN, BROKEN), *grouped(RIGHT_LOGIN, BROKEN, name="again"), AFTER],
            Sender(csrf_token=CSRF_TOKEN),
        ),
        Attack(["group_exempt", "not_run", 200], [*grouped(post("/enter/staff/"), BROKEN), AFTER], NOBODY),
        Attack(["not_run", "group_exempt", 200], [*grouped(AUTHOR, WRONG_LOGIN), AFTER], STAFF),
    ],
    "A right password in a group or a dry run, for a view that logs nobody in": [
        *(
            Attack(
                ["rolled_back", "group_exempt", 200], [*grouped(AUTHOR, post(f"/check/{view}/", body)), AFTER], STAFF
            )
            for view in VIEWS
            for body in TRIED
        ),
        *(
            Attack(["group_exempt", 200], [post(f"/check/{view}/", body), AFTER], STAFF, members={"dry_run": True})
            for view in VIEWS
            for body in TRIED
        ),
    ],
    "A dry run where the site allows none": [
        Attack("dry_run_not_allowed", [AUTHOR], STAFF, {"BATCH": {"DRY_RUN": False}}, members={"dry_run": True})
    ],
    "A view that a site exempts by name": [
        refused("batch_exempt", [get("/seen/?x"), get("/s%65en/")], site=exempting("seen"), after=get("/api/me/")),
        refused("batch_exempt", [get("/seen/")], site=exempting("tests.attacks.site.seen"), after=get("/api/me/")),
        refused("batch_exempt", [get("/shred/")], site=exempting("rest_framework.views.APIView"), after=get("/seen/")),
        refused("batch_exempt", [get("/again/")], site=exempting("django_batch:*"), after=get("/seen/")),
    ],
    "An exempt view that another decorator calls with a keyword": [
        refused("batch_exempt", [get("/exempt-by-keyword/")]),
        Attack(["group_exempt", "not_run", 200], [*grouped(get("/group-exempt-by-keyword/"), SEEN), SEEN]),
    ],
    "Credentials of one tenant for another": [
        Attack(
            [200, 401, 200], [get("/api/me/"), get("/api/me/?tenant"), get("/api/me/")], BEN, TENANTS, around=tenants
        )
    ],
    "A token under the keyword of another authenticator": [
        Attack([200, 401, 200], [get("/by-token/"), get("/by-keyword/"), get("/by-token/")], ADA)
    ],
    "A redirect that is taken for success": [
        Attack(["rolled_back", 301, 200], [*grouped(AUTHOR, post("/again")), SEEN], STAFF),
    ],
    "A reference that is not declared": [
        Attack("malformed", [post("/seen/", {"$ref": "1#/body"}), post("/seen/", {"a": [{"$ref": "0#/body/id"}]})])
    ],
    "Charsets and names that are costly to look up": [
        Attack(
            "malformed",
            [
                {**post("/seen/"), "body": "x", "headers": {"Content-Type": f"text/plain; charset={each}"}}
                for each in (*CHARSETS, "idna\u0000", "rot13")
            ],
        )
    ],
    "References that ask for more than the batch may be": [
        Attack(
            [200, *["unresolved_reference"] * 2, 200],
            [
                said(b'"%b"' % (b"x" * 3000), JSON),
                *[{**AUTHOR, "body": {"name": [{"$ref": "0#/body"}] * 400}, "depends_on": "0"}] * 2,
                SEEN,
            ],
            STAFF,
            {"BATCH": {"DRY_RUN": True, "MAX_SIZE": 100_000}},
        )
    ],
    "A query that fails while it is run": [
        Attack(
            [200, "unresolved_reference", 200],
            [said(b'{"a": 1}', JSON), {**AUTHOR, "body": BAD_QUERY, "depends_on": "0"}, SEEN],
        )
    ],
    "One item that would end the batch": [
        Attack(
            [200, *[500] * len(ENDINGS), 200],
            [SEEN, *(get(f"/end/{each}/") for each in ENDINGS), SEEN],
        )
    ],
    "A compressed batch": [
        Attack("unsupported_media_type", [SEEN], Sender({"Content-Encoding": each})) for each in ("gzip", "br", "x")
    ],
    "A batch that says it only reads, and writes": [
        *(
            Attack("unsafe_method", [item], STAFF, members=READ_ONLY)
            for item in (
                AUTHOR,
                {**AUTHOR, "method": "delete"},
                *({**get("/shred/"), "headers": {name: "DELETE"}} for name in OVERRIDES),
            )
        ),
        Attack(["write_refused", 200], [get("/purge/"), SEEN], STAFF, members=READ_ONLY),
        Attack(
            ["write_refused", 200],
            [get("/shred/?_method=DELETE"), SEEN],
            STAFF,
            {"MIDDLEWARE": [*MIDDLEWARE, "tests.attacks.site.OverridingMiddleware"]},
            members=READ_ONLY,
        ),
        Attack(["group_exempt", 200], [get("/group-exempt-by-keyword/"), SEEN], members=READ_ONLY),
    ],
    "More items for a view than a limit allows, in other spellings": [
        Attack("batch_limit_exceeded", [get("/seen/"), get(path)], sender, limiting("seen"))
        for path in ("/seen/?x", "/s%65en/", "http://testserver/seen/", "HTTP://TESTSERVER:80/%73een/?seen")
        for sender in (NOBODY, ADA)
    ]
    + [
        Attack("batch_limit_exceeded", [get("/limited/a/"), get("/limited/b/?x"), get("/limit%65d/a/")]),
        Attack(
            "batch_limit_exceeded",
            [get("/seen/"), {**get("/seen/"), "method": "HEAD"}],
            site=limiting("tests.attacks.site.seen"),
        ),
        *(
            Attack(["nested_batch", 200], [{**NESTED, "path": url}, SEEN], site=limiting("seen"))
            for url in ("/batch/", "/google-batch/", "/odata-json-batch/")
        ),
    ],
    "More items for a view than a limit allows, by references": [
        Attack(
            [200, *["batch_limit_exceeded"] * 2, 200, 200],
            [said(b'"/seen/"', JSON), *[get("{0#/body}", depends_on="0")] * 2, SEEN, ME],
            site=limiting("seen"),
        )
    ],
    "More items than the rate of a `BatchRateThrottle` allows": [
        Attack("too_many_requests", [SEEN] * 4, replace(NOBODY, batch_path="/rated-batch/")),
        Attack([200] * 3, [SEEN] * 3, replace(NOBODY, batch_path="/rated-batch/")),
    ],
}
