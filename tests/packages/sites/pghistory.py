"""django-pghistory, which needs PostgreSQL."""

from tests.packages.settings import *

PACKAGES = ["pghistory"]
SERVERS = ["postgresql"]
DATABASES = {"default": POSTGRESQL}
INSTALLED_APPS = [*INSTALLED_APPS, "pgtrigger", "pghistory"]
MIDDLEWARE = [*MIDDLEWARE, "tests.packages.test_pghistory.HistoryMiddleware"]
