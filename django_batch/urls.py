"""`path("batch/", include("django_batch.urls"))`."""

from django.urls import path

from django_batch.views import BatchView

app_name = "django_batch"
urlpatterns = [path("", BatchView.as_view(), name="batch")]
