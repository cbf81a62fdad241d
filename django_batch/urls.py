"""`path("batch/", include("django_batch.urls"))`."""

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, include, path

from django_batch.views import BatchView

if not apps.is_installed("django_batch"):
    raise ImproperlyConfigured(
        "The URLconf includes django_batch.urls, but the app is not installed. Add 'django_batch' to INSTALLED_APPS: "
        "it checks the setting BATCH, and that the site can answer batches."
    )

app_name = "django_batch"
urlpatterns: list[URLPattern | URLResolver] = [path("", BatchView.as_view(), name="batch")]
if apps.is_installed("django_batch.jobs"):
    urlpatterns.append(path("jobs/", include("django_batch.jobs.urls")))
