"""The session of the request that carries the batch, which sub-requests may change, renew or end meanwhile."""

from __future__ import annotations

from http.cookies import SimpleCookie

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.cached_db import SessionStore as CachedDBStore
from django.core.cache import caches
from django.http import HttpRequest, parse_cookie

from django_batch.execution.client.cookies import Cookies
from django_batch.execution.internals import session_with_key


def save_session(parent: HttpRequest, cookies: Cookies) -> None:
    """Let sub-requests see the session as it is, if it was changed before them.

    Authentication cycles the key of a session that was signed with one of `SECRET_KEY_FALLBACKS`, and ends a session
    that is not valid. With the cookie that was sent, sub-requests would not be logged in any more.
    """
    session = getattr(parent, "session", None)
    if isinstance(session, SessionBase) and session.modified:
        ended = session.is_empty()
        if not ended:
            session.save()
        cookie = SimpleCookie({settings.SESSION_COOKIE_NAME: session.session_key or ""})[settings.SESSION_COOKIE_NAME]
        cookie["path"] = settings.SESSION_COOKIE_PATH
        if ended:
            cookie["max-age"] = "0"
        cookies.take([cookie])


def renew_session(parent: HttpRequest, cookies: Cookies) -> None:
    """Let `parent` go on with the session that its client now has a cookie of, as if it came after all sub-requests.

    The session that `parent` has loaded would overwrite what they wrote, or, after a logout, turn the whole answer into
    a 400. A client without a session cookie keeps none.
    """
    session = getattr(parent, "session", None)
    if not isinstance(session, SessionBase) or (cookies.as_sent and session.session_key is None):
        return
    key = parse_cookie(cookies.header(parent.path)).get(settings.SESSION_COOKIE_NAME)
    parent.session = session_with_key(session, key)


def forget_cached(session: object) -> None:
    """Drop what the cache keeps of a session whose rows were rolled back."""
    if isinstance(session, CachedDBStore) and session.session_key:
        caches[settings.SESSION_CACHE_ALIAS].delete(session.cache_key)
