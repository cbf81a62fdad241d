"""One client of the site: it keeps cookies, and reaches the site as it does through a real WSGI server.

Neither Django's test client nor its request factory is asked: what they would invent, the law could not see.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from gzip import decompress
from http.client import HTTPMessage
from http.cookiejar import Cookie, CookieJar
from io import BytesIO
from types import SimpleNamespace
from urllib.parse import unquote_to_bytes
from urllib.request import Request
from wsgiref.util import FileWrapper

Environ = dict[str, object]
Application = Callable[..., Iterable[bytes]]  # of WSGI
HOST = "testserver"
JSON = "application/json"


@dataclass(frozen=True)
class Call:
    """What a client asks. `path` is without the script prefix; `as_base64` tells how the body is written in an item."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    as_base64: bool = False


@dataclass(frozen=True)
class Answer:
    """What a client is told. `headers` are by lower-case name, without cookies: those go into the client's jar."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Client:
    """Sends `headers` with everything. `token` is its CSRF token.

    With `follows_cookie`, it is a page that reads the token from its cookie each time. `server` is what the server or a
    proxy makes otherwise of the environment.
    """

    application: Application
    scheme: str = "http"
    prefix: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    server: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    follows_cookie: bool = True
    jar: CookieJar = field(default_factory=CookieJar)

    def send(self, call: Call) -> Answer:
        """The answer to `call` alone. Where it says nothing else, JSON is accepted, as in a batch."""
        return self.exchange(call.method, call.path, {"Accept": JSON, **call.headers}, call.body or b"")

    def exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer to one HTTP request. What is in `headers` outranks the client's own."""
        url = Request(f"{self.scheme}://{HOST}{self.prefix}{path}")
        self.jar.add_cookie_header(url)
        own = {"Host": HOST, "Cookie": url.get_header("Cookie"), "X-CSRFToken": self._token(), **self.headers}
        sent = {name: value for name, value in {**own, **headers}.items() if value is not None}
        status, pairs, content = call(self.application, self._environ(method, path, sent, body))
        self.jar.extract_cookies(_with_cookies(pairs), url)
        told = {name.lower(): value for name, value in pairs if name.lower() != "set-cookie"}
        if method == "HEAD" or status in (204, 304):  # RFC 9110 §6.4.1
            return Answer(status, told, b"")
        return Answer(status, told, decompress(content) if told.get("content-encoding") == "gzip" else content)

    def find(self, name: str) -> Cookie | None:
        """The cookie that belongs to the whole site."""
        return next((cookie for cookie in self.jar if (cookie.name, cookie.path) == (name, "/")), None)

    def _token(self) -> str | None:
        cookie = self.find("csrftoken") if self.token and self.follows_cookie else None
        return cookie.value if cookie else self.token

    def _environ(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Environ:
        """As gunicorn builds it (PEP 3333): every text is bytes, read as latin-1."""
        target, _, query = path.encode().decode("latin-1").partition("?")
        environ: Environ = {
            "wsgi.errors": sys.stderr,
            "wsgi.version": (1, 0),
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
            "wsgi.input_terminated": True,
            "wsgi.input": BytesIO(body),
            "wsgi.url_scheme": self.scheme,
            "SERVER_SOFTWARE": "gunicorn/23.0.0",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "REMOTE_ADDR": "192.0.2.7",
            "REMOTE_PORT": "50123",
            "REQUEST_METHOD": method,
            "RAW_URI": self.prefix + path,
            "SCRIPT_NAME": self.prefix,
            "PATH_INFO": unquote_to_bytes(target.encode("latin-1")).decode("latin-1"),
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(body)),
        }
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value.encode().decode("latin-1")
        return environ | self.server


def call(application: Application, environ: Environ) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body, with the response closed as a server closes it."""
    started: list[tuple[int, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        started.append((int(status.split()[0]), headers))

    chunks = application(environ, start_response)
    try:
        content = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    [(status, headers)] = started
    return status, headers, content


def _with_cookies(pairs: Iterable[tuple[str, str]]) -> SimpleNamespace:
    """As much of `http.client.HTTPResponse` as a cookie jar looks at."""
    message: Message = HTTPMessage()
    for name, value in pairs:
        if name.lower() == "set-cookie":
            message["Set-Cookie"] = value
    return SimpleNamespace(info=lambda: message)
