"""The users of tokens and passwords, loaded once for all sub-requests that send the same.

REST framework has no place between a request and its authenticators, and nothing of it is patched. The handler of a
batch only calls its views in another way: the function that `as_view()` returned is made once more, of the same code,
with a class that tells each of its views to look at its authenticators first. What is not exactly such a function, as
it is decorated, is called as it is. Less would not do: to answer the statement from memory would leave nine tenths of
what a token costs, and of a password the hashing, which is meant to be slow.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial, update_wrapper
from types import CellType, FunctionType
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string
from rest_framework.authentication import BasicAuthentication, TokenAuthentication, get_authorization_header
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from django_batch.sharing.copies import Row
from django_batch.sharing.lookups import inherits, is_plain, overrule

View = Callable[..., Any]
_MAX_VIEWS = 4096  # made once more; a site has as many as its URLconf


class _Actions(ViewSet):
    """Its `as_view()` sets attributes of the class."""


def _codes(view: Any) -> tuple[object, object]:
    """Of the function that exempts from the CSRF check, and of the one inside of it."""
    return getattr(view, "__code__", None), getattr(getattr(view, "__wrapped__", None), "__code__", None)


_MADE = {_codes(APIView.as_view()), _codes(_Actions.as_view({"get": "list"}))}


def share_authenticators(view: View) -> View:
    """`view`, or if it was made by REST framework, one like it that shares what its authenticators load."""
    return _shared(view) if type(view) is FunctionType else view  # of others, some cannot be keys


@lru_cache(maxsize=_MAX_VIEWS)
def _shared(view: View) -> View:
    if _codes(view) not in _MADE:
        return view
    made = cast("FunctionType", view.__wrapped__)  # type: ignore[attr-defined]
    cells = [
        CellType(partial(_make, cell.cell_contents)) if name == "cls" else cell
        for name, cell in zip(made.__code__.co_freevars, made.__closure__ or (), strict=True)
    ]
    sharing = FunctionType(made.__code__, made.__globals__, closure=tuple(cells))

    def chosen(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return (sharing if "HTTP_AUTHORIZATION" in request.META else view)(request, *args, **kwargs)

    return update_wrapper(chosen, view)


def _make(view_class: type[APIView], **options: Any) -> APIView:
    view = view_class(**options)
    overrule(view, "initialize_request", _initialize_request)
    return view


def _initialize_request(view: APIView, http_request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
    request = type(view).initialize_request(view, http_request, *args, **kwargs)
    for authenticator in request.authenticators or ():
        kind = type(authenticator)
        if inherits(kind, TokenAuthentication, "authenticate", "authenticate_credentials", "get_model", "model"):
            overrule(authenticator, "authenticate", _by_token)
        elif inherits(kind, BasicAuthentication, "authenticate", "authenticate_credentials"):
            overrule(authenticator, "authenticate", _by_password)
    return request


def _by_token(authenticator: TokenAuthentication, request: Request) -> tuple[Any, Any] | None:
    credentials = request._request._batch_template.common.credentials  # type: ignore[attr-defined]
    key = type(authenticator), get_authorization_header(request)
    if rows := credentials.find(key):
        user_row, token_row = rows
        if user := user_row.active_user():
            return user, _with_user(token_row.instance(), user)
    found = type(authenticator).authenticate(authenticator, request)
    if found and all(rows := tuple(map(Row.of, found))):
        credentials.keep(key, rows)
    return found


def _with_user(token: Any, user: Any) -> Any:
    """`token`, which knows `user`, as `select_related` leaves them."""
    field = token._meta.get_field("user")
    field.set_cached_value(token, user)
    field.remote_field.set_cached_value(user, token)
    return token


def _by_password(authenticator: BasicAuthentication, request: Request) -> tuple[Any, Any] | None:
    credentials = request._request._batch_template.common.credentials  # type: ignore[attr-defined]
    key = type(authenticator), get_authorization_header(request)
    if kept := credentials.find(key):
        row, backend = kept
        if user := row.active_user():
            user.backend = backend
            return user, None
    found = type(authenticator).authenticate(authenticator, request)
    if found and is_plain(found[0]) and _backends_are_plain() and (row := Row.of(found[0], besides={"backend"})):
        credentials.keep(key, (row, found[0].backend))
    return found


def _backends_are_plain() -> bool:
    """Whether all that is asked for a password looks at nothing else."""
    plain = import_string("django.contrib.auth.backends.ModelBackend")
    by_name = import_string("django.contrib.auth.backends.RemoteUserBackend")  # is asked for no password
    return all(
        inherits(import_string(path), plain, "authenticate", "user_can_authenticate")
        or inherits(import_string(path), by_name, "authenticate")
        for path in settings.AUTHENTICATION_BACKENDS
    )
