"""Sentry, with the line of settings that its documentation here asks for."""

from tests.packages.page import recipe
from tests.packages.settings import *

PACKAGES = ["sentry_sdk"]
ROOT_URLCONF = "tests.packages.test_sentry"
BATCH = recipe("Sentry")["BATCH"]
