"""Wrong settings are found before a batch comes."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import Error, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from django_batch import conf
from django_batch.checks import check_settings
from django_batch.dialects.native import NativeDialect
from django_batch.execution.executors import Executor, SerialExecutor
from django_batch.views import BatchView

NUMBERS = [0, -1, 1.0, "1", True, None]
CLASSES = [None, 7, "", "Executor", ".", "..x", ".x.y", "no.such.module", "os.path", "os.nothing", object, object()]
WRONG: dict[str, list[Any]] = {
    "MAX_REQUESTS": NUMBERS,
    "MAX_SIZE": NUMBERS,
    "MAX_RESPONSE_SIZE": NUMBERS,
    "METHODS": ["GET", b"GET", None, 7, ["get"], ["GET", 7], [""], {"GET": 1}],
    "ALLOWED_HEADERS": ["Accept", None, 7, [7], [""], {"Accept": 1}],
    "ATOMIC_DATABASES": ["default", 7, [], ["no-such-alias"], ["default", 7], {"default": 1}],
    "ATOMIC_RETRIES": [-1, 1.0, "1", True, None],
    "TIMEOUT": [0, -1, "1", True, 0.0, float("nan")],
    "EXECUTOR": [*CLASSES, Executor, "django_batch.execution.executors.Executor", NativeDialect],
    "MAX_WORKERS": NUMBERS,
    "SERVER_TIMING": [0, 1, "yes"],
    "DIALECT": [*CLASSES, "django_batch.dialects.base.Dialect", SerialExecutor, [], [NativeDialect, NativeDialect]],
}
RIGHT: dict[str, list[Any]] = {
    "MAX_REQUESTS": [1, 10**6],
    "MAX_SIZE": [1],
    "MAX_RESPONSE_SIZE": [1],
    "METHODS": [[], ["GET"], ("GET", "M-SEARCH"), {"GET"}],
    "ALLOWED_HEADERS": [[], ["Accept"], {"X-Shelf"}, (*conf.DEFAULT_ALLOWED_HEADERS, "X-Shelf")],
    "ATOMIC_DATABASES": [None, ["archive"], {"default", "archive"}],
    "ATOMIC_RETRIES": [0, 3],
    "TIMEOUT": [None, 1, 0.5],
    "EXECUTOR": [SerialExecutor, SerialExecutor(), "django_batch.execution.executors.ThreadExecutor"],
    "MAX_WORKERS": [1],
    "SERVER_TIMING": [None, True, False],
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
