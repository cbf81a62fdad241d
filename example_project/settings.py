"""Settings of the bookshop: a demo, with published passwords and a published key."""

import os
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent

SECRET_KEY = "only-for-the-demo: everyone can read this key in the repository"
DEBUG = os.environ.get("EXAMPLE_DEBUG", "1") == "1"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
ASGI_APPLICATION = "example_project.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_batch.jobs",
    "django_batch",  # before REST framework, whose browsable pages then link to the console
    "rest_framework",
    "rest_framework.authtoken",
    "django_filters",
    "example_project.bookshop",
]
# Where drf-spectacular is installed, /api/schema/ describes the API and its batches.
HAS_SPECTACULAR = find_spec("drf_spectacular") is not None
if HAS_SPECTACULAR:
    INSTALLED_APPS.append("drf_spectacular")

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("EXAMPLE_DATABASE", HERE / "db.sqlite3"),
    },
    "archive": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("EXAMPLE_ARCHIVE_DATABASE", HERE / "archive.sqlite3"),
    },
}
DATABASE_ROUTERS = ["example_project.bookshop.routers.ArchiveRouter"]

# A second upload of a cover replaces the first, under the same name.
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"allow_overwrite": True},
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage",
    },
}
MEDIA_ROOT = os.environ.get("EXAMPLE_MEDIA", HERE / "media")
STATIC_URL = "static/"

PASSWORD_HASHERS = ["example_project.bookshop.hashers.DemoPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "profile"
LOGOUT_REDIRECT_URL = "home"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
TIME_ZONE = "UTC"
USE_TZ = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.BasicAuthentication",
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.TokenAuthentication",
    ],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": [
        "rest_framework.parsers.JSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "rest_framework.filters.SearchFilter",
        "rest_framework.filters.OrderingFilter",
    ],
    "DEFAULT_PAGINATION_CLASS": "example_project.bookshop.pagination.PagePagination",
    "DEFAULT_THROTTLE_RATES": {"recommendations": "5/minute"},
    **({"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"} if HAS_SPECTACULAR else {}),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Bookshop",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "PREPROCESSING_HOOKS": ["example_project.openapi.described"],
}

# A dry run undoes what its views have done, also what counts attempts. Here every view that checks a password is kept
# out of groups by default, so that dry runs can be allowed.
BATCH: dict[str, object] = {"DRY_RUN": True, "MAX_REQUESTS": int(os.environ.get("EXAMPLE_MAX_REQUESTS", "100"))}
if executor := os.environ.get("EXAMPLE_EXECUTOR"):
    BATCH["EXECUTOR"] = executor
