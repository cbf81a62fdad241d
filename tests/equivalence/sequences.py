"""Sequences of calls, drawn: sensible ones, and such that are put together of any method, path, header and body."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from .calls import ACCOUNTS, CHANGES, COOKIES, FORM, MULTIPART, PAGES, PNG, READING, REFUSED, TOLD, WHO, WRITING
from .client import JSON, Call
from .wire import fits_as_text

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


methods = st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
sensible = st.sampled_from([*READING, *PAGES, *ACCOUNTS, *WRITING, *COOKIES, *REFUSED, *TOLD])
calls = st.one_of(
    sensible,
    st.sampled_from([*ACCOUNTS, *WRITING]),
    st.sampled_from(CHANGES),
    st.sampled_from(WHO),
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
    """What one client asks, in this order. Some of it is asked again, at the end."""
    drawn = draw(st.lists(calls, min_size=1, max_size=12))
    return [*drawn, *draw(st.lists(st.sampled_from(drawn), max_size=4))]
