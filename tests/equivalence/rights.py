"""Views that tell who is asking, and that change who that is, in all the ways in which a site can."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth import get_user_model, update_session_auth_hash
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from rest_framework.authtoken.models import Token
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

NAME = "ada"


@api_view(["GET", "POST"])
def who(request: Request) -> Response:
    """All that is known of the sender. Then it is spoilt, which nobody else may notice."""
    user, session = request.user, request.session
    told = {
        "user": user.get_username(),
        "first name": getattr(user, "first_name", None),
        "may": sorted(user.get_all_permissions()),
        "staff": user.is_staff,
        "authenticator": type(request.successful_authenticator).__name__,
        "token": getattr(request.auth, "key", None),
        "user of the token": request.auth.user == user if request.auth else None,
        "session": session.get("list"),
    }
    user.is_staff = user.is_superuser = True
    user.first_name = "spoilt"
    if request.auth:
        request.auth.key = "spoilt"
    session.get("list", []).append("spoilt")
    return Response(told)


def page(request: HttpRequest) -> JsonResponse:
    """The same without REST framework."""
    told = {"user": request.user.get_username(), "staff": request.user.is_staff, "list": request.session.get("list")}
    request.user.is_staff = True
    return JsonResponse(told)


def _users():
    return get_user_model().objects.filter(username=NAME)


def _execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def _set(**values: object) -> Callable[[HttpRequest], object]:
    return lambda request: _users().update(**values)


def _say(sql: str) -> Callable[[HttpRequest], object]:
    return lambda request: _execute(sql)


def _save(request: HttpRequest) -> None:
    user = _users().get()
    user.first_name = "saved"
    user.save()


def _set_password(request: HttpRequest, *, keeps_session: bool = False) -> None:
    user = _users().get()
    user.password = make_password("another-secret", salt="saltOfTheSecondOne")  # not drawn at random
    user.save()
    if keeps_session:
        update_session_auth_hash(request, user)


def _try(request: HttpRequest) -> str:
    """Take it back, and look at who is asking before that."""
    with transaction.atomic():
        point = transaction.savepoint()
        _users().update(is_staff=True, first_name="tried")
        seen = request.user.get_username(), getattr(request.user, "first_name", None)
        transaction.savepoint_rollback(point)
    return repr(seen)


def _fail(request: HttpRequest) -> None:
    with transaction.atomic():
        _users().update(is_staff=True, first_name="failed")
        bool(request.user.is_staff)  # which loads them
        raise RuntimeError("on purpose")


def _end_sessions(request: HttpRequest) -> None:
    Session.objects.all().delete()
    cache.clear()


def _put(request: HttpRequest) -> None:
    request.session["list"] = [*request.session.get("list", []), 1]


def _put_and_fail(request: HttpRequest) -> None:
    _put(request)
    raise RuntimeError("on purpose")


def _mutate(request: HttpRequest) -> None:
    request.session.get("list", []).append(2)


CHANGES: dict[str, Callable[[HttpRequest], object]] = {
    "deactivate": _set(is_active=False),
    "activate": _set(is_active=True),
    "promote": _set(is_staff=True),
    "demote": _set(is_staff=False),
    "save": _save,
    "say": _say("  update\nAUTH_USER set first_name = 'said'"),
    "say-with-comment": _say("/* SELECT */ UPDATE auth_user SET is_staff = NOT is_staff"),
    "grant": lambda request: _users().get().user_permissions.add(Permission.objects.get(codename="add_author")),
    "revoke": lambda request: _users().get().user_permissions.clear(),
    "set-password": _set_password,
    "change-password": lambda request: _set_password(request, keeps_session=True),
    "drop-tokens": lambda request: Token.objects.all().delete(),
    "make-token": lambda request: Token.objects.get_or_create(user=_users().get(), defaults={"key": f"{NAME}-token"}),
    "end-sessions": _end_sessions,
    "cycle": lambda request: request.session.cycle_key(),
    "flush": lambda request: request.session.flush(),
    "put": _put,
    "put-and-fail": _put_and_fail,
    "mutate": _mutate,
    "try": _try,
    "fail": _fail,
}


def change(request: HttpRequest, name: str) -> JsonResponse:
    """Change it as `CHANGES` names it."""
    seen = CHANGES[name](request)
    return JsonResponse({"done": name, "seen": seen if isinstance(seen, str) else None})


def change_unheard(request: HttpRequest) -> JsonResponse:
    """Change it as another process does: no wrapper of Django's hears what is said to the driver itself."""
    connection.connection.execute("UPDATE auth_user SET is_staff = NOT is_staff")
    return JsonResponse({"done": "unheard"})
