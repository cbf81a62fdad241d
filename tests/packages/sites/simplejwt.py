"""djangorestframework-simplejwt."""

from tests.packages.settings import *

PACKAGES = ["rest_framework_simplejwt"]
ROOT_URLCONF = "tests.packages.test_simplejwt"
INSTALLED_APPS = [*INSTALLED_APPS, "rest_framework_simplejwt.token_blacklist"]
SECRET_KEY = "a longer key that everyone can read, for the signatures of tests only"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}
SIMPLE_JWT = {"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True}
