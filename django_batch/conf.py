"""The settings: one flat dict `BATCH`, read when it is used, so that `override_settings` works.

Each is also an attribute of `BatchView`, which `as_view()` and subclasses override.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from inspect import isabstract
from typing import Any, Generic, TypeVar, cast

from django.conf import settings
from django.core.signals import setting_changed
from django.db import connections
from django.dispatch import receiver
from django.utils.module_loading import import_string

from django_batch.dialects.base import Dialect
from django_batch.execution.executors import Executor

T = TypeVar("T")

DEFAULT_ALLOWED_HEADERS = (
    "Accept",
    "Accept-Language",
    "Content-Language",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Prefer",
    "Range",
    "X-CSRFToken",
    "X-HTTP-Method-Override",
    "X-Request-ID",
    "X-Requested-With",
)

# Views that check a password or a code, by dotted path; subclasses are included, and none is imported. In a group,
# whose failure rolls back what counts the attempts, a sender could guess without being counted.
DEFAULT_GROUP_EXEMPT = (
    "allauth.account.internal.decorators.login_stage_required",
    "allauth.account.views.ConfirmLoginCodeView",
    "allauth.account.views.LoginView",
    "allauth.account.views.PasswordChangeView",
    "allauth.account.views.PasswordResetFromKeyView",
    "allauth.account.views.PasswordResetView",
    "allauth.account.views.ReauthenticateView",
    "allauth.account.views.RequestLoginCodeView",
    "allauth.headless.base.views.APIView",
    "allauth.mfa.base.views.AuthenticateView",
    "allauth.mfa.base.views.ReauthenticateView",
    "dj_rest_auth.views.LoginView",
    "dj_rest_auth.views.PasswordChangeView",
    "dj_rest_auth.views.PasswordResetConfirmView",
    "dj_rest_auth.views.PasswordResetView",
    "django.contrib.admin.sites.AdminSite.login",
    "django.contrib.admin.sites.AdminSite.password_change",
    "django.contrib.auth.views.LoginView",
    "django.contrib.auth.views.PasswordChangeView",
    "django.contrib.auth.views.PasswordResetConfirmView",
    "django.contrib.auth.views.PasswordResetView",
    "django_otp.views.LoginView",
    "knox.views.LoginView",
    "oauth2_provider.views.base.TokenView",
    "oauth2_provider.views.introspect.IntrospectTokenView",
    "rest_framework.authtoken.views.ObtainAuthToken",
    "rest_framework_simplejwt.views.TokenViewBase",
    "two_factor.views.core.LoginView",
    "two_factor.views.core.SetupView",
)
# Context variables by which tracers find the span of the batch: OpenTelemetry's, Elastic's and Datadog's.
DEFAULT_CARRIED_CONTEXT = (
    "current_context",
    "elasticapm_execution_context",
    "elasticapm_transaction_var",
    "elasticapm_spans_var",
    "datadog_contextvar",
)


@dataclass(frozen=True)
class Setting(Generic[T]):
    """A key of `BATCH`. As a class attribute it reads the site's value, until one is set there or on an object.

    `expects` says in words what `accepts` tests.
    """

    name: str
    default: T
    expects: str
    accepts: Callable[[object], bool]

    def __get__(self, instance: object, owner: type | None = None) -> T:
        return site_settings().get(self.name, self.default)  # type: ignore[return-value]  # a check has looked at it


@lru_cache(maxsize=1)
def site_settings() -> Mapping[str, object]:
    """`settings.BATCH`, or nothing where it is missing or no dict, which a system check reports.

    Kept until a test changes it, because a batch asks for a dozen of its keys.
    """
    value = getattr(settings, "BATCH", None)
    return value if isinstance(value, dict) else {}


@receiver(setting_changed)
def _forget_settings(**kwargs: object) -> None:
    site_settings.cache_clear()


def _is_number(minimum: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and value >= minimum


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _are_around(value: object) -> bool:
    return value is None or all(callable(each) or _is_importable(each) for each in _as_list(value))


def _is_importable(path: object) -> bool:
    try:
        return isinstance(path, str) and callable(import_string(path))
    except ImportError:
        return False


def _is_positive(value: object) -> bool:
    return type(value) in (int, float) and value > 0  # type: ignore[operator]


def _is_link(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.startswith(("/", "http://", "https://")))


def _are_strings(value: object) -> bool:
    return (
        isinstance(value, Collection)
        and not isinstance(value, str | bytes | Mapping)
        and all(isinstance(item, str) and item for item in value)
    )


def _are_settable(value: object) -> bool:
    """Whether `value` lists names of headers, and none by which a site or a server knows where a request comes from."""
    from django_batch.execution.requests.headers import NEVER_SETTABLE

    return _are_strings(value) and not any(NEVER_SETTABLE.fullmatch(name.lower()) for name in cast("list[str]", value))


def _are_aliases(value: object) -> bool:
    if value is None:
        return True
    # An empty list would make groups that nothing rolls back.
    return isinstance(value, Collection) and len(value) > 0 and _are_strings(value) and {*connections}.issuperset(value)


def _is_a(base: type) -> Callable[[object], bool]:
    def accepts(value: object) -> bool:
        try:
            found = import_string(value) if isinstance(value, str) else value
        except (ImportError, TypeError, ValueError):  # the latter of paths that begin with a dot
            return False
        is_class = isinstance(found, type) and issubclass(found, base) and not isabstract(found)
        return is_class or isinstance(found, base)

    return accepts


def _are_dialects(value: object) -> bool:
    """Whether `value` is a dialect, or a list of those of which no two read the same media type."""
    options = _as_list(value)
    if not options or not all(map(_is_a(Dialect), options)):
        return False
    media_types = [media_type for dialect in instances(value) for media_type in dialect.media_types]
    return len(media_types) == len(set(media_types))


_NAMED, _SEVERAL = (str, type), (list, tuple)


def instances(option: object) -> list[Any]:
    """The objects that a setting names: classes are called, dotted paths are imported. A single one makes a list."""
    if isinstance(option, _NAMED):
        return [_instance(option)]
    return [_instance(each) if isinstance(each, _NAMED) else each for each in _as_list(option)]


def callables(option: object) -> list[Callable[..., Any]]:
    """The functions that a setting names, by dotted path or themselves; none for None."""
    if option is None:
        return []
    named: list[Any] = _as_list(option)
    return [import_string(each) if isinstance(each, str) else each for each in named]


@lru_cache(maxsize=64)
def _instance(option: str | type) -> object:
    """Kept, because one serves any number of batches."""
    found = import_string(option) if isinstance(option, str) else option
    return found() if isinstance(found, type) else found


def _as_list(option: object) -> list[object]:
    return [*option] if isinstance(option, _SEVERAL) else [option]


MAX_REQUESTS = Setting("MAX_REQUESTS", 100, "a whole number above 0", _is_number(1))  # sub-requests in one batch
MAX_SIZE = Setting("MAX_SIZE", 10 * 2**20, "a whole number above 0", _is_number(1))  # bytes of the batch's body
DECOMPRESS = Setting("DECOMPRESS", False, "True or False", _is_bool)  # whether a batch may be compressed with gzip
MAX_RESPONSE_SIZE = Setting(  # bytes of all sub-response bodies together
    "MAX_RESPONSE_SIZE", 64 * 2**20, "a whole number above 0", _is_number(1)
)
TIMEOUT = Setting[float | None](  # seconds of one batch; None: as many as it takes
    "TIMEOUT", None, "None, or a number of seconds above 0", lambda value: value is None or _is_positive(value)
)
METHODS = Setting[Collection[str]](  # of sub-requests; any other is answered 405
    "METHODS",
    ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"),
    "a list of methods in upper case",
    lambda value: _are_strings(value) and all(method.isupper() for method in value),  # type: ignore[attr-defined]
)
ALLOWED_HEADERS = Setting[Collection[str]](  # that a sub-request may set
    "ALLOWED_HEADERS", DEFAULT_ALLOWED_HEADERS, "a list of header names that a sub-request can set", _are_settable
)
ATOMIC_DATABASES = Setting[Collection[str] | None](  # aliases that the transaction of a group spans; None: all
    "ATOMIC_DATABASES", None, "None, or a list of at least one of the aliases of DATABASES", _are_aliases
)
ATOMIC_RETRIES = Setting(  # times a group is run again after a deadlock or a serialization failure
    "ATOMIC_RETRIES", 0, "a whole number, 0 or more", _is_number(0)
)
EXECUTOR = Setting[str | type[Executor] | Executor](
    "EXECUTOR",
    "django_batch.execution.executors.SerialExecutor",
    "an Executor: a class, an instance, or the dotted path of one",
    _is_a(Executor),
)
MAX_WORKERS = Setting("MAX_WORKERS", 4, "a whole number above 0", _is_number(1))  # side by side, of one batch
SERVER_TIMING = Setting[bool | None](  # whether answers tell how long their parts took; None: where DEBUG is on
    "SERVER_TIMING", None, "None, True or False", lambda value: value is None or isinstance(value, bool)
)
EXEMPT = Setting[Collection[str]](  # views that no batch reaches: names of URLs, with `*`, and dotted paths of views
    "EXEMPT", (), "a list of names of URLs and dotted paths of views", _are_strings
)
GROUP_EXEMPT = Setting[Collection[str]](  # views that no group and no dry run reaches
    "GROUP_EXEMPT", DEFAULT_GROUP_EXEMPT, "a list of names of URLs and dotted paths of views", _are_strings
)
GROUP_ALLOWED = Setting[Collection[str]](  # views that may check credentials in a group; outranks GROUP_EXEMPT
    "GROUP_ALLOWED", (), "a list of names of URLs and dotted paths of views", _are_strings
)
LIMITS = Setting[Mapping[str, int]](  # sub-requests of one batch that may reach a view, by name as in EXEMPT
    "LIMITS",
    {},
    "a dict of names of URLs and dotted paths of views to whole numbers above 0",
    lambda value: isinstance(value, dict) and _are_strings([*value]) and all(map(_is_number(1), value.values())),
)
DRY_RUN = Setting("DRY_RUN", False, "True or False", _is_bool)  # whether a batch may ask for a dry run
CARRIED_CONTEXT = Setting[Collection[str]](  # names of context variables that sub-requests have of the batch
    "CARRIED_CONTEXT", DEFAULT_CARRIED_CONTEXT, "a list of names of context variables", _are_strings
)
AROUND = Setting[object](  # entered around each sub-request with its request; None: nothing
    "AROUND",
    None,
    "None, or a context manager that takes a request: its dotted path, or a list of these",
    _are_around,
)
SHARE = Setting("SHARE", True, "True or False", _is_bool)  # whether sessions, users and tokens are looked up once
STREAM_TIMEOUT = Setting[float](  # seconds for which one streamed answer is read
    "STREAM_TIMEOUT", 30, "a number of seconds above 0", _is_positive
)
CONSOLE = Setting[bool | None](  # whether browsers are shown a console; None: where DEBUG is on
    "CONSOLE", None, "None, True or False", lambda value: value is None or isinstance(value, bool)
)
DOCUMENTATION = Setting[str | None](  # URL of the site's own pages about its batches, as GET and OPTIONS tell it
    "DOCUMENTATION", None, "None, or a URL that starts with a slash, http:// or https://", _is_link
)
COUNT_HEADERS = Setting(  # whether answers tell in headers how many items there were, and how many failed
    "COUNT_HEADERS", True, "True or False", _is_bool
)
DIALECT = Setting[object](  # of the URL; of several, the one that reads the Content-Type of the batch
    "DIALECT",
    "django_batch.dialects.native.NativeDialect",
    "a Dialect: a class, an instance, or the dotted path of one; or a list of those that read different media types",
    _are_dialects,
)

# By type, because `isinstance` would ask Django's lazy settings for their class, and load them: a settings file may
# import a default from here.
SETTINGS: dict[str, Setting[object]] = {
    setting.name: setting for setting in list(globals().values()) if type(setting) is Setting
}
