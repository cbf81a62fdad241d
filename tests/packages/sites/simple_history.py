"""django-simple-history."""

from tests.packages.settings import *

PACKAGES = ["simple_history"]
INSTALLED_APPS = [*INSTALLED_APPS, "simple_history"]
MIDDLEWARE = [*MIDDLEWARE, "simple_history.middleware.HistoryRequestMiddleware"]
