"""The ways in which a site can be set up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
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
from rest_framework.authentication import BaseAuthentication, BasicAuthentication, TokenAuthentication
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from django_batch.authentication import SharedBasicAuthentication, SharedTokenAuthentication
from example_project.settings import MIDDLEWARE
from tests.roads import PLAIN, Road

from .client import HOST, Application, Call
from .databases import down, tenant

NOW = datetime.now(UTC)
OLD_KEY = "the key before the present one"
SESSION_ENGINES = ["db", "cached_db", "cache", "file", "signed_cookies"]
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
CHAINS = {
    "stock": MIDDLEWARE,
    "remote users": [*MIDDLEWARE, "django.contrib.auth.middleware.RemoteUserMiddleware"],
    "login required": [*MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"],
    # Sessions, users and messages: without these the views do not work.
    "bare": [middleware for middleware in MIDDLEWARE if middleware.startswith("django.contrib.")],
    "dict sessions": [
        "tests.equivalence.middleware.dict_sessions" if each == SESSIONS else each for each in MIDDLEWARE
    ],
}
FIRST = {
    "meddler": "tests.equivalence.middleware.meddle",
    "class": "tests.equivalence.middleware.change_class",
    "looker": "tests.equivalence.middleware.look",
    "cache": "django.middleware.cache.UpdateCacheMiddleware",
    "gzip": "django.middleware.gzip.GZipMiddleware",
    "conditional": "django.middleware.http.ConditionalGetMiddleware",
}
STORAGES = ["fallback.FallbackStorage", "cookie.CookieStorage", "session.SessionStorage"]
BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend", "django.contrib.auth.backends.ModelBackend"]
SHARED_BACKENDS = [BACKENDS[0], "django_batch.backends.ModelBackend"]
SHARED_ENGINES = {"db": "django_batch.sessions.db"}
SHARED = {TokenAuthentication: SharedTokenAuthentication, BasicAuthentication: SharedBasicAuthentication}
ROUTERS = ["tests.equivalence.databases.TenantRouter", "example_project.bookshop.routers.ArchiveRouter"]


@dataclass(frozen=True)
class Site:
    """What differs from the bookshop's own settings. `authenticates` tells whether its batch view does.

    Batches go the `road`. `hidden_tls` is a proxy that ends TLS without a word to Django, `shares` names the classes
    that look up once, `around` sets a thread-local value back before each sub-request, `tenants` chooses a database by
    the query, and `down` is one more database, which nobody can reach.
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
    hidden_tls: bool = False
    shares: bool = False
    around: bool = False
    tenants: bool = False
    down: bool = False
    road: Road = PLAIN

    @property
    def batch_path(self) -> str:
        return "/batch/" if self.authenticates else "/open-batch/"

    def settings(self) -> dict[str, Any]:
        secure = self.scheme == "https"
        around = ["tests.equivalence.middleware.outside"] if self.around else None
        engine = f"django.contrib.sessions.backends.{self.session_engine}"
        return {
            **self.road.settings("tests.equivalence.urls", BATCH={"AROUND": around}),
            "MIDDLEWARE": self._middleware(),
            "AUTHENTICATION_BACKENDS": SHARED_BACKENDS if self.shares else BACKENDS,
            "DATABASE_ROUTERS": ROUTERS if self.tenants else ROUTERS[1:],
            "SECRET_KEY_FALLBACKS": [OLD_KEY],
            "MESSAGE_STORAGE": f"django.contrib.messages.storage.{self.messages}",
            "SESSION_ENGINE": SHARED_ENGINES.get(self.session_engine, engine) if self.shares else engine,
            "SESSION_SAVE_EVERY_REQUEST": self.save_every_request,
            "SESSION_COOKIE_SECURE": secure,
            "CSRF_USE_SESSIONS": self.csrf_use_sessions,
            "CSRF_COOKIE_SECURE": secure,
            "SECURE_SSL_REDIRECT": secure and not self.hidden_tls,
            "SECURE_HSTS_SECONDS": 3600 if secure else 0,
            "FORCE_SCRIPT_NAME": self.prefix if self.forces_prefix else None,
            "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https") if self.proxied else None,
            "USE_X_FORWARDED_HOST": self.proxied,
        }

    def can_be_sent(self, call: Call) -> bool:
        """Whether the client keeps what `call` sets: a Secure cookie needs HTTPS, of which only the client knows."""
        return self.scheme == "https" or "secure=1" not in call.path

    def server(self) -> dict[str, str]:
        """What the server says otherwise than by default."""
        said = {"SCRIPT_NAME": ""} if self.forces_prefix else {}
        if self.hidden_tls:
            said |= {"wsgi.url_scheme": "http"}
        elif self.proxied:
            said |= {"HTTP_X_FORWARDED_PROTO": self.scheme, "wsgi.url_scheme": "http"}
            said |= {"HTTP_X_FORWARDED_HOST": HOST, "HTTP_HOST": "10.0.0.9:8000"}
        return said

    def _middleware(self) -> list[str]:
        first = [middleware for name, middleware in FIRST.items() if name in self.first]
        last = ["django.middleware.cache.FetchFromCacheMiddleware"] if "cache" in self.first else []
        if self.around:
            first = ["tests.equivalence.middleware.remember", *first]
        if self.tenants:
            first = ["tests.equivalence.middleware.choose_tenant", *first]
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
        if site.shares:
            stack.enter_context(patch.object(APIView, "get_authenticators", _shared_authenticators))
        if site.tenants:
            stack.enter_context(tenant())
        if site.down:
            stack.enter_context(down(folder))
        stack.enter_context(stopped_clock())
        stack.callback(clear_script_prefix)
        stack.callback(translation.deactivate)
        yield site.road.application()


def _shared_authenticators(view: APIView) -> list[BaseAuthentication]:
    """As REST framework makes them, of the classes that look up once."""
    return [SHARED.get(kind, kind)() for kind in view.authentication_classes]


@contextmanager
def tenants() -> Iterator[None]:
    """A database of a tenant, and authenticators that look up once."""
    with tenant(), patch.object(APIView, "get_authenticators", _shared_authenticators):
        yield


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
    hidden_tls=st.booleans(),
    shares=st.booleans(),
    around=st.booleans(),
    tenants=st.booleans(),
    down=st.booleans(),
).map(lambda site: replace(site, hidden_tls=site.hidden_tls and site.scheme == "https"))
