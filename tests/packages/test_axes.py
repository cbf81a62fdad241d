"""django-axes: three wrong passwords lock an account, however they are sent.

In a group or a dry run, whose rollback would undo the count, nobody learns whether a password was right.
"""

from __future__ import annotations

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import authenticate, get_user_model
from django.http import JsonResponse
from django.urls import path
from rest_framework.authtoken.models import Token
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.response import Response

from tests.packages.outcomes import SERIAL
from tests.packages.shop import urls


@api_view(["POST"])
@authentication_classes([])
def own_token(request):
    """A view as sites write it: it calls `authenticate`, and never `login`."""
    user = authenticate(request, username=request.data["username"], password=request.data["password"])
    if user is None:
        return Response({"detail": "wrong"}, status=400)
    return Response({"token": Token.objects.get_or_create(user=user)[0].key})


def quiet_token(request):
    """The same, which answers 200 to everybody and tells the result in its body."""
    user = authenticate(request, username=request.GET["username"], password=request.GET["password"])
    return JsonResponse({"right": user is not None})


urlpatterns = [
    *urls.urlpatterns,
    path("token/", obtain_auth_token),
    path("own-token/", own_token),
    path("quiet-token/", quiet_token),
]

RIGHT = "pw"
FAILS = {"path": "/nowhere/"}


def guess(password, path="/token/"):
    if path == "/quiet-token/":
        return {"method": "POST", "path": f"{path}?username=ada&password={password}"}
    return {"method": "POST", "path": path, "body": {"username": "ada", "password": password}}


def failures():
    """How many wrong passwords were counted."""
    return [each.failures_since_start for each in AccessAttempt.objects.all()]


@pytest.mark.parametrize("path", ["/token/", "/own-token/", "/quiet-token/"])
def test_guesses_in_a_batch_lock_the_account_as_alone(site, road, path):
    guesses = [guess(password, path) for password in ("a", "b", "c", "d", RIGHT)]
    alone = site.alone(road, guesses, failures)
    batch = site.batch(road, guesses, failures, parallel=False)
    assert batch == alone
    assert alone.traces == [5]
    assert alone.answers[4] == alone.answers[3]  # locked, whatever the password


@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}, {"atomic": True, "dry_run": True}], ids=str)
@pytest.mark.parametrize("others", [[], [FAILS]], ids=["alone", "with one that fails"])
@pytest.mark.parametrize("path", ["/token/", "/own-token/", "/quiet-token/"])
def test_group_and_dry_run_do_not_tell_a_right_password_from_a_wrong_one(site, road, path, others, members):
    wrong = site.batch(road, [guess("wrong", path), *others], **members)
    right = site.batch(road, [guess(RIGHT, path), *others], **members)
    assert right == wrong
    assert right.statuses[0] == 403
    assert right.answers[0][1]["code"] == "group_exempt"
    assert not Token.objects.exists()


def test_failed_login_outside_of_the_group_is_counted_beside_it(site):
    requests = [guess("wrong"), {**guess(RIGHT), "atomicity_group": "g"}]
    batch = site.batch(SERIAL, requests, failures)
    assert batch.statuses == [400, 403]
    assert batch.traces == [1]
    assert get_user_model().objects.get().get_username() == "ada"
