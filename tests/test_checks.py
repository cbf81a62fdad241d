"""Wrong settings are found before a batch comes."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from functools import wraps
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import authenticate
from django.contrib.auth.views import LoginView
from django.core.checks import Error, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.http import HttpResponse
from django.urls import include, path
from django.views import View
from django.views.decorators.debug import sensitive_post_parameters

from django_batch import conf
from django_batch.checks import check_chain, check_logins, check_settings
from django_batch.decorators import batch_exempt, group_exempt
from django_batch.dialects.native import NativeDialect
from django_batch.execution.executors import Executor, SerialExecutor
from django_batch.testing import BatchClient
from django_batch.views import BatchView
from tests.attacks.passwords import BySerializer, by_method

NAMES = ["account_*", b"x", None, 7, [7], [""], {"account_*": 1}]
NUMBERS = [0, -1, 1.0, "1", True, None]
CLASSES = [None, 7, "", "Executor", ".", "..x", ".x.y", "no.such.module", "os.path", "os.nothing", object, object()]
WRONG: dict[str, list[Any]] = {
    "MAX_REQUESTS": NUMBERS,
    "MAX_SIZE": NUMBERS,
    "DECOMPRESS": [0, 1, None, "yes"],
    "MAX_RESPONSE_SIZE": NUMBERS,
    "METHODS": ["GET", b"GET", None, 7, ["get"], ["GET", 7], [""], {"GET": 1}],
    "ALLOWED_HEADERS": ["Accept", None, 7, [7], [""], {"Accept": 1}, ["Host"], ["accept", "COOKIE"], ["X_Shelf"]],
    "ATOMIC_DATABASES": ["default", 7, [], ["no-such-alias"], ["default", 7], {"default": 1}],
    "ATOMIC_RETRIES": [-1, 1.0, "1", True, None],
    "TIMEOUT": [0, -1, "1", True, 0.0, float("nan")],
    "EXECUTOR": [*CLASSES, Executor, "django_batch.execution.executors.Executor", NativeDialect],
    "MAX_WORKERS": NUMBERS,
    "SERVER_TIMING": [0, 1, "yes"],
    "CONSOLE": [0, 1, "yes"],
    "EXEMPT": NAMES,
    "GROUP_EXEMPT": NAMES,
    "GROUP_ALLOWED": NAMES,
    "LIMITS": [None, 7, ["login"], "login", {7: 1}, {"": 1}, {"login": 0}, {"login": "1"}, {"login": True}],
    "DRY_RUN": [0, 1, None, "yes"],
    "CARRIED_CONTEXT": NAMES,
    "AROUND": [7, "", "no.such.module", "os.path", "os.nothing", [7]],
    "SHARE": [0, 1, None, "yes"],
    "STREAM_TIMEOUT": [0, -1, "1", True, None],
    "DOCUMENTATION": ["", "manual/", 7, b"/", ["/manual/"], "javascript:alert(1)", "ftp://manual.example/"],
    "COUNT_HEADERS": [0, 1, None, "yes"],
    "DIALECT": [*CLASSES, "django_batch.dialects.base.Dialect", SerialExecutor, [], [NativeDialect, NativeDialect]],
}
RIGHT: dict[str, list[Any]] = {
    "MAX_REQUESTS": [1, 10**6],
    "MAX_SIZE": [1],
    "DECOMPRESS": [True, False],
    "MAX_RESPONSE_SIZE": [1],
    "METHODS": [[], ["GET"], ("GET", "M-SEARCH"), {"GET"}],
    "ALLOWED_HEADERS": [[], ["Accept"], {"X-Shelf"}, (*conf.DEFAULT_ALLOWED_HEADERS, "X-Shelf")],
    "ATOMIC_DATABASES": [None, ["archive"], {"default", "archive"}],
    "ATOMIC_RETRIES": [0, 3],
    "TIMEOUT": [None, 1, 0.5],
    "EXECUTOR": [SerialExecutor, SerialExecutor(), "django_batch.execution.executors.ThreadExecutor"],
    "MAX_WORKERS": [1],
    "SERVER_TIMING": [None, True, False],
    "CONSOLE": [None, True, False],
    "EXEMPT": [(), ["account_*"], {"shop.views.Login"}],
    "GROUP_EXEMPT": [(), ["account_*"], (*conf.DEFAULT_GROUP_EXEMPT, "shop.views.Login")],
    "GROUP_ALLOWED": [(), ["shop.views.SignUp"]],
    "LIMITS": [{}, {"login": 1, "account_*": 3, "shop.views.Login": 1, "auth/login/": 2}],
    "DRY_RUN": [True, False],
    "CARRIED_CONTEXT": [(), ["current_context"], (*conf.DEFAULT_CARRIED_CONTEXT, "tenant")],
    "AROUND": [None, "contextlib.nullcontext", nullcontext, ["contextlib.nullcontext", nullcontext], []],
    "SHARE": [True, False],
    "STREAM_TIMEOUT": [1, 0.5],
    "DOCUMENTATION": [None, "/manual/", "https://manual.example/batches"],
    "COUNT_HEADERS": [True, False],
    "DIALECT": [NativeDialect, NativeDialect(), "django_batch.dialects.native.NativeDialect", [NativeDialect]],
}


def rows(table: dict[str, list[Any]]) -> list[tuple[str, Any]]:
    return [(name, value) for name, values in table.items() for value in values]


def test_every_setting_has_right_and_wrong_values_here():
    assert WRONG.keys() == RIGHT.keys() == conf.SETTINGS.keys()


@pytest.mark.parametrize(("name", "value"), rows(WRONG))
def test_wrong_value_is_an_error_that_says_what_is_expected(name, value, settings):
    settings.BATCH = {name: value}
    expected = conf.SETTINGS[name].expects
    assert check_settings() == [Error(f"BATCH[{name!r}] is {value!r}, but must be {expected}.", id="django_batch.E003")]


@pytest.mark.parametrize(("name", "value"), rows(WRONG))
def test_wrong_argument_of_as_view_is_improperly_configured(name, value):
    with pytest.raises(ImproperlyConfigured, match=f"BatchView.{name.lower()} is .* but must be"):
        BatchView.as_view(**{name.lower(): value})


@pytest.mark.parametrize(("name", "value"), rows(RIGHT))
def test_right_value_is_no_error(name, value, settings):
    settings.BATCH = {name: value}
    assert check_settings() == []
    assert BatchView.as_view(**{name.lower(): value})


def test_default_is_a_right_value(settings):
    settings.BATCH = {name: setting.default for name, setting in conf.SETTINGS.items()}
    assert check_settings() == []


@pytest.mark.parametrize("value", [None, 7, "MAX_REQUESTS", [], [("MAX_REQUESTS", 5)]])
def test_batch_that_is_no_dict_is_an_error(value, settings):
    settings.BATCH = value
    assert check_settings() == [Error(f"BATCH must be a dict, not {value!r}.", id="django_batch.E001")]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("MAX_REQUEST", "Did you mean 'MAX_REQUESTS'?"),
        ("MAX_BODY_SIZE", "Did you mean 'MAX_SIZE'?"),
        ("ALLOWED_HEADER", "Did you mean 'ALLOWED_HEADERS'?"),
        ("PERMISSIONS", f"Known are {', '.join(conf.SETTINGS)}."),
        (7, f"Known are {', '.join(conf.SETTINGS)}."),
    ],
)
def test_unknown_key_is_an_error_with_a_hint(key, hint, settings):
    settings.BATCH = {key: 5}
    assert check_settings() == [Error(f"BATCH has the unknown key {key!r}.", hint=hint, id="django_batch.E002")]


def test_all_errors_are_told_at_once(settings):
    settings.BATCH = {"MAX_SIZE": 0, "MAX_WORKERS": 2, "EXECUTER": "x", "METHODS": "GET"}
    assert [error.id for error in check_settings()] == ["django_batch.E003", "django_batch.E002", "django_batch.E003"]


def test_site_without_the_setting_is_right():
    assert check_settings() == []


def test_unknown_argument_of_as_view_is_a_mistake_as_of_any_view():
    with pytest.raises(TypeError, match="max_request"):
        BatchView.as_view(max_request=5)


@pytest.mark.django_db(databases="__all__")  # some of Django's own ask the databases
def test_check_runs_with_those_of_django(settings):
    settings.BATCH = {"MAX_SIZE": 0}
    assert [error.id for error in run_checks()] == ["django_batch.E003"]
    with pytest.raises(SystemCheckError, match=r"django_batch\.E003"):
        call_command("check")


class Once:
    """A middleware that cannot be made a second time."""

    made = 0

    def __init__(self, get_response):
        type(self).made += 1
        if self.made > 1:
            raise RuntimeError("There is one already.")
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)


def test_middleware_that_cannot_be_made_twice_is_named(settings):
    assert check_chain() == []
    settings.MIDDLEWARE = [f"{__name__}.Once"]
    Once.made = 0
    response = BatchClient().send_batch([{"path": "/api/me/"}])
    assert (response.status_code, response.json()["code"]) == (500, "chain_failed")
    [error] = check_chain()
    assert error.id == "django_batch.E004"
    assert error.msg.startswith(f"{__name__}.Once cannot be made a second time")


def log_in(request):
    """A view that logs in."""
    return HttpResponse(str(authenticate(request)))


@sensitive_post_parameters()
def marked(request):
    """A view that Django's own decorator marks."""


class LogIn(View):
    """A class that logs in."""

    def post(self, request):
        return HttpResponse(str(authenticate(request)))


class Harmless(View):
    """A class that does not."""


class Instance:
    """A view that is an object."""

    def __call__(self, request):
        """Nothing."""


def wrapping(view):
    @wraps(view)
    def wrapped(request):
        return view(request)

    return wrapped


LOGINS = {
    "function": (log_in, f"login ({__name__}.log_in)"),
    "marked": (marked, f"login ({__name__}.marked)"),
    "class": (LogIn.as_view(), f"login ({__name__}.LogIn)"),
    "wrapped": (wrapping(log_in), f"login ({__name__}.log_in)"),
    "serializer": (BySerializer.as_view(), "login (tests.attacks.passwords.BySerializer)"),
    "method": (by_method, "login (tests.attacks.passwords.by_method)"),
    "known": (LoginView.as_view(), "login (django.contrib.auth.views.LoginView)"),
}


def logins(settings, view, *, name="login", **options):
    """What the check says of a site with `view`, beside a harmless one and a batch view."""
    below = ([path("login/", view, name=name), path("harmless/", Harmless.as_view())], "shop")
    urls = (path("shop/", include(below)), path("x/", Instance()), path("batch/", BatchView.as_view(**options)))
    settings.ROOT_URLCONF = (*urls, path("plain/", include([path("y/", Harmless.as_view())])))
    return check_logins()


@pytest.mark.parametrize(("view", "described"), LOGINS.values(), ids=LOGINS)
def test_view_that_logs_in_and_is_open_to_groups_is_named(view, described, settings):
    [warning] = logins(settings, view, group_exempt=())
    assert warning.id == "django_batch.W001"
    assert warning.msg == f"Groups of a batch reach views that check credentials: shop:{described}."


def test_view_without_a_name_is_named_by_its_path(settings):
    [warning] = logins(settings, log_in, name=None)
    assert warning.msg.endswith(f": {__name__}.log_in.")


KEPT_OUT = [
    (batch_exempt(log_in), {}),
    (group_exempt(log_in), {}),
    (log_in, {"exempt": ["shop:login"]}),
    (log_in, {"group_exempt": ["shop:*"]}),
    (log_in, {"group_allowed": [f"{__name__}.log_in"]}),
    (LoginView.as_view(), {}),
]


@pytest.mark.parametrize(("view", "options"), KEPT_OUT)
def test_view_that_logs_in_and_was_decided_about_is_not_named(view, options, settings):
    assert logins(settings, view, **options) == []


def test_site_without_a_batch_view_has_nothing_to_decide(settings):
    settings.ROOT_URLCONF = (path("login/", log_in),)
    assert check_logins() == []


def test_urls_without_the_app_say_what_to_do(settings, monkeypatch):
    monkeypatch.setattr(apps, "is_installed", lambda name: False)
    monkeypatch.delitem(sys.modules, "django_batch.urls", raising=False)
    with pytest.raises(ImproperlyConfigured, match="Add 'django_batch' to INSTALLED_APPS"):
        import_module("django_batch.urls")
    sys.modules.pop("django_batch.urls", None)
