"""The routes that the console offers: those that its sender may use, and no others."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth import login
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import include, path, set_script_prefix
from rest_framework import permissions, serializers, viewsets
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from django_batch.console import routes as module
from django_batch.console.routes import Route, examples, routes
from django_batch.decorators import batch_exempt
from django_batch.execution.chain.access import Access
from django_batch.testing import BatchClient
from django_batch.views import BatchView


class Open(APIView):
    permission_classes = [permissions.AllowAny]

    def get(self, request, **kwargs):
        return Response()

    def trace(self, request):
        return Response()


class ReadOnly(Open):
    permission_classes = [permissions.IsAuthenticatedOrReadOnly]
    authentication_classes = [SessionAuthentication]

    def post(self, request):
        return Response()


class Secret(Open):
    permission_classes = [permissions.IsAdminUser]


class ByToken(Open):
    authentication_classes = [TokenAuthentication]
    permission_classes = [permissions.IsAuthenticated]


class BySession(ByToken):
    authentication_classes = [SessionAuthentication]


class Broken(Open):
    def check_permissions(self, request):
        raise RuntimeError("a bug of the site")


class Shelf(viewsets.ViewSet):
    permission_classes = [permissions.AllowAny]
    serializer_class = serializers.Serializer

    def get_permissions(self):
        return [permissions.IsAdminUser()] if self.action == "destroy" else super().get_permissions()

    def list(self, request):
        return Response()

    def destroy(self, request, pk):
        return Response()


router = SimpleRouter()
router.register("shelves", Shelf, "shelf")
urlpatterns = [
    path("open/", Open.as_view()),
    path("open/<int:pk>/", Open.as_view()),
    path("slow/<uuid:pk>/", Open.as_view()),  # 1 is no UUID
    path("read/", ReadOnly.as_view()),
    path("secret/", Secret.as_view()),
    path("token/", ByToken.as_view()),
    path("session/", BySession.as_view()),
    path("broken/", Broken.as_view()),
    path("exempt/", batch_exempt(Open.as_view())),
    path("named/", Open.as_view(), name="named"),
    path("plain/", lambda request: HttpResponse()),
    path("hidden/", Open.as_view(schema=None)),
    path("batch/", include("django_batch.urls")),
    path('quo"te/', Open.as_view()),
    *router.urls,
]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


def found(user=None, *, exempt=(), script_name="", **attributes):
    request = RequestFactory().get(f"{script_name}/batch/", SCRIPT_NAME=script_name)
    request.user = AnonymousUser()
    if user:
        request.session = SessionStore()
        login(request, user, "django.contrib.auth.backends.ModelBackend")
    vars(request).update(attributes)
    access = Access(exempt=exempt, group_exempt=(), group_allowed=())
    return [f"{each.method} {each.path}" for each in routes(request, access, besides=BatchView)]


OPEN = ["GET /named/", "GET /open/", "GET /open/1/", "GET /quo%22te/", "GET /read/", "GET /shelves/"]


def test_stranger_finds_what_is_open_to_all():
    assert found() == OPEN


def test_user_finds_what_a_session_may_also_change(django_user_model):
    user = django_user_model.objects.create_user("ada")
    assert found(user) == sorted([*OPEN, "POST /read/", "GET /session/"], key=lambda each: each.split()[1])


def test_staff_finds_more_but_nothing_that_takes_only_tokens(django_user_model):
    user = django_user_model.objects.create_user("root", is_staff=True)
    assert {*found(user)} == {*OPEN, "POST /read/", "GET /session/", "DELETE /shelves/1/", "GET /secret/"}


def test_user_of_a_token_is_no_user_of_a_session(django_user_model):
    user = django_user_model.objects.create_user("root", is_staff=True)
    token = Token.objects.create(user=user)
    request = RequestFactory().get("/batch/", headers={"Authorization": f"Token {token.key}"})
    request.user = user  # as the batch view sets it, whose own authenticators know the token
    access = Access(exempt=(), group_exempt=(), group_allowed=())
    paths = {each.path for each in routes(request, access, besides=BatchView)}
    assert paths >= {"/secret/", "/token/"}
    assert "/session/" not in paths


def test_view_that_is_exempt_by_name_is_left_out():
    assert found(exempt=["named"]) == OPEN[1:]


def test_routes_are_those_of_the_request(settings):
    assert found(urlconf="tests.console.test_drawing") == []


def test_routes_are_below_the_script_prefix():
    set_script_prefix("/below/")
    try:
        assert found(script_name="/below")[0] == "GET /below/named/"
    finally:
        set_script_prefix("/")


def test_number_of_routes_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 2)
    assert found() == OPEN[:2]
    monkeypatch.setattr(module, "_MOST_TRIED", 1)
    assert len(found()) <= 1


PATHS = [[], ["/"], ["/a/"], ["/a/", "/v2/a/", "/b/C/", "/quo%22te/"], [f"/{each}/" for each in "abcdefgh"]]


@pytest.mark.parametrize("paths", PATHS)
def test_examples_are_batches_that_can_be_run(paths):
    offered = [Route("GET", each, False) for each in paths] + [Route("GET", "/x/1/", True), Route("POST", "/y/", False)]
    made = [*examples(offered, dry_run=True)]
    assert len(made) == 5
    for title, text in made:
        batch = json.loads(text)
        assert {each["path"] for each in batch["requests"]} <= {*paths, "/"}
        response = BatchClient().send_batch(text.encode(), path="/batch/")
        assert response.status_code == 207, title


def test_examples_of_a_site_without_dry_runs_have_none():
    assert len([*examples([], dry_run=False)]) == 4
