"""What clients ask of the bookshop: things that mean something there, and things that mean nothing anywhere."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import urlencode

from hypothesis import strategies as st

from .client import JSON, Call
from .wire import fits_as_text

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
paths = st.sampled_from(
    [
        *dict.fromkeys(call.path.partition("?")[0] for call in (*READING, *ACCOUNTS, *WRITING)),
        "/api/books",
        "/api/books/1",
        "/api/echo",
        "/api/echo/ü",
        "/api/echo/%C3%BC/",
        "/api/%65cho/",
        "/api/echo/%ff/",
        "/api/echo/%00/",
        "/api/echo/../me/",
        "/api//me/",
        "/üñ/",
        "/favicon.ico",
        "/i18n/",
    ]
)
queries = st.sampled_from(
    [
        "",
        "?",
        "?page_size=2",
        "?page=2&page_size=1",
        "?page=999",
        "?search=Sören",
        "?search=S%C3%B6ren",
        "?search=%F6",
        "?ordering=-price&page_size=3",
        "?max_price=much",
        "?in_stock=false&page_size=1",
        "?a=1&a=2&b&=&;",
        "?format=api&page_size=1",
        "?format=xml",
        "?q=%00%0d%0a",
        "?next=//evil.example/&language=de",
        "?a?b/../c=ü",
    ]
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "Accept": st.sampled_from(
            ["*/*", "text/html", "image/png", "application/json; indent=1", "text/html;q=0.1, */*"]
        ),
        "Accept-Language": st.sampled_from(["de", "en", "fr", "de-AT,de;q=0.9", "ü"]),
        "Content-Language": st.just("de"),
        "Idempotency-Key": st.just("once"),
        "If-Match": st.sampled_from(['"18.50"', '"19.00"', "*", 'W/"18.50"']),
        "If-Modified-Since": st.sampled_from(["Fri, 01 Mar 2024 00:00:00 GMT", "Thu, 01 Feb 2024 00:00:00 GMT", "x"]),
        "If-None-Match": st.sampled_from(['"18.50"', 'W/"18.50", "x"', "*"]),
        "If-Range": st.just('"18.50"'),
        "If-Unmodified-Since": st.sampled_from(["Fri, 01 Mar 2024 00:00:00 GMT", "Thu, 01 Feb 2024 00:00:00 GMT"]),
        "Prefer": st.just("return=minimal"),
        "Range": st.just("bytes=0-3"),
        "X-CSRFToken": st.sampled_from(["wrong", "w" * 32, ""]),
        "X-HTTP-Method-Override": st.just("DELETE"),
        "X-Request-ID": st.just("7"),
        "X-Requested-With": st.just("XMLHttpRequest"),
    },
)
bodies = st.sampled_from(
    [
        (JSON, b'{"name": 1.10, "name": "Ursula", "stock": 18446744073709551617, "x": 1e2}'),
        (JSON, '{"name": "Ü \U0001f4da \\u00fc", "note": null}'.encode()),
        (JSON, b"[]"),
        (JSON, b'"text"'),
        (JSON, b""),
        (JSON, b"{"),
        (JSON, b'{"name": NaN}'),
        (JSON, b'{"name": "\xff"}'),
        ("application/json; charset=utf-8", b'{"rating": 2}'),
        ("application/json; charset=utf-16", '{"rating": 2}'.encode("utf-16")),
        (FORM, b"name=%C3%9C&name=x&rating=1&a"),
        (FORM, b"name=\xff&rating=%ff"),
        (FORM, b""),
        (MULTIPART, b'--parts\r\nContent-Disposition: form-data; name="name"\r\n\r\nU\r\n--parts--\r\n'),
        (MULTIPART, b"no parts at all"),
        ("multipart/form-data", b"no boundary"),
        ("text/plain; charset=iso-8859-1", "Grüße".encode("latin-1")),
        ("text/plain", "Grüße".encode()),
        ("image/png", PNG),
        ("application/octet-stream", b"\x00\xff"),
        ("no type", b"x"),
    ]
)


def with_body(call: Call, body: tuple[str, bytes] | None, as_base64: bool) -> Call:
    if body is None:
        return call
    content_type, content = body
    headers = {**call.headers, "Content-Type": content_type}
    return replace(call, headers=headers, body=content, as_base64=as_base64 or not fits_as_text(content_type, content))


def with_headers(call: Call, more: dict[str, str]) -> Call:
    return replace(call, headers={**more, **call.headers})


REFUSED = [
    api("POST", "/batch/", [{"path": "/api/me/"}]),
    Call("GET", "/open-batch/"),
    api("POST", "/api/password/", {"old_password": "ada-secret", "new_password": "another-secret"}),
    Call("TRACE", "/api/echo/"),
    Call("GET", "/api/echo/", {"Cookie": "a=2"}),
    Call("POST", "/api/logout/", {"Host": "localhost"}),
]
methods = st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
sensible = st.sampled_from([*READING, *ACCOUNTS, *WRITING, *COOKIES, *REFUSED])
calls = st.one_of(
    sensible,
    st.sampled_from([*ACCOUNTS, *WRITING]),
    st.builds(with_headers, sensible, headers),
    st.builds(replace, st.sampled_from(READING), method=methods),
    st.builds(
        with_body,
        st.builds(Call, methods, st.builds("{}{}".format, paths, queries), headers),
        st.none() | bodies,
        st.booleans(),
    ),
)


@st.composite
def sequences(draw: st.DrawFn) -> list[Call]:
    """What one client asks, in this order."""
    return draw(st.lists(calls, min_size=1, max_size=12))
