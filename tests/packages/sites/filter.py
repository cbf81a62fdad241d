"""django-filter."""

from tests.packages.settings import *

PACKAGES = ["django_filters"]
ROOT_URLCONF = "tests.packages.test_filter"
INSTALLED_APPS = [*INSTALLED_APPS, "django_filters"]
REST_FRAMEWORK = {"DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"]}
