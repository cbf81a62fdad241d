"""django-cachalot, with a cache in memory."""

from tests.packages.settings import *

PACKAGES = ["cachalot"]
INSTALLED_APPS = [*INSTALLED_APPS, "cachalot"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CACHALOT_ENABLED = True
