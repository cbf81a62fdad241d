"""The URLs that the sites of all packages have."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from django_batch.views import BatchView
from tests.packages.shop import views

batch = [path("", BatchView.as_view(parallel_writes=True), name="batch")]  # what can run side by side, shall do so
router = SimpleRouter()
router.register("orders", views.OrderViewSet)
router.register("lines", views.LineViewSet)

urlpatterns = [
    path("api/", include(router.urls)),
    path("whoami/", views.whoami, name="whoami"),
    path("boom/<name>/", views.boom, name="boom"),
    path("async/orders/", views.async_order, name="async-order"),
    path("async/boom/<name>/", views.async_boom, name="async-boom"),
    path("batch/", include((batch, "django_batch"))),
]
