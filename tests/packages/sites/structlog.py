"""django-structlog, which trusts the id of a request that a proxy gives it."""

from tests.packages.settings import *

PACKAGES = ["structlog", "django_structlog"]
INSTALLED_APPS = [*INSTALLED_APPS, "django_structlog"]
MIDDLEWARE = [*MIDDLEWARE, "django_structlog.middlewares.RequestMiddleware"]
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True
