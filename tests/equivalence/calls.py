"""What clients ask of the bookshop: things that mean something there, and things that mean nothing anywhere."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from .client import JSON, Call
from .middleware import MEDDLING

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=parts"
PNG = b"\x89PNG\r\n\x1a\n\x00\xff"
KINDS = ["text", "latin-1", "html", "png", "exact-json", "invalid-json", "invalid-utf-8", "nan", "empty", "other"]
TOKEN = b"token-of-the-client"  # stands for the CSRF token that the client has at first


def api(method: str, path: str, value: object = None) -> Call:
    if value is None:
        return Call(method, path)
    return Call(method, path, {"Content-Type": JSON}, json.dumps(value).encode())


def form(path: str, method: str = "POST", **fields: str) -> Call:
    return Call(method, path, {"Content-Type": FORM}, urlencode(fields).encode())


def page(path: str, **fields: str) -> Call:
    """A form of a page, with its hidden field."""
    return form(path, csrfmiddlewaretoken=TOKEN.decode(), **fields)


def upload(path: str, method: str = "POST", **fields: bytes) -> Call:
    parts = b"".join(
        b'--parts\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
        % (name.encode(), b'; filename="f.png"\r\nContent-Type: image/png' if name == "cover" else b"", content)
        for name, content in fields.items()
    )
    return Call(method, path, {"Content-Type": MULTIPART}, parts + b"--parts--\r\n", as_base64=True)


def book(**values: object) -> dict[str, object]:
    return {"author": 3, "title": "Über", "isbn": "9783161484100", "published": 2001, "price": "9.90", **values}


def login(user: str, password: str | None = None) -> dict[str, str]:
    return {"username": user, "password": password or f"{user}-secret"}


READING = [
    Call("GET", path)
    for path in (
        "/",
        "/api/authors/",
        "/api/authors/3/books/",
        "/api/books/1/",
        "/api/books/1/price/",
        "/api/books/2/price/",
        "/api/books/1/cover/",
        "/api/books/999/",
        "/api/reviews/1/",
        "/api/reviews/?book=4",
        "/api/recommendations/",
        "/api/orders/",
        "/api/orders/A-1/",
        "/api/orders/B-2/",
        "/api/orders/A-1/lines/",
        "/api/orders/N-1/lines/",
        "/api/archive/",
        "/api/basket/",
        "/api/me/",
        "/api/partner/stock/",
        "/api/export/books.csv",
        "/api/terms/",
        "/api/echo/",
        "/api/cookies/",
        "/api/visits/",
        "/api/broken/",
        "/accounts/login/?next=/",
        "/accounts/profile/",
        *(f"/api/content/{kind}/" for kind in KINDS),
    )
]
ACCOUNTS = [
    *(api("POST", "/api/login/", login(user)) for user in ("ada", "ben", "staff")),
    api("POST", "/api/login/", login("ada", "wrong")),
    form("/api/login/", **login("ben")),
    page("/accounts/login/?next=/api/me/", **login("ada")),
    page("/accounts/login/", **login("staff")),
    page("/accounts/login/", **login("staff", "wrong")),
    api("POST", "/api/logout/"),
    page("/accounts/logout/"),
    api("POST", "/api/token/", login("ada")),
    page("/accounts/profile/", first_name="Åda", last_name="", email="ada@example.org"),
    page("/accounts/profile/", email="no address"),
    *(page("/i18n/setlang/", language=language, next="/") for language in ("de", "en", "xx")),
    api("POST", "/api/newsletter/", {"email": "new@example.com"}),
    api("POST", "/api/newsletter/", {"email": "new"}),
    api("POST", "/api/basket/", {"book": 3}),
    api("POST", "/api/basket/", {"book": 1, "quantity": 4}),
    api("DELETE", "/api/basket/"),
]
WRITING = [
    api("POST", "/api/authors/", {"name": "Ursula"}),
    form("/api/authors/", name="Ürsula"),
    upload("/api/authors/", name="Zoë".encode()),
    api("PUT", "/api/authors/3/", {"name": "Sören"}),
    api("DELETE", "/api/authors/3/"),
    api("DELETE", "/api/authors/25/"),
    api("POST", "/api/books/", book()),
    api("POST", "/api/books/", book(isbn="1", price="a lot")),
    api("PATCH", "/api/books/3/", {"stock": 7}),
    api("DELETE", "/api/books/241/"),
    api("DELETE", "/api/books/1/"),
    api("PUT", "/api/books/1/price/", {"price": "19.00", "since": "2025-01-02"}),
    upload("/api/books/1/cover/", "PUT", cover=PNG),
    upload("/api/books/1/cover/", "PUT", cover=b"no picture"),
    Call("PUT", "/api/books/1/cover/", {"Content-Type": "image/png"}, PNG, as_base64=True),
    api("POST", "/api/partner/stock/", {"isbn": "9783000000379", "stock": 99}),
    *(api("POST", "/api/reviews/", {"book": each, "rating": 5, "text": "Schön"}) for each in (1, 4)),
    api("POST", "/api/reviews/", {"book": 3, "rating": 9}),
    api("PATCH", "/api/reviews/1/", {"rating": 1}),
    form("/api/reviews/2/", "PUT", book="5", rating="2", text=""),
    api("DELETE", "/api/reviews/1/"),
    api("DELETE", "/api/reviews/151/"),
    api("PUT", "/api/orders/N-1/", {"note": "As a gift."}),
    api("PUT", "/api/orders/A-1/", {"note": "Changed."}),
    api("POST", "/api/orders/N-1/lines/", {"book": 1, "quantity": 2}),
    api("POST", "/api/orders/A-1/lines/", {"book": 2, "quantity": 1}),
    api("DELETE", "/api/orders/A-1/lines/1/"),
    api("DELETE", "/api/orders/A-1/"),
    *(api("POST", f"/api/orders/{number}/archive/") for number in ("A-1", "N-1", "B-2")),
]
COOKIES = [
    Call("POST", f"/api/cookies/?name={name}&value={value}{rest}")
    for name in ("a", "b")
    for value in ("1", "2%20x", "")
    for rest in ("", "&path=/", "&path=/api/", "&path=/api/cookies/&max_age=60", "&max_age=0", "&max_age=0&path=/")
]
PAGES = [
    Call("GET", f"/odd/{name}/{query}")
    for name in ("sent", "async", "cached", "cached-session", "fresh", "with-token", "messages/read")
    for query in ("", "?q=%C3%BC")
]
TOLD = [
    call
    for path in (f"/odd/told/{what}/" for what in ("nothing", *MEDDLING))
    for call in (Call("GET", path), Call("GET", f"{path}?q=%C3%BC"), api("POST", path, [1]))
]
WHO = [
    *(Call(method, f"/who/{query}") for method in ("GET", "POST") for query in ("", "?tenant")),
    *(Call("GET", f"{path}{query}") for path in ("/who/page/", "/api/me/") for query in ("", "?tenant")),
    *(Call("GET", f"/change/{name}/") for name in ("promote", "save", "put", "drop-tokens", "end-sessions")),
    Call("GET", "/time-zone/"),
]
# What views of `odd` do to sessions, tokens, messages and cookies. None fails, or is answered 412, when it has changed
# what the client does not know of: a batch that saves the session once more may set the cookie after all.
KEEPING = ["look", "write", "write-inside", "test-cookie", "touch"]
CHANGES = [
    *(Call(method, f"/odd/session/{what}/") for what in KEEPING for method in ("GET", "POST")),
    *(Call("GET", f"/odd/session/{what}/?status={status}") for what in KEEPING for status in (302, 404, 500)),
    *(Call("GET", f"/odd/session/{what}/") for what in ("browser", "minute", "usual")),
    *(Call("POST", f"/odd/session/{what}/") for what in ("clear", "cycle", "flush")),
    *(Call("GET", f"/odd/stream/{what}/") for what in ("write", "write-inside")),
    *(Call(method, f"/odd/token/{what}/") for what in ("get", "rotate") for method in ("GET", "POST")),
    *(Call("GET", f"/odd/token/{what}/?status=500") for what in ("get", "rotate")),
    *(Call("GET", f"/odd/messages/{what}/") for what in ("add", "add-long", "look")),
    *(
        Call("POST", f"/odd/cookies/?name=a&{rest}")
        for rest in ("path=/&secure=1", "httponly=1&samesite=Lax", "also=1", "signed=1", "delete=b")
    ),
]
REFUSED = [
    api("POST", "/batch/", [{"path": "/api/me/"}]),
    Call("GET", "/open-batch/"),
    api("POST", "/api/password/", {"old_password": "ada-secret", "new_password": "another-secret"}),
    Call("TRACE", "/api/echo/"),
    Call("GET", "/api/echo/", {"Cookie": "a=2"}),
    Call("POST", "/api/logout/", {"Host": "localhost"}),
]
