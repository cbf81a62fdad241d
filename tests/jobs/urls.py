"""The bookshop, and views that write and then go wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_batch.decorators import not_repeatable
from django_batch.views import AsyncBatchView, BatchView
from example_project.bookshop.models import Subscriber
from example_project.urls import urlpatterns as bookshop_urls

during: list[Callable[[], Any]] = []  # what a test does while a view runs


@csrf_exempt
def write(request: HttpRequest, name: str) -> HttpResponse:
    """Write a row, and then go on as the query says."""
    Subscriber.objects.create(email=f"{name}@example.com")
    then = request.GET.get("then", "")
    for each in during:
        each()
    if then == "raise":
        raise RuntimeError("Raised on purpose.")
    if then == "swallow":
        with suppress(IntegrityError):
            Subscriber.objects.create(email=f"{name}@example.com")
    if then == "hook":
        transaction.on_commit(lambda: 1 / 0)
    if then == "commit":
        with connection.cursor() as cursor:
            cursor.execute("COMMIT")
    status = int(then if then.isdecimal() else request.GET.get("status", 201))
    return JsonResponse({"name": name, "padding": "x" * int(request.GET.get("size", 0))}, status=status)


class Charge(APIView):
    authentication_classes = ()

    @not_repeatable
    def post(self, request: Request, name: str) -> Response:
        return Response(write(request._request, name).content.decode(), status=201)


@login_required
def page(request: HttpRequest) -> HttpResponse:
    request.session["seen"] = request.session.get("seen", 0) + 1
    request.session.save()
    return JsonResponse({"user": request.user.get_username(), "session": request.session["seen"]})


def who(*authenticators: type) -> Any:
    @api_view(["GET", "POST"])
    @authentication_classes([*authenticators])
    @permission_classes([IsAuthenticated])
    def view(request: Request) -> Response:
        return Response({"user": request.user.get_username(), "auth": type(request.auth).__name__})

    return view


urlpatterns = [
    path("write/<name>/", write),
    path("charge/<name>/", Charge.as_view()),
    path("page/", page),
    path("only-tokens/", who(TokenAuthentication)),
    path("only-sessions/", who(SessionAuthentication)),
    path("kept/", BatchView.as_view(keep=True)),
    path("forgotten/", BatchView.as_view(keep=False)),
    path("loop/", AsyncBatchView.as_view(keep=True)),
    path("odata/", BatchView.as_view(dialect=["django_batch.dialects.odata.ODataJSON"])),
    path("google/", BatchView.as_view(dialect="django_batch.dialects.google.GoogleMultipart")),
    *bookshop_urls,
]
