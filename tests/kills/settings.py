"""A site with one view that writes, on the database that the environment names."""

import json
import os

SECRET_KEY = "of the tests"
USE_TZ = True
ALLOWED_HOSTS = ["localhost"]
ROOT_URLCONF = "tests.kills.site"
DATABASES = {"default": json.loads(os.environ["KILLS_DATABASE"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "rest_framework.authtoken",
    "django_batch",
    "django_batch.jobs",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"]}
JOBS = {"ENGINE": "tests.jobs.engines.Inline", "CHUNK": 3, "LEASE": 1, "KEEP": True, "MAX_JOBS": 1_000_000}
LOGGING = {
    "version": 1,
    "handlers": {"null": {"class": "logging.NullHandler"}},
    "loggers": {"django_batch": {"handlers": ["null"], "propagate": False}, "django": {"handlers": ["null"]}},
}
