"""The site: pages, the API, the batch endpoint beside it, and what clients of other protocols look for."""

from django.apps import apps
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from django.views.generic import TemplateView

from django_batch.views import AsyncBatchView

from .bookshop.views.accounts import profile

urlpatterns = [
    path("", TemplateView.as_view(template_name="bookshop/home.html"), name="home"),
    path("shop/", TemplateView.as_view(template_name="bookshop/shop.html"), name="shop"),
    path("batch/", include("django_batch.urls")),
    path("async/batch/", AsyncBatchView.as_view(), name="async-batch"),
    path("api/", include("example_project.bookshop.urls")),
    path("accounts/login/", LoginView.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("accounts/profile/", profile, name="profile"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("example_project.service_urls")),
]

if apps.is_installed("drf_spectacular"):
    from drf_spectacular.views import SpectacularAPIView

    urlpatterns.append(path("api/schema/", SpectacularAPIView.as_view(), name="schema"))
