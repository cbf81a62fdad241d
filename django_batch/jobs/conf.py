"""The settings of jobs: one flat dict `JOBS`, read when it is used, and checked as `BATCH` is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import TypeVar

from django.conf import settings
from django.core.signals import setting_changed
from django.db import connections
from django.dispatch import receiver

from django_batch.conf import Setting, instances
from django_batch.jobs.engines.base import Engine

T = TypeVar("T")
DAY = 86_400  # seconds


class JobsSetting(Setting[T]):
    """A key of `JOBS`. As a class attribute it reads the site's value."""

    def __get__(self, instance: object, owner: type | None = None) -> T:
        return site_settings().get(self.name, self.default)  # type: ignore[return-value]  # a check has looked at it


@lru_cache(maxsize=1)
def site_settings() -> Mapping[str, object]:
    """`settings.JOBS`, or nothing where it is missing or no dict, which a system check reports."""
    value = getattr(settings, "JOBS", None)
    return value if isinstance(value, dict) else {}


@receiver(setting_changed)
def _forget_settings(**kwargs: object) -> None:
    site_settings.cache_clear()


def _is_number(minimum: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and value >= minimum


def _is_engine(value: object) -> bool:
    try:
        return all(isinstance(each, Engine) for each in instances(value))
    except (ImportError, TypeError, ValueError):
        return False


def _are_harmless_cookies(value: object) -> bool:
    """Whether `value` names cookies that identify nobody."""
    if value is None:
        return True
    secret = {settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME}
    return isinstance(value, list | tuple | set) and all(isinstance(each, str) and each not in secret for each in value)


_POSITIVE = "a whole number above 0"


class JobsSettings:
    """The site's values, each with its default."""

    KEEP = JobsSetting("KEEP", False, "True or False", lambda value: isinstance(value, bool))
    ENGINE = JobsSetting[object](
        "ENGINE",
        "django_batch.jobs.engines.thread.ThreadEngine",
        "an Engine: a class, an instance, or the dotted path of one",
        _is_engine,
    )
    CHUNK = JobsSetting("CHUNK", 100, _POSITIVE, _is_number(1))  # items at most that one worker takes at once
    LEASE = JobsSetting("LEASE", 60, _POSITIVE, _is_number(1))  # seconds; more than the longest step takes
    EXPIRES = JobsSetting("EXPIRES", 7 * DAY, _POSITIVE, _is_number(1))  # seconds for which answers are kept
    MAX_ITEMS = JobsSetting("MAX_ITEMS", 100_000, _POSITIVE, _is_number(1))  # lines of one stream
    MAX_SIZE = JobsSetting("MAX_SIZE", 256 * 2**20, _POSITIVE, _is_number(1))  # bytes of one stream
    MAX_JOBS = JobsSetting("MAX_JOBS", 20, _POSITIVE, _is_number(1))  # of one sender, that are not over
    MAX_ANSWER = JobsSetting("MAX_ANSWER", 2**20, _POSITIVE, _is_number(1))  # bytes of a body that is kept
    COOKIES = JobsSetting[Collection[str] | None](  # names of cookies that a job keeps; None: that of the language
        "COOKIES", None, "None, or a list of names of cookies that identify nobody", _are_harmless_cookies
    )
    DATABASE = JobsSetting(
        "DATABASE",
        "default",
        "one of the aliases of DATABASES",
        lambda value: isinstance(value, str) and value in {*connections},
    )


SETTINGS: dict[str, JobsSetting[object]] = {
    name: setting for name, setting in vars(JobsSettings).items() if type(setting) is JobsSetting
}
jobs_settings = JobsSettings()


def database() -> str:
    """The alias of the database that holds the jobs."""
    return jobs_settings.DATABASE


def engine() -> Engine:
    """The engine that the site has chosen."""
    chosen: Engine = instances(jobs_settings.ENGINE)[0]
    return chosen
