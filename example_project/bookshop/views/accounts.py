"""Who is calling: login, logout, password, profile and newsletter."""

from contextlib import suppress

from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect
from rest_framework import status
from rest_framework.authtoken.serializers import AuthTokenSerializer
from rest_framework.decorators import api_view, permission_classes
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from django_batch.decorators import batch_exempt, group_exempt

from ..forms import ProfileForm
from ..models import Subscriber
from ..serializers import PasswordSerializer, SubscriptionSerializer


@method_decorator(csrf_protect, name="dispatch")
@method_decorator(group_exempt, name="dispatch")
class Login(GenericAPIView):
    """Starts a session. Protected, so that no other site can log its visitors in here."""

    serializer_class = AuthTokenSerializer
    authentication_classes = []

    def post(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        user = serializer.validated_data["user"]
        login(request, user)
        return Response({"username": user.get_username()})


@api_view(["POST"])
def log_out(request: Request) -> Response:
    logout(request)
    return Response(status=status.HTTP_204_NO_CONTENT)


@api_view(["GET"])
def me(request: Request) -> Response:
    """The caller's name, empty for strangers, and the authenticator that took it."""
    authenticator = request.successful_authenticator
    return Response(
        {
            "username": request.user.get_username(),
            "authenticator": type(authenticator).__name__ if authenticator else None,
        }
    )


@batch_exempt
@api_view(["POST"])
@permission_classes([IsAuthenticated])
def change_password(request: Request) -> Response:
    """Exempt from batches, where one request could try a hundred old passwords."""
    serializer = PasswordSerializer(data=request.data, context={"request": request})
    serializer.is_valid(raise_exception=True)
    request.user.set_password(serializer.validated_data["new_password"])
    request.user.save()
    update_session_auth_hash(request, request.user)
    return Response(status=status.HTTP_204_NO_CONTENT)


@login_required
def profile(request: HttpRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your profile was saved.")
        return redirect("profile")
    return render(request, "bookshop/profile.html", {"form": form})


@api_view(["POST"])
def subscribe(request: Request) -> Response:
    """Subscribe an address to the newsletter; a second time changes nothing."""
    serializer = SubscriptionSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    # Without a savepoint of its own, as in many sites: right when called alone, but
    # inside a transaction the swallowed error leaves that transaction broken.
    with suppress(IntegrityError):
        Subscriber.objects.create(**serializer.validated_data)
    return Response(serializer.data)
