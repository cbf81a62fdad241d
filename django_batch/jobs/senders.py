"""In whose name a job acts: what is recorded of its sender, and how the sender is found again.

No cookie, token or password is stored. What is recorded names the sender, the authenticator that accepted it, and the
row of its credential; all are looked up again before each step. A view takes the sender only if its own authenticators
have the one that accepted the batch. A view without authenticators takes it only if that was the session.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import models
from django.http import HttpRequest
from django.urls import ResolverMatch
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.module_loading import import_string
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request

from django_batch.errors import CannotBeKept
from django_batch.execution.chain.handler import remote_user_keys
from django_batch.jobs.environ import recorded_environ

_SALT = "django_batch.jobs.senders"
_HOOK = "Override BatchView.record_sender and restore_sender to keep batches of such senders."
_PLAIN_KEYS = (models.AutoField, models.IntegerField, models.UUIDField)  # that are no secrets


def record_sender(request: Request) -> dict[str, Any]:
    """What a job records of the sender of `request`. Raises `CannotBeKept` if it could not be found again."""
    user = request.user
    if not user.is_authenticated:
        raise NotAuthenticated("A batch that is kept belongs to its sender. Log in, or send a token.")
    if not isinstance(user, get_user_model()):
        raise CannotBeKept(f"The user is a {type(user).__name__}, which has no row in the database. {_HOOK}")
    session = getattr(request._request, "session", None)
    return {
        "authenticator": _dotted_path(type(request.successful_authenticator)),
        "auth": _recorded_auth(request.auth),
        "hash": user.get_session_auth_hash(),
        "backend": session.get(BACKEND_SESSION_KEY, "") if isinstance(session, SessionBase) else "",
        "environ": recorded_environ(request._request),
    }


def restore_sender(user_key: str, record: Mapping[str, Any]) -> RestoredSender | None:
    """The sender as it is now, or None if it may not act any more."""
    user = _user(user_key)
    if user is None or not user.is_active or not _has_same_password(user, record["hash"]):
        return None
    try:
        auth = _restored_auth(record["auth"], user)
        authenticator = import_string(record["authenticator"])
    except (ImportError, LookupError, ObjectDoesNotExist):
        return None
    return RestoredSender(user, auth, authenticator, backend=record["backend"])


class RestoredSender:
    """A sender without its credentials, for one step of a job (`Identity`)."""

    def __init__(self, user: AbstractBaseUser, auth: Any, authenticator: type, *, backend: str) -> None:
        self.user = user
        self._auth = auth
        self._authenticator = authenticator
        self._backend = backend
        self._has_session = issubclass(authenticator, SessionAuthentication)

    def begin(self, request: HttpRequest) -> None:
        """Let Django's middleware find the user where it would have found the session's. CSRF was checked before.

        A user whom the server had named is named again, and the site's middleware logs it in by that.
        """
        named = remote_user_keys() & request.META.keys()
        request.META.update(dict.fromkeys(named, self.user.get_username()))
        if self._has_session:
            vars(request)["_dont_enforce_csrf_checks"] = True
            if not named:
                vars(request).update(_cached_user=self.user, _acached_user=self.user)

    def enter(self, request: HttpRequest, match: ResolverMatch) -> None:
        """Give the view a session that is never saved, and REST framework the user, if the view would take them."""
        session = getattr(request, "session", None)
        if self._has_session and isinstance(session, SessionBase):
            if session.session_key:  # a middleware has begun it for this item
                session.delete()
            request.session = UnsavedSession(self.user, self._backend)
        if self._authenticator in _authenticators(request, match):
            vars(request).update(_force_auth_user=self.user, _force_auth_token=self._auth)


class UnsavedSession(SessionBase):
    """A session that knows who is logged in. What a view stores in it is gone after the item."""

    def __init__(self, user: AbstractBaseUser, backend: str) -> None:
        super().__init__()
        who = {SESSION_KEY: str(user.pk), BACKEND_SESSION_KEY: backend, HASH_SESSION_KEY: user.get_session_auth_hash()}
        self._session_cache = who

    def is_empty(self) -> bool:
        """True, so that the middleware neither saves it nor sets its cookie."""
        return True

    def exists(self, session_key: str) -> bool:
        """False: there is no other one."""
        return False

    def create(self) -> None:
        """Store nothing."""

    def save(self, must_create: bool = False) -> None:
        """Store nothing."""

    def delete(self, session_key: str | None = None) -> None:
        """Delete nothing."""

    def load(self) -> dict[str, Any]:
        """Nothing is stored."""
        return {}


def _user(user_key: str) -> AbstractBaseUser | None:
    with suppress(ValueError, ValidationError):
        user: AbstractBaseUser | None = get_user_model()._default_manager.filter(pk=user_key).first()
        return user
    return None


def _has_same_password(user: AbstractBaseUser, recorded: str) -> bool:
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(each, recorded) for each in hashes)


def _recorded_auth(auth: Any) -> dict[str, Any] | None:
    if auth is None:
        return None
    if isinstance(auth, models.Model):
        return {"model": auth._meta.label_lower, **_recorded_key(auth)}
    claims = auth if isinstance(auth, Mapping) else getattr(auth, "payload", None)
    if isinstance(claims, Mapping):
        return {"claims": dict(claims)}
    raise CannotBeKept(f"The credential is a {type(auth).__name__}, which cannot be looked up again. {_HOOK}")


def _recorded_key(row: models.Model) -> dict[str, str]:
    """The key of a row, or its digest: REST framework's tokens have the token itself for a key."""
    if isinstance(row._meta.pk, _PLAIN_KEYS):
        return {"key": str(row.pk)}
    if _user_field(type(row)) is None:
        raise CannotBeKept(f"The key of a {type(row).__name__} may be a secret, and it names no user. {_HOOK}")
    return {"digest": _digest(row)}


def _restored_auth(recorded: Mapping[str, Any] | None, user: AbstractBaseUser) -> Any:
    """The row or the claims that were recorded. Raises `LookupError` or `ObjectDoesNotExist` for a row that is gone."""
    if recorded is None:
        return None
    if "claims" in recorded:
        return recorded["claims"]
    model: Any = apps.get_model(recorded["model"])
    if "key" in recorded:
        return model._default_manager.get(pk=recorded["key"])
    for row in model._default_manager.filter(**{str(_user_field(model)): user.pk}):
        if constant_time_compare(_digest(row), recorded["digest"]):
            return row
    raise LookupError(recorded["model"])


def _user_field(model: type[models.Model]) -> str | None:
    fields = model._meta.concrete_fields
    return next((field.name for field in fields if field.related_model is get_user_model()), None)


def _digest(row: models.Model) -> str:
    return salted_hmac(_SALT, str(row.pk), algorithm="sha256").hexdigest()


def _dotted_path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _authenticators(request: HttpRequest, match: ResolverMatch) -> set[type]:
    """The classes by which the view of `match` knows a sender; none for a view that is not REST framework's."""
    kind = getattr(match.func, "cls", None)
    if not isinstance(kind, type) or not hasattr(kind, "get_authenticators"):
        return set()
    view: Any = kind(**getattr(match.func, "initkwargs", {}))
    view.request, view.args, view.kwargs = request, match.args, match.kwargs
    view.action_map = getattr(match.func, "actions", None) or {}
    view.action = view.action_map.get(str(request.method).lower())
    try:
        return {type(each) for each in view.get_authenticators()}
    except Exception:  # the view will raise it again, where it is answered
        return set()
