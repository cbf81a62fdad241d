"""django-cacheops, which needs Redis."""

from tests.packages.settings import *

PACKAGES = ["cacheops"]
SERVERS = ["redis"]
ROOT_URLCONF = "tests.packages.test_cacheops"
INSTALLED_APPS = [*INSTALLED_APPS, "cacheops"]
CACHEOPS_REDIS = REDIS
CACHEOPS = {"shop.*": {"ops": "all", "timeout": 60}}


def CACHEOPS_PREFIX(query):
    return f"{FOLDER}:"
