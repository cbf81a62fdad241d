"""djangorestframework-simplejwt: items inherit the token of the batch, and a batch can log in."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.urls import path
from rest_framework_simplejwt import views
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from tests.packages.outcomes import SERIAL
from tests.packages.shop import urls

urlpatterns = [
    *urls.urlpatterns,
    path("token/", views.TokenObtainPairView.as_view()),
    path("refresh/", views.TokenRefreshView.as_view()),
]

WHO = [{"path": "/whoami/"}, {"path": "/whoami/"}]


def login(password):
    return {"method": "POST", "path": "/token/", "body": {"username": "ada", "password": password}}


def test_items_are_authenticated_by_the_token_of_the_batch(site, road):
    client = site.client(road)
    token = AccessToken.for_user(get_user_model().objects.get())
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert [each["body"] for each in client.batch(WHO, parallel=True)] == [{"user": "ada"}] * 2
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}x")
    assert client.send_batch({"requests": WHO}).status_code == 401


def test_batch_without_a_token_is_refused_as_its_requests_are(site, road):
    assert site.alone(road, WHO).statuses == [401, 401]
    assert site.client(road).send_batch({"requests": WHO}).status_code == 401


def test_refreshed_token_is_blacklisted_once_as_alone(site, road):
    client = site.client(road)
    user = get_user_model().objects.get()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(user)}")
    refresh = {"method": "POST", "path": "/refresh/", "body": {"refresh": str(RefreshToken.for_user(user))}}
    assert [each["status"] for each in client.batch([refresh, refresh])] == [200, 401]
    assert BlacklistedToken.objects.count() == 1


@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=str)
def test_group_and_dry_run_do_not_log_in(site, members):
    client = site.client(SERIAL)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(get_user_model().objects.get())}")
    right, wrong = (client.batch([login(password)], **members)[0] for password in ("pw", "no"))
    assert right == wrong
    assert right["body"]["code"] == "group_exempt"
