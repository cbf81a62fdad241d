"""The settings that the sites of all packages have in common."""

import json
import os
from pathlib import Path
from tempfile import mkdtemp

from tests.file_databases import OPTIONS

FOLDER = Path(os.environ.get("PACKAGES_FOLDER") or mkdtemp())
DATABASE = {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": OPTIONS, "TEST": {"NAME": str(FOLDER / "db.sqlite3")}}
POSTGRESQL = json.loads(os.environ.get("PACKAGES_DATABASE", "{}"))
REDIS = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379"

# What `tests/packages/processes.py` reads of each site: the modules that it needs, and the servers.
PACKAGES: list[str] = []
SERVERS: list[str] = []

SECRET_KEY = "a key that everyone can read, for tests only"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "tests.packages.shop.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DATABASES = {"default": DATABASE}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "django_batch",
    "tests.packages.shop",
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

# Errors are asserted in answers; here they would only be printed.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"django.request": {"level": "CRITICAL", "propagate": False}},
}
