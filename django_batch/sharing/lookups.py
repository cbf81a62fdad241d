"""What the credentials of a batch stand for, the session and its user, loaded once.

No sub-request is given an object that another has had. What is kept is what the database said: the data of a session,
the row of a user. Of that each makes an object of its own, as late as it would have loaded it.

It is dropped before a statement is executed that may change it, and nothing is kept again until every step that was in
progress has ended: what is not committed may be rolled back, and then must not have been kept. So only that is kept
which nothing but a statement changes, and which is loaded in Django's own way. Sessions in a cache, in files or in a
cookie are read by each sub-request, which takes no query, and what a site's own class loads is loaded by it each time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from functools import cached_property
from threading import Lock
from typing import Any
from weakref import ref

from django.apps import apps
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string

from django_batch.sharing.copies import Row, copies_of

_WORD = re.compile(r"\s*(\w+)")
_CHANGE_NOTHING = ("SELECT", "BEGIN", "SAVEPOINT", "RELEASE", "PRAGMA")
_CHANGE_WHAT_THEY_NAME = ("INSERT", "UPDATE")  # unlike DELETE, which the database may cascade
_MAX_HEARD = 64  # statements


class Lookups:
    """What was loaded for one batch. An execute wrapper, which hears of every statement that may change it."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Callable[[], Any]] = {}  # what makes copies
        self._heard: dict[str, bool] = {}  # statement -> whether it may change what is kept
        self._in_progress: set[int] = set()  # positions of steps
        self._changing = False  # a step in progress may have changed something
        self._lock = Lock()  # steps may be done on several threads

    def __call__(
        self, execute: Callable[..., object], sql: Any, params: object, many: bool, context: dict[str, Any]
    ) -> object:
        """Execute. What may be changed by it is dropped before."""
        text = str(sql)
        changes = self._heard.get(text)  # most are heard more than once: two fifths of a percent of a create
        if changes is None:
            changes = self._hear(text)
        if changes:
            with self._lock:
                self._kept = {}
                self._changing = True
        return execute(sql, params, many, context)

    def _hear(self, sql: str) -> bool:
        if len(self._heard) >= _MAX_HEARD:
            self._heard.clear()
        self._heard[sql] = changes = self._may_change(sql)
        return changes

    def _may_change(self, sql: str) -> bool:
        found = _WORD.match(sql)
        word = found[1].upper() if found else ""
        if ";" in sql:  # it may be several statements
            return True
        if word in _CHANGE_WHAT_THEY_NAME:
            lowered = sql.lower()
            return any(table in lowered for table in self._tables)
        return word not in _CHANGE_NOTHING

    @cached_property
    def _tables(self) -> frozenset[str]:
        return frozenset(_tables())

    def begin_step(self, position: int) -> None:
        """The step at `position` is in progress from now on."""
        self._in_progress.add(position)

    def begin_unheard_step(self, position: int) -> None:
        """One is in progress whose statements are not heard here: until it has ended, nothing is shared."""
        with self._lock:
            self._in_progress.add(position)
            self._kept = {}
            self._changing = True

    def end_step(self, position: int) -> None:
        """It has ended, and so has every transaction in it."""
        self._in_progress.discard(position)
        if self._changing:
            with self._lock:
                self._changing = bool(self._in_progress)

    def find(self, key: Hashable) -> Any:
        """A copy of what is kept under `key`, or None."""
        kept = self._kept.get(key)
        return kept and kept()

    def keep(self, key: Hashable, value: object) -> None:
        """Keep a copy of `value`, which a step in progress has loaded, unless it may be changing."""
        try:
            copies = copies_of(value)
        except Exception:  # of a site's own type, which may raise anything
            return
        with self._lock:
            if not self._changing:
                self._kept[key] = copies

    def share_session(self, session: object) -> None:
        """Let `session` look here before it is loaded."""
        if type(session) is SessionStore:
            overrule(session, "load", self._load_session)

    def _load_session(self, session: SessionBase) -> dict[str, Any]:
        key = session.session_key
        data: dict[str, Any] | None = self.find(key)
        if data is None:
            data = type(session).load(session)
            if session.session_key == key:  # else there was none of this key
                self.keep(key, data)
        return data

    def user_of(self, session: SessionBase) -> Any:
        """A user as `session` has one, or None if it is not known who that is."""
        row = self.find(_user_key(session))
        return row and row.active_user()

    def keep_user(self, user: Any, session: SessionBase) -> None:
        """Keep what `user` was made of, if they were loaded for `session`, and in Django's way."""
        if is_plain(user) and _is_user_of(session, user) and (row := Row.of(user)):
            self.keep(_user_key(session), row)


def _tables() -> Iterator[str]:
    """The tables of sessions, users and tokens, in lower case."""
    for name in ("sessions.Session", settings.AUTH_USER_MODEL, "authtoken.Token"):
        with suppress(LookupError):  # of an app that is not installed
            model = apps.get_model(name)
            for each in (model, *model._meta.get_parent_list()):
                yield each._meta.db_table.lower()


def _user_key(session: SessionBase) -> Hashable:
    """All that the user of `session` depends on, beside their row. Reading it is what loading them begins with."""
    user = session.get(SESSION_KEY), session.get(BACKEND_SESSION_KEY), session.get(HASH_SESSION_KEY)
    return session.session_key, *user


def _is_user_of(session: SessionBase, user: AbstractBaseUser) -> bool:
    """Whether Django would load `user` for `session` too, and not a site of its own accord another."""
    path: Any = session.get(BACKEND_SESSION_KEY)
    if session.get(SESSION_KEY) != user._meta.pk.value_to_string(user) or path not in settings.AUTHENTICATION_BACKENDS:
        return False
    plain = import_string("django.contrib.auth.backends.ModelBackend")  # needs the app of users
    return inherits(import_string(path), plain, "get_user", "user_can_authenticate") and constant_time_compare(
        session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()
    )


def is_plain(user: object) -> bool:
    """Whether nothing but a row makes `user` who they are: no manager that chooses, and no method of their own."""
    model = type(user)
    if not issubclass(model, AbstractBaseUser) or model is not apps.get_model(settings.AUTH_USER_MODEL):
        return False
    manager = model._default_manager
    return inherits(
        model, AbstractBaseUser, "get_session_auth_hash", "_get_session_auth_hash", "check_password"
    ) and inherits(type(manager), BaseUserManager, "get_queryset", "get", "get_by_natural_key", "_queryset_class")


def inherits(cls: type, base: type, *names: str) -> bool:
    """Whether `cls` has under each of `names` what `base` has."""
    return all(getattr(cls, name, None) is getattr(base, name) for name in names)


def overrule(instance: object, name: str, function: Callable[..., object]) -> None:
    """Let `instance.name(...)` be `function(instance, ...)`, for this one instance of its class.

    It holds itself weakly: in a circle, each sub-request would wait for the garbage collector.
    """
    itself = ref(instance)
    setattr(instance, name, lambda *args, **kwargs: function(itself(), *args, **kwargs))
