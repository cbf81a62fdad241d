"""django-guardian."""

from tests.packages.settings import *

PACKAGES = ["guardian"]
ROOT_URLCONF = "tests.packages.test_guardian"
INSTALLED_APPS = [*INSTALLED_APPS, "guardian"]
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "guardian.backends.ObjectPermissionBackend"]
