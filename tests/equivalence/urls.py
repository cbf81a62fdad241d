"""The bookshop, with a batch view that leaves it to each sub-request to know its sender, and with odd views."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path
from django.utils import timezone

from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.odata import ODataJSON, ODataMultipart
from django_batch.views import BatchView

from . import odd, rights
from .dialects import PLAIN


def environment(request: HttpRequest) -> JsonResponse:
    return JsonResponse(sorted(request.META), safe=False)


def kind(request: HttpRequest) -> HttpResponse:
    """Of which class this request is."""
    return HttpResponse(type(request).__name__, content_type="text/plain")


@login_not_required
def nothing(request: HttpRequest) -> HttpResponse:
    """What no middleware and no handler has anything to say about: a page of Django's own renews a CSRF cookie."""
    return HttpResponse(status=404)


def time_zone(request: HttpRequest) -> HttpResponse:
    """The name of the time zone that is found here, before it is changed."""
    found = timezone.get_current_timezone_name()
    timezone.activate("Europe/Berlin")
    return HttpResponse(found)


def cut_short(request: HttpRequest) -> StreamingHttpResponse:
    def content() -> Iterator[bytes]:
        yield b"half of "
        raise RuntimeError("This stream is broken on purpose.")

    return StreamingHttpResponse(content(), content_type="text/plain")


def json(request: HttpRequest, body: str) -> HttpResponse:
    return HttpResponse(body, content_type="application/json")


urlpatterns = [
    path("open-batch/", BatchView.as_view(authentication_classes=[])),
    path("odata/$batch", BatchView.as_view(dialect=ODataJSON)),
    path("open-odata/$batch", BatchView.as_view(dialect=ODataJSON, authentication_classes=[])),
    path("google/", BatchView.as_view(dialect=GoogleMultipart)),
    path("open-google/", BatchView.as_view(dialect=GoogleMultipart, authentication_classes=[])),
    path("change-sets/", BatchView.as_view(dialect=ODataMultipart)),
    path("open-change-sets/", BatchView.as_view(dialect=ODataMultipart, authentication_classes=[])),
    path("facebook/", BatchView.as_view(dialect=PLAIN)),
    path("open-facebook/", BatchView.as_view(dialect=PLAIN, authentication_classes=[])),
    path("who/", rights.who),
    path("who/page/", rights.page),
    path("change/unheard/", rights.change_unheard),
    path("change/<slug:name>/", rights.change),
    path("environment/", environment),
    path("kind/", kind),
    path("nothing/", nothing),
    path("odd/", include("tests.equivalence.odd")),
    path("hook/", odd.hook),
    path("cache/", odd.keep_in_cache),
    path("thread/", odd.write_on_thread),
    path("time-zone/", time_zone),
    path("cut-short/", cut_short),
    path("json/<path:body>", json),
    path("json/", json, {"body": ""}),
    path("", include("example_project.urls")),
]
