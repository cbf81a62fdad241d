"""Views that check a password and log nobody in. Each counts the wrong guesses in the database."""

from __future__ import annotations

import json
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import auth
from django.contrib.auth import aauthenticate, authenticate
from django.contrib.auth.hashers import acheck_password, check_password
from django.contrib.auth.models import User
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import BasicAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.authtoken.serializers import AuthTokenSerializer
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import CharField, Serializer, ValidationError
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from django_batch.authentication import SharedBasicAuthentication
from example_project.bookshop.models import Author


def issued(user: User | None) -> JsonResponse:
    """A token for `user`, or one more wrong guess."""
    if user is None:
        Author.objects.create(name="a wrong guess")
        return JsonResponse({"error": "no"}, status=400)
    return JsonResponse({"token": Token.objects.get_or_create(user=user)[0].key})


@csrf_exempt
def by_authenticate(request: HttpRequest) -> JsonResponse:
    return issued(authenticate(request, **json.loads(request.body)))


@csrf_exempt
def by_module(request: HttpRequest) -> JsonResponse:
    return issued(auth.authenticate(request, **json.loads(request.body)))


@api_view(["POST"])
@authentication_classes([])
def by_decorated_view(request: Request) -> JsonResponse:
    from django.contrib.auth import authenticate

    return issued(authenticate(request._request, **request.data))


@csrf_exempt
async def by_aauthenticate(request: HttpRequest) -> JsonResponse:
    return await sync_to_async(issued)(await aauthenticate(request, **json.loads(request.body)))


class BySerializer(APIView):
    """A site's own view for tokens."""

    authentication_classes = ()

    def post(self, request: Request) -> JsonResponse:
        serializer = AuthTokenSerializer(data=request.data, context={"request": request})
        return issued(serializer.validated_data["user"] if serializer.is_valid() else None)


@csrf_exempt
def by_method(request: HttpRequest) -> JsonResponse:
    told = json.loads(request.body)
    user = User.objects.filter(username=told["username"]).first()
    return issued(user if user and user.check_password(told["password"]) else None)


def verified(username: str, password: str) -> User | None:
    user = User.objects.filter(username=username).first()
    return user if user and check_password(password, user.password) else None


class ByFunction(View):
    """Calls a function that checks."""

    def post(self, request: HttpRequest) -> JsonResponse:
        return issued(verified(**json.loads(request.body)))


class ByAsyncFunction(View):
    """Checks on the loop."""

    async def post(self, request: HttpRequest) -> JsonResponse:
        told = json.loads(request.body)
        user = await User.objects.filter(username=told["username"]).afirst()
        right = user and await acheck_password(told["password"], user.password)
        return await sync_to_async(issued)(user if right else None)


class PasswordField(CharField):
    """The password of the sender."""

    def run_validation(self, data: Any = ...) -> Any:
        if not self.context["request"].user.check_password(data):
            raise ValidationError("no")
        return super().run_validation(data)


class PasswordOfSender(Serializer):
    """What a change of password asks for."""

    password = PasswordField()


class BySender(ViewSet):
    """Asks senders for their password, of whom it has heard before."""

    authentication_classes = (BasicAuthentication,)
    permission_classes = (IsAuthenticated,)

    def list(self, request: Request) -> Response:
        return Response("listed")

    def create(self, request: Request) -> JsonResponse:
        serializer = PasswordOfSender(data=request.data, context={"request": request})
        return issued(request.user if serializer.is_valid() else None)


class Basic(APIView):
    """Takes the password that is sent along."""

    authentication_classes = (BasicAuthentication,)
    permission_classes = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        return Response(request.user.get_username())


class SharedBasic(BySender):
    authentication_classes = (SharedBasicAuthentication,)


@csrf_exempt
def remember(request: HttpRequest) -> JsonResponse:
    """Notes in the session whether the password was right."""
    request.session["right"] = authenticate(request, **json.loads(request.body)) is not None
    return JsonResponse({})


def remembered(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"right": request.session.get("right")})


def count(request: HttpRequest) -> JsonResponse:
    """What the views above have left."""
    return JsonResponse({"tokens": Token.objects.count(), "guesses": Author.objects.count()})


VIEWS = {
    "authenticate": by_authenticate,
    "module": by_module,
    "authenticate-in-api-view": by_decorated_view,
    "aauthenticate": by_aauthenticate,
    "serializer": BySerializer.as_view(),
    "method": by_method,
    "function": csrf_exempt(ByFunction.as_view()),
    "async-function": csrf_exempt(ByAsyncFunction.as_view()),
}
BY_SENDER = {"sender": BySender, "shared-sender": SharedBasic}
urlpatterns = [
    *(path(f"check/{name}/", view) for name, view in VIEWS.items()),
    *(path(f"check/{name}/", kind.as_view({"get": "list", "post": "create"})) for name, kind in BY_SENDER.items()),
    path("basic/", Basic.as_view()),
    path("count/", count),
    path("remember/", remember),
    path("remembered/", remembered),
]
