"""The session of the request that carries the batch, which sub-requests may change, renew or end meanwhile."""

from __future__ import annotations

from http.cookies import SimpleCookie

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.cached_db import SessionStore as CachedDBStore
from django.core.cache import caches
from django.http import HttpRequest, parse_cookie

from django_batch.execution.client.cookies import Cookies


def save_session(parent: HttpRequest, cookies: Cookies) -> None:
    """Let sub-requests see the session as it is, if it was changed before them.

    Authentication cycles the key of a session that was signed with one of `SECRET_KEY_FALLBACKS`: with the cookie that
    was sent, nobody would be logged in any more. It ends one that is not valid.
    """
    session = getattr(parent, "session", None)
    if session is not None and session.modified:
        ended = session.is_empty()
        if not ended:
            session.save()
        cookie = SimpleCookie({settings.SESSION_COOKIE_NAME: session.session_key})[settings.SESSION_COOKIE_NAME]
        cookie["path"] = settings.SESSION_COOKIE_PATH
        if ended:
            cookie["max-age"] = "0"
        cookies.take([cookie])


def renew_session(parent: HttpRequest, cookies: Cookies) -> None:
    """Let `parent` go on with the session that its client now has a cookie of, as if it came after all sub-requests.

    Its own would overwrite what they wrote, or, after a logout, turn the whole answer into a 400. A client that had
    none, and was told of none, has none.
    """
    session = getattr(parent, "session", None)
    if session is None or (cookies.as_sent and session.session_key is None):  # 1 % of a batch of one
        return
    key = parse_cookie(cookies.header(parent.path)).get(settings.SESSION_COOKIE_NAME)
    parent.session = type(session)(key)
    parent.session.accessed, parent.session.modified = session.accessed, session.modified


def forget_cached(session: SessionBase) -> None:
    """Drop what the cache keeps of a session whose rows were rolled back."""
    if isinstance(session, CachedDBStore) and session.session_key:
        caches[settings.SESSION_CACHE_ALIAS].delete(session.cache_key)
