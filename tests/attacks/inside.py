"""Paths for those who work at the site, and all others."""

from django.urls import include, path

from .site import seen

urlpatterns = [path("inside/", seen), path("", include("tests.attacks.site"))]
