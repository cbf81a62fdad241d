"""dj-rest-auth."""

from tests.packages.settings import *

PACKAGES = ["dj_rest_auth"]
ROOT_URLCONF = "tests.packages.test_dj_rest_auth"
INSTALLED_APPS = [*INSTALLED_APPS, "dj_rest_auth"]
