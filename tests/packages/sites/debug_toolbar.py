"""django-debug-toolbar."""

from tests.packages.settings import *

PACKAGES = ["debug_toolbar"]
ROOT_URLCONF = "tests.packages.test_debug_toolbar"
INSTALLED_APPS = [*INSTALLED_APPS, "debug_toolbar"]
MIDDLEWARE = ["debug_toolbar.middleware.DebugToolbarMiddleware", *MIDDLEWARE]
INTERNAL_IPS = ["127.0.0.1"]
DEBUG_TOOLBAR_CONFIG = {"SHOW_TOOLBAR_CALLBACK": "tests.packages.test_debug_toolbar.show"}
