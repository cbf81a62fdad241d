"""Whether a sub-request has checked somebody's password, whatever its view is and whatever came of it.

A sender who can have the count of attempts rolled back could guess for ever. So a group and a dry run withhold the
answer to an attempt, and a right password has to be noticed as surely as a wrong one. Django sends a signal about a
wrong one, and about a right one only if the view also logs in. Everything else is told by what a check leaves behind:

* `authenticate()` writes the name of a backend on the user that it returns. Django tells of each user that is made.
* Every check of a stored password looks for its hasher, and Django counts how often this process has done that. Another
  thread may have done it, so this counts only if the code of the view can check a password.

Nothing of Django's is replaced, so it does not matter from where a view has imported what it calls. The user as whom
the batch itself was authenticated by a password is no secret: it was checked outside of the group.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import Struct, field

from django_batch.execution.internals import passwords_checked
from django_batch.sharing.rows import found_again

_MAX_USERS = 1_000  # that are held until it is known whether they were authenticated


class KnownUser(NamedTuple):
    """The user as whom `authenticate()` has authenticated the batch itself."""

    model: type
    pk: object
    backend: object

    @classmethod
    def of(cls, user: Any) -> KnownUser | None:
        """`user`, or None if `authenticate()` has not returned them."""
        backend = getattr(user, "__dict__", {}).get("backend")
        return cls(type(user), user.pk, backend) if backend else None


class _Made(NamedTuple):
    """A user that was made while the sub-request ran. A field of theirs may have the name `backend`, too."""

    user: Any
    backend: object
    checked: bool


class Attempts(Struct):
    """What is seen of the attempts of one sub-request, from the moment when this is made."""

    known: KnownUser | None = None
    noted: bool = False
    _users: deque[_Made] = field(default_factory=deque)
    _checked: int = field(default_factory=passwords_checked)
    _explained: int = 0  # checks of the password that was sent with the batch

    def note_user(self, user: Any) -> None:
        """Remember `user`, who was made just now, and may yet be authenticated."""
        self._users.append(_Made(user, vars(user).get("backend"), not found_again.get()))
        if len(self._users) > _MAX_USERS:
            self._look_at(self._users.popleft())

    def were_made(self, can_check: Callable[[], bool]) -> bool:
        """Whether there were any. `can_check` says whether the code of the view can check a password."""
        while self._users:
            self._look_at(self._users.popleft())
        checked = passwords_checked() - self._checked
        return self.noted or (not 0 <= checked <= self._explained and can_check())

    def _look_at(self, made: _Made) -> None:
        if vars(made.user).get("backend") in (None, made.backend):
            return
        if KnownUser.of(made.user) == self.known:
            self._explained += made.checked
        else:
            self.noted = True
