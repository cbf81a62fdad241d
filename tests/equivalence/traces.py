"""All that can be told apart after a run: what the client keeps, and what the site does.

Keys of sessions and CSRF secrets are drawn at random, so each is known here by the order in which it is met.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connections
from django.http import HttpResponse
from django.middleware.csrf import _unmask_cipher_token

from .client import Answer, Client
from .databases import DOWN

_MASKED_TOKEN = re.compile(rb"\b[A-Za-z0-9]{64}\b")
_MADE_OF_BODY = re.compile("[0-9a-f]{32}")
_RANDOM = re.compile(r"\w{32,}")
_SESSION_IN_CACHE = re.compile(r"django\.contrib\.sessions\.(cached_db|cache)")


@dataclass
class Names:
    """Names for what was drawn at random."""

    known: dict[str, str] = field(default_factory=dict)

    def name(self, drawn: str) -> str:
        return self.known.setdefault(drawn, f"random {len(self.known)}")

    def in_answer(self, answer: Answer) -> dict[str, Any]:
        """`answer` with a name for each CSRF token in a page: one secret looks different each time it is written."""
        headers, body = answer.headers, answer.body
        if headers.get("content-type", "").startswith("text/html"):
            body = _MASKED_TOKEN.sub(self._in_page, body)
        if "etag" in headers and (body != answer.body or answer.status == 304):
            headers = {**headers, "etag": _MADE_OF_BODY.sub("made of a page", headers["etag"])}
        return {"status": answer.status, "headers": headers, "body": body}

    def _in_page(self, token: re.Match[bytes]) -> bytes:
        return self.name(_unmask_cipher_token(token[0].decode())).encode()

    def in_session(self, content: dict[str, Any]) -> dict[str, Any]:
        return {key: self.name(value) if key == "_csrftoken" else value for key, value in content.items()}


def traces(client: Client, answers: Iterable[Answer], folder: Path) -> dict[str, Any]:
    """By what it is a trace of."""
    names = Names()
    return {
        "cookies": _cookies(client.jar, names),
        "answers": [names.in_answer(answer) for answer in answers],
        "sessions": _sessions(folder, names),
        "cache": _cached(names),
        "tables": dict(_tables()),
        "media": {str(path): path.read_bytes() for path in (folder / "media").rglob("*") if path.is_file()},
    }


def _cookies(jar: CookieJar, names: Names) -> dict[str, Any]:
    return {
        f"{cookie.name} of {cookie.path}": (
            _value(cookie.name, cookie.value or "", names),
            cookie.domain,
            cookie.expires,
            cookie.secure,
            *(cookie.get_nonstandard_attr(name) for name in ("HttpOnly", "SameSite")),
        )
        for cookie in sorted(jar, key=lambda cookie: (cookie.name, cookie.path))
    }


def _value(name: str, value: str, names: Names) -> object:
    if name == settings.SESSION_COOKIE_NAME:
        return names.in_session(_store()(value).load()) if "signed_cookies" in _engine() else names.name(value)
    return names.name(value) if name == settings.CSRF_COOKIE_NAME else value


def _engine() -> str:
    return str(settings.SESSION_ENGINE)


def _store() -> type[SessionBase]:
    store: type[SessionBase] = import_module(_engine()).SessionStore
    return store


def _sessions(folder: Path, names: Names) -> list[Any]:
    """What each session holds, wherever it is kept, in an order that its key has no part in."""
    kept = [*_session_rows(), *_session_files(folder), *_cached_sessions()]
    # Of those without a name, by all that is in them but for what is random.
    kept.sort(key=lambda each: (each[0], names.known.get(each[1], "unknown"), _RANDOM.sub("", repr(each[2]))))
    return [(place, names.name(key), names.in_session(content)) for place, key, content in kept]


def _session_rows() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for session in Session.objects.all():
        yield f"row until {session.expire_date}", session.session_key, session.get_decoded()


def _session_files(folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in (folder / "sessions").iterdir():
        key = path.name.removeprefix(settings.SESSION_COOKIE_NAME)
        yield "file", key, _store()(key).load()


def _cached_sessions() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for key, value in cache._cache.items():
        if found := _SESSION_IN_CACHE.search(key):
            yield f"{found[1]} until {cache._expire_info[key]}", key[found.end() :], pickle.loads(value)


def _cached(names: Names) -> list[Any]:
    """All else that is in the cache. The key of a page is made of its URL and of headers, some of them random."""
    kept = [
        (re.sub(r"[0-9a-f]{32}", "hash", key), cache._expire_info[key], pickle.loads(value))
        for key, value in cache._cache.items()
        if not _SESSION_IN_CACHE.search(key)
    ]
    named = [(key, until, _content(value, names)) for key, until, value in kept]
    return sorted(named, key=repr)


def _content(value: object, names: Names) -> object:
    if not isinstance(value, HttpResponse):
        return value
    headers = {name.lower(): text for name, text in value.items()}
    return names.in_answer(Answer(value.status_code, headers, value.content))


def _tables() -> Iterator[tuple[str, list[Any]]]:
    """Every row there is, except those of sessions. A database that is down has none."""
    for connection in connections.all():
        if connection.alias == DOWN:
            continue
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                if table != Session._meta.db_table:
                    cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                    yield f"{connection.alias}.{table}", cursor.fetchall()


def differences(alone: Any, batch: Any, place: str = "") -> Iterator[str]:
    """A line for each thing that is not the same."""
    if isinstance(alone, dict) and isinstance(batch, dict):
        for key in sorted(alone.keys() | batch.keys()):
            yield from differences(alone.get(key), batch.get(key), f"{place}/{key}")
    elif isinstance(alone, list) and isinstance(batch, list) and len(alone) == len(batch):
        for number, pair in enumerate(zip(alone, batch, strict=True)):
            yield from differences(*pair, f"{place}/{number}")
    elif alone != batch and isinstance(alone, bytes) and isinstance(batch, bytes) and b"\n" in alone:
        yield from differences(alone.split(b"\n"), batch.split(b"\n"), place)
    elif alone != batch:
        yield f"{place}: alone {alone!r}, in a batch {batch!r}"
