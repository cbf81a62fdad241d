"""The ways in which a site can be set up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.contrib.sessions.backends.file import SessionStore as FileSession
from django.db import connections
from django.test import override_settings
from django.urls import clear_script_prefix
from django.utils import translation
from hypothesis import strategies as st
from rest_framework.throttling import SimpleRateThrottle

from example_project.settings import MIDDLEWARE
from tests.roads import PLAIN, Road

from .client import HOST, Application, Call

NOW = datetime.now(UTC)
OLD_KEY = "the key before the present one"
SESSION_ENGINES = ["db", "cached_db", "cache", "file", "signed_cookies"]
CHAINS = {
    "stock": MIDDLEWARE,
    "remote users": [*MIDDLEWARE, "django.contrib.auth.middleware.RemoteUserMiddleware"],
    "login required": [*MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"],
    # Sessions, users and messages: without these the views do not work.
    "bare": [middleware for middleware in MIDDLEWARE if middleware.startswith("django.contrib.")],
}
FIRST = {
    "meddler": "tests.equivalence.middleware.meddle",
    "cache": "django.middleware.cache.UpdateCacheMiddleware",
    "gzip": "django.middleware.gzip.GZipMiddleware",
    "conditional": "django.middleware.http.ConditionalGetMiddleware",
}
STORAGES = ["fallback.FallbackStorage", "cookie.CookieStorage", "session.SessionStorage"]
BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend", "django.contrib.auth.backends.ModelBackend"]


@dataclass(frozen=True)
class Site:
    """What differs from the bookshop's own settings. `authenticates` tells whether its batch view does.

    Batches go the `road`.
    """

    session_engine: str = "db"
    save_every_request: bool = False
    csrf_use_sessions: bool = False
    atomic_requests: bool = False
    prefix: str = ""
    forces_prefix: bool = False
    scheme: str = "http"
    proxied: bool = False
    chain: str = "stock"
    messages: str = "fallback.FallbackStorage"
    first: frozenset[str] = frozenset()
    authenticates: bool = True
    road: Road = PLAIN

    @property
    def batch_path(self) -> str:
        return "/batch/" if self.authenticates else "/open-batch/"

    def settings(self) -> dict[str, Any]:
        secure = self.scheme == "https"
        return {
            **self.road.settings("tests.equivalence.urls"),
            "MIDDLEWARE": self._middleware(),
            "AUTHENTICATION_BACKENDS": BACKENDS,
            "SECRET_KEY_FALLBACKS": [OLD_KEY],
            "MESSAGE_STORAGE": f"django.contrib.messages.storage.{self.messages}",
            "SESSION_ENGINE": f"django.contrib.sessions.backends.{self.session_engine}",
            "SESSION_SAVE_EVERY_REQUEST": self.save_every_request,
            "SESSION_COOKIE_SECURE": secure,
            "CSRF_USE_SESSIONS": self.csrf_use_sessions,
            "CSRF_COOKIE_SECURE": secure,
            "SECURE_SSL_REDIRECT": secure,
            "SECURE_HSTS_SECONDS": 3600 if secure else 0,
            "FORCE_SCRIPT_NAME": self.prefix if self.forces_prefix else None,
            "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https") if self.proxied else None,
            "USE_X_FORWARDED_HOST": self.proxied,
        }

    def can_be_sent(self, call: Call) -> bool:
        """Whether Django reads the URL of `call` alone as in a batch, where that is as under WSGI.

        Under ASGI it does not if that is not encoded, in no UTF-8, or in a charset that a body or a middleware names.
        """
        is_text = call.path.isascii() and "%ff" not in call.path.lower() and "/encoding/" not in call.path
        return not self.road.asgi or (is_text and "utf-16" not in call.headers.get("Content-Type", ""))

    def server(self) -> dict[str, str]:
        """What the server says otherwise than by default."""
        said = {"SCRIPT_NAME": ""} if self.forces_prefix else {}
        if self.proxied:
            said |= {"HTTP_X_FORWARDED_PROTO": self.scheme, "wsgi.url_scheme": "http"}
            said |= {"HTTP_X_FORWARDED_HOST": HOST, "HTTP_HOST": "10.0.0.9:8000"}
        return said

    def _middleware(self) -> list[str]:
        first = [middleware for name, middleware in FIRST.items() if name in self.first]
        last = ["django.middleware.cache.FetchFromCacheMiddleware"] if "cache" in self.first else []
        return [*first, *CHAINS[self.chain], *last]


@contextmanager
def serving(site: Site, folder: Path) -> Iterator[Application]:
    """The bookshop set up as `site`, with no file in `folder` yet, and with the clock stopped."""
    for name in ("media", "sessions"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    with ExitStack() as stack:
        stack.enter_context(override_settings(**site.settings(), MEDIA_ROOT=folder / "media"))
        stack.enter_context(patch.object(FileSession, "_storage_path", str(folder / "sessions"), create=True))
        for connection in connections.all():
            stack.enter_context(patch.dict(connection.settings_dict, ATOMIC_REQUESTS=site.atomic_requests))
        stack.enter_context(stopped_clock())
        stack.callback(clear_script_prefix)
        stack.callback(translation.deactivate)
        yield site.road.application()


@contextmanager
def stopped_clock() -> Iterator[None]:
    """No time passes, so that two runs see the same."""
    stopped = type("stopped", (datetime,), {"now": classmethod(lambda cls, tz=None: NOW.astimezone(tz))})
    seconds = NOW.timestamp()
    with (
        patch("django.utils.timezone.datetime", stopped),
        patch("time.time", lambda: seconds),
        patch.object(SimpleRateThrottle, "timer", staticmethod(lambda: seconds)),
    ):
        yield


sites = st.builds(
    Site,
    session_engine=st.sampled_from(SESSION_ENGINES),
    save_every_request=st.booleans(),
    csrf_use_sessions=st.booleans(),
    atomic_requests=st.booleans(),
    prefix=st.sampled_from(["", "/shop"]),
    forces_prefix=st.booleans(),
    scheme=st.sampled_from(["http", "https"]),
    proxied=st.booleans(),
    chain=st.sampled_from(sorted(CHAINS)),
    messages=st.sampled_from(STORAGES),
    first=st.frozensets(st.sampled_from(sorted(FIRST))),
    authenticates=st.booleans(),
)
