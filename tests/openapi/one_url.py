"""A site with one URL for batches."""

from django.urls import include, path

urlpatterns = [path("batch/", include("django_batch.urls"))]
