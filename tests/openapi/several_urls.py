"""A site with URLs of all dialects, with options, and with views of its own."""

from django.urls import path, re_path
from drf_spectacular.utils import extend_schema

from django_batch.dialects.facebook import FacebookBatch
from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.odata import ODataJSON, ODataMultipart
from django_batch.views import AsyncBatchView, BatchView


class ReadingView(BatchView):
    """A subclass with limits of its own."""

    max_requests = 10
    methods = ("GET", "HEAD")


@extend_schema(tags=["orders"])
class TaggedView(BatchView):
    @extend_schema(summary="Send orders")
    def post(self, request, *args, **kwargs):
        return super().post(request, *args, **kwargs)


class SummedUpView(BatchView):
    @extend_schema(summary="Send anything")
    def post(self, request, *args, **kwargs):
        return super().post(request, *args, **kwargs)


urlpatterns = [
    path("batch", BatchView.as_view(dialect=GoogleMultipart)),
    path("batch/", BatchView.as_view()),
    path("async/batch/", AsyncBatchView.as_view(max_requests=7, dry_run=False)),
    re_path(r"^odata/\$batch$", BatchView.as_view(dialect=[ODataJSON, ODataMultipart], authentication_classes=[])),
    re_path(r"^odata/v2/\$batch$", BatchView.as_view(dialect=ODataMultipart(status=202))),
    path("v25.0/", BatchView.as_view(dialect=FacebookBatch())),
    path("reading/", ReadingView.as_view()),
    path("tagged/", TaggedView.as_view()),
    path("summed_up/", SummedUpView.as_view()),
]
