"""The link to the console on the browsable pages of REST framework."""

from __future__ import annotations

import pytest
from django.test import Client, override_settings
from django.urls import include, path
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.response import Response
from rest_framework.views import APIView

LINK = b'<a href="/batch/">Batch console</a>'


class Page(APIView):
    renderer_classes = [BrowsableAPIRenderer]

    def get(self, request):
        return Response({})


api = path("", Page.as_view())


class WithoutBatch:
    urlpatterns = [api]


urlpatterns = [api, path("batch/", include("django_batch.urls"))]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


@pytest.fixture
def first(settings):
    """The app stands before REST framework, whose page it extends."""
    settings.INSTALLED_APPS = ["django_batch", *(each for each in settings.INSTALLED_APPS if each != "django_batch")]


def page() -> bytes:
    return Client().get("/").content


def test_pages_link_to_the_console_where_the_app_stands_first(console, first):
    assert LINK in page()
    assert b"Django REST framework" in page()


def test_pages_have_no_link_where_rest_framework_stands_first(console, settings):
    settings.INSTALLED_APPS = [*(each for each in settings.INSTALLED_APPS if each != "django_batch"), "django_batch"]
    assert LINK not in page()


def test_pages_have_no_link_to_a_console_that_is_off(first):
    assert b"Batch console" not in page()


def test_pages_have_no_link_where_the_urls_are_not_included(console, first):
    with override_settings(ROOT_URLCONF=WithoutBatch):
        assert b"Batch console" not in page()
