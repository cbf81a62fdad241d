"""django-ninja."""

from tests.packages.settings import *

PACKAGES = ["ninja"]
ROOT_URLCONF = "tests.packages.test_ninja"
