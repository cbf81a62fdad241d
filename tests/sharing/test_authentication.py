"""Tokens and passwords: whose user is shared, and whose is not."""

from __future__ import annotations

from base64 import b64encode
from unittest.mock import patch

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from django.views.decorators.vary import vary_on_cookie
from rest_framework.authentication import TokenAuthentication
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from django_batch.authentication import SharedBasicAuthentication, SharedTokenAuthentication, SharedTokenMixin
from django_batch.testing import BatchClient
from django_batch.views import BatchView
from example_project.bookshop.hashers import DemoPasswordHasher

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]

ADA = {"HTTP_AUTHORIZATION": "Token ada-token"}
BEARER = {"HTTP_AUTHORIZATION": "Bearer ada-token"}
PASSWORD = {"HTTP_AUTHORIZATION": "Basic " + b64encode(b"ada:ada-secret").decode()}
COUNT = 10  # sub-requests


class Bearer(SharedTokenMixin, TokenAuthentication):
    """An authenticator of the site's own, with the mixin in front."""

    keyword = "Bearer"


class ByKeyword(SharedTokenAuthentication):
    """One class, an object for each view."""

    def __init__(self, keyword="Token"):
        self.keyword = keyword


class Unhashable(SharedTokenAuthentication):
    """It has an option that cannot be part of a key."""

    def __init__(self):
        self.scopes = ["read"]


def told(request):
    return Response(
        {
            "user": request.user.username,
            "authenticator": type(request.successful_authenticator).__name__,
            "same": request.auth is None
            or (request.auth.user is request.user and request.user.auth_token is request.auth),
            "backend": getattr(request.user, "backend", None),
        }
    )


class Who(APIView):
    authentication_classes = [SharedTokenAuthentication, SharedBasicAuthentication]

    def get(self, request):
        return told(request)


class WhoSet(ViewSet):
    authentication_classes = [SharedTokenAuthentication, SharedBasicAuthentication]

    def list(self, request):
        return told(request)


@api_view(["GET"])
@authentication_classes([SharedTokenAuthentication, SharedBasicAuthentication])
def who(request):
    return told(request)


class WhoByKeyword(Who):
    keyword = "Token"

    def get_authenticators(self):
        return [ByKeyword(self.keyword)]


urlpatterns = [
    path("view/", Who.as_view()),
    path("set/", WhoSet.as_view({"get": "list"})),
    path("function/", who),
    path("decorated/", vary_on_cookie(Who.as_view())),
    path("bearer/", Who.as_view(authentication_classes=[Bearer])),
    path("unhashable/", Who.as_view(authentication_classes=[Unhashable])),
    path("alone/", Who.as_view(authentication_classes=[TokenAuthentication])),
    path("keyword/", WhoByKeyword.as_view()),
    path("other-keyword/", WhoByKeyword.as_view(keyword="Bearer")),
    path("batch/", BatchView.as_view(authentication_classes=[])),
    path("", include("example_project.urls")),
]


def send(place, **headers):
    """The answers, which are all alike, and how many statements it took to know the sender."""
    client = BatchClient(**headers)
    with CaptureQueriesContext(connection) as captured:
        answers = client.batch([{"path": f"/{place}/"}] * COUNT, path="/batch/")
    assert all(answer == {**answers[0], "id": answer["id"]} for answer in answers)
    assert answers[0]["status"] == 200
    return answers[0]["body"], sum("SELECT" in query["sql"] for query in captured)


SHARED = ["view", "set", "function", "decorated"]


@pytest.mark.parametrize("place", SHARED)
def test_token_is_looked_up_once_for_a_batch(place, bookshop):
    body, statements = send(place, **ADA)
    assert statements == 1
    assert body == {"user": "ada", "authenticator": "SharedTokenAuthentication", "same": True, "backend": None}


@pytest.mark.parametrize("place", SHARED)
def test_password_is_hashed_once_for_a_batch(place, bookshop):
    with patch.object(DemoPasswordHasher, "verify", autospec=True, side_effect=DemoPasswordHasher.verify) as verify:
        body, statements = send(place, **PASSWORD)
    assert (verify.call_count, statements) == (1, 1)
    assert body == {
        "user": "ada",
        "authenticator": "SharedBasicAuthentication",
        "same": True,
        "backend": "django.contrib.auth.backends.ModelBackend",
    }


def test_authenticator_with_a_word_of_its_own_is_shared(bookshop):
    body, statements = send("bearer", **BEARER)
    assert (body["authenticator"], statements) == ("Bearer", 1)


@pytest.mark.parametrize("place", ["alone", "unhashable"])
def test_authenticator_that_is_not_asked_to_share_looks_up_each_time(place, bookshop):
    assert send(place, **ADA)[1] == COUNT


def test_nothing_is_shared_where_the_site_turns_it_off(bookshop, settings):
    settings.BATCH = {"SHARE": False}
    assert send("view", **ADA)[1] == COUNT


def test_authenticator_with_another_keyword_refuses_what_the_first_let_in(bookshop):
    answers = BatchClient(**ADA).batch([{"path": "/keyword/"}, {"path": "/other-keyword/"}], path="/batch/")
    assert [answer["body"]["user"] for answer in answers] == ["ada", ""]


def test_outside_of_a_batch_each_looks_up(bookshop):
    client = BatchClient(**ADA)
    with CaptureQueriesContext(connection) as captured:
        for _ in range(2):
            client.get("/view/")
    assert sum("authtoken_token" in query["sql"] for query in captured) == 2


class Counting(ModelBackend):
    """Could count who comes how often."""

    def authenticate(self, request, username=None, password=None, **kwargs):
        return super().authenticate(request, username, password, **kwargs)


REMOTE, MODEL = (f"django.contrib.auth.backends.{name}" for name in ("RemoteUserBackend", "ModelBackend"))


@pytest.mark.parametrize(
    ("backends", "statements"),
    [([REMOTE, MODEL], 1), ([f"{__name__}.Counting"], COUNT), ([MODEL, f"{__name__}.Counting"], COUNT)],
)
def test_password_that_a_backend_of_the_site_is_asked_for_is_not_shared(backends, statements, bookshop, settings):
    settings.AUTHENTICATION_BACKENDS = backends
    assert send("view", **PASSWORD)[1] == statements


def test_hash_that_is_made_anew_at_login_is_made_anew_once(bookshop, monkeypatch):
    monkeypatch.setattr(DemoPasswordHasher, "iterations", 2_000)
    with CaptureQueriesContext(connection) as captured:
        answers = BatchClient(**PASSWORD).batch([{"path": "/view/"}] * COUNT, path="/batch/")
    assert [answer["body"]["user"] for answer in answers] == ["ada"] * COUNT
    assert sum("UPDATE" in query["sql"] for query in captured) == 1
    assert get_user_model().objects.get(username="ada").password.startswith("pbkdf2_sha256$2000$")


@pytest.mark.parametrize("authorization", ["Token", "Token wrong", "Basic", "Basic wrong", "Digest x"])
def test_credentials_that_are_none_are_refused_as_alone(authorization, bookshop):
    client = BatchClient(HTTP_AUTHORIZATION=authorization)
    alone = client.get("/view/")
    for answer in client.batch([{"path": "/view/"}] * 2, path="/batch/"):
        assert (answer["status"], answer["body"]) == (alone.status_code, alone.json())
