"""drf-extensions, whose views are cached."""

from tests.packages.settings import *

PACKAGES = ["rest_framework_extensions"]
ROOT_URLCONF = "tests.packages.test_extensions"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
