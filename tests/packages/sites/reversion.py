"""django-reversion."""

from tests.packages.settings import *

PACKAGES = ["reversion"]
INSTALLED_APPS = [*INSTALLED_APPS, "reversion"]
MIDDLEWARE = [*MIDDLEWARE, "reversion.middleware.RevisionMiddleware"]
