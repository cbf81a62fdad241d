"""django-axes, which locks an account at the third wrong password."""

from tests.packages.settings import *

PACKAGES = ["axes"]
ROOT_URLCONF = "tests.packages.test_axes"
INSTALLED_APPS = [*INSTALLED_APPS, "axes"]
MIDDLEWARE = [*MIDDLEWARE, "axes.middleware.AxesMiddleware"]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT = 3
AXES_LOCKOUT_PARAMETERS = ["username"]
AXES_VERBOSE = False
LOGGING["loggers"]["axes"] = {"level": "CRITICAL", "propagate": False}
