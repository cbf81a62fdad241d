"""django-allauth, with its pages and its API for other clients."""

from tests.packages.settings import *

PACKAGES = ["allauth", "fido2", "qrcode"]
ROOT_URLCONF = "tests.packages.test_allauth"
INSTALLED_APPS = [
    *INSTALLED_APPS,
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.headless",
    "allauth.usersessions",
]
MIDDLEWARE = [*MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
ACCOUNT_RATE_LIMITS = {"login_failed": "2/m/key"}
HEADLESS_ONLY = False
