"""django-csp."""

from tests.packages.settings import *

PACKAGES = ["csp"]
ROOT_URLCONF = "tests.packages.test_csp"
INSTALLED_APPS = [*INSTALLED_APPS, "csp"]
MIDDLEWARE = [*MIDDLEWARE, "csp.middleware.CSPMiddleware"]
CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"default-src": ["'self'"]}}
