"""REST framework's authenticators, which look up a token or a password once for a batch.

A site names them in `DEFAULT_AUTHENTICATION_CLASSES` or on its views, and puts the mixins in front of its own.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils.module_loading import import_string
from rest_framework.authentication import BasicAuthentication, TokenAuthentication

from django_batch.sharing.copies import Row
from django_batch.sharing.lookups import listen_to_all
from django_batch.sharing.rows import has_plain_manager, looked_up, user_row

listen_to_all()


class SharedTokenMixin:
    """For a subclass of `TokenAuthentication` whose tokens are rows with a `user`."""

    def authenticate_credentials(self, key: str) -> Any:
        """The user and the token, objects of their own for each sub-request."""
        load = super().authenticate_credentials  # type: ignore[misc]
        model = self.get_model()  # type: ignore[attr-defined]
        options = _options(self)
        if options is None or not has_plain_manager(model):
            return load(key)
        return looked_up(("token", options, model, key), model, lambda: load(key), pack=_token_rows, unpack=_of_token)


class SharedPasswordMixin:
    """For a subclass of `BasicAuthentication`: a password is hashed once for a batch."""

    def authenticate_credentials(self, userid: str, password: str, request: Any = None) -> Any:
        """The user, an object of its own for each sub-request, and None."""
        authenticate = super().authenticate_credentials  # type: ignore[misc]
        options = _options(self)
        if options is None or not _backends_are_plain():
            return authenticate(userid, password, request)
        return looked_up(
            ("password", options, userid, password),
            get_user_model(),
            lambda: authenticate(userid, password, request),
            pack=_password_rows,
            unpack=_of_password,
        )


class SharedTokenAuthentication(SharedTokenMixin, TokenAuthentication):
    """REST framework's own. Outside of a batch it does what that does."""


class SharedBasicAuthentication(SharedPasswordMixin, BasicAuthentication):
    """REST framework's own. Outside of a batch it does what that does."""


def _options(authenticator: Any) -> Hashable | None:
    """The class of `authenticator`, and the attributes that were set on the object, such as `keyword`."""
    options = (type(authenticator), *sorted(vars(authenticator).items()))
    try:
        hash(options)
    except TypeError:
        return None
    return options


def _token_rows(found: tuple[Any, Any]) -> tuple[Row, Row] | None:
    user, token = found
    row = user_row(user)
    token_row = Row.of(token)
    return (row, token_row) if row and token_row else None


def _of_token(kept: tuple[Row, Row]) -> tuple[Any, Any]:
    user, token = kept[0].instance(), kept[1].instance()
    token.user = user  # as `select_related` leaves it
    return user, token


def _password_rows(found: tuple[Any, None]) -> tuple[Row, str] | None:
    user = found[0]
    row = user_row(user, besides=("backend",))
    return (row, user.backend) if row else None


def _of_password(kept: tuple[Row, str]) -> tuple[Any, None]:
    user = kept[0].instance()
    user.backend = kept[1]
    return user, None


def _backends_are_plain() -> bool:
    """Whether all that is asked for a password looks at nothing else."""
    plain = import_string("django.contrib.auth.backends.ModelBackend")
    by_name = import_string("django.contrib.auth.backends.RemoteUserBackend")  # is asked for no password
    kinds = [import_string(path) for path in settings.AUTHENTICATION_BACKENDS]
    return all(kind.authenticate in (plain.authenticate, by_name.authenticate) for kind in kinds)
