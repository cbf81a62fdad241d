"""A site as `startproject` makes it: its seven middlewares, and no limit that a measurement would meet."""

import os

SECRET_KEY = "benchmarks"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
USE_TZ = True
ROOT_URLCONF = "benchmarks.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "rest_framework",
    "rest_framework.authtoken",
    "django_batch",
    "benchmarks",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# A path is SQLite's, and anything else the name of a database of the server on this host.
_database = os.environ.get("BENCHMARKS_DATABASE", ":memory:")
_in_sqlite = _database == ":memory:" or "/" in _database
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3" if _in_sqlite else "django.db.backends.postgresql",
        "NAME": _database,
        "CONN_MAX_AGE": None,  # connecting would be most of what a request alone costs
        # What the disk does with a commit is not measured.
        "OPTIONS": {"init_command": "PRAGMA synchronous = OFF"} if _in_sqlite else {},
        **({} if _in_sqlite else {"HOST": "127.0.0.1", "PORT": 5432, "USER": "postgres"}),
    }
}

if not _in_sqlite:  # what a batch saves where a site lets it look up sessions and users once
    SESSION_ENGINE = "django_batch.sessions.db"
    AUTHENTICATION_BACKENDS = ["django_batch.backends.ModelBackend"]

BATCH = {"MAX_REQUESTS": 10_000, "MAX_SIZE": 2**30, "MAX_RESPONSE_SIZE": 2**30}
BATCH_REQUESTS = {"MAX_LIMIT": 10_000, "HEADERS_TO_INCLUDE": ["HTTP_COOKIE", "HTTP_AUTHORIZATION"]}
