"""django-silk, which leaves batches out as the docs say."""

from tests.packages.page import recipe
from tests.packages.settings import *

PACKAGES = ["silk"]
ROOT_URLCONF = "tests.packages.test_silk"
INSTALLED_APPS = [*INSTALLED_APPS, "silk"]
MIDDLEWARE = ["silk.middleware.SilkyMiddleware", *MIDDLEWARE]
SILKY_INTERCEPT_FUNC = recipe("silk")["SILKY_INTERCEPT_FUNC"]
