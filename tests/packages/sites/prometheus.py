"""django-prometheus, with its middleware around all others and inside of them."""

from tests.packages.settings import *

PACKAGES = ["django_prometheus"]
ROOT_URLCONF = "tests.packages.test_prometheus"
INSTALLED_APPS = [*INSTALLED_APPS, "django_prometheus"]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    *MIDDLEWARE,
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
