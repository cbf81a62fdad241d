"""Read what loses nothing, as clients write it: `null` for what is not there, and text cut inside a character."""

from __future__ import annotations

import json

import pytest
from django.http import JsonResponse
from django.test import Client
from django.urls import include, path
from rest_framework.response import Response
from rest_framework.views import APIView

from django_batch.dialects.facebook import FacebookBatch
from django_batch.dialects.odata import ODataJSON, ODataMultipart
from django_batch.views import BatchView

pytestmark = pytest.mark.urls(__name__)

CUT = r'{"text": "Hi \ud83d"}'  # valid JSON, by RFC 8259 §8.2


def note(request):
    return JsonResponse({"length": len(json.loads(request.body)["text"]), "type": request.content_type})


class Thing(APIView):
    authentication_classes = ()

    def delete(self, request):
        return Response({"reason": request.data.get("reason")})  # REST framework reads no body as an empty dict


def open_view(dialect):
    return BatchView.as_view(dialect=dialect, authentication_classes=[])


urlpatterns = [
    path("note/", note),
    path("thing/", Thing.as_view()),
    path("batch/", include("django_batch.urls")),
    path("$batch", open_view([ODataJSON, ODataMultipart])),
    path("facebook/", open_view(FacebookBatch)),
]


@pytest.fixture
def post(settings):
    settings.MIDDLEWARE = []
    client = Client(raise_request_exception=False)
    return lambda url, content, kind="application/json": client.post(url, content, content_type=kind)


def test_text_cut_inside_a_character_reaches_the_view_as_alone(post):
    alone = post("/note/", CUT).json()
    items = f'{{"path": "/thing/", "method": "DELETE"}}, {{"path": "/note/", "method": "POST", "body": {CUT}}}'
    native = post("/batch/", f'{{"requests": [{items}]}}').json()["responses"]
    odata = post("/$batch", f'{{"requests": [{{"id": "1", "method": "POST", "url": "/note/", "body": {CUT}}}]}}').json()
    facebook = post("/facebook/", {"batch": [{"method": "POST", "relative_url": "note/", "body": CUT}]}).json()
    assert [answer["status"] for answer in native] == [200, 200]
    assert native[1]["body"] == odata["responses"][0]["body"] == json.loads(facebook[0]["body"]) == alone


@pytest.mark.parametrize("member", ["headers", "depends_on", "body", "files", "body_base64"])
def test_null_is_read_as_not_given(post, member):
    [answer] = post("/batch/", [{"method": "DELETE", "path": "/thing/", member: None}]).json()
    assert answer == {"status": 200, "response": {"reason": None}}


def test_null_is_read_as_not_given_in_odata(post):
    item = {"id": "1", "method": "DELETE", "url": "/thing/", "headers": None, "dependsOn": None, "body": None}
    [answer] = post("/$batch", {"requests": [item]}).json()["responses"]
    assert (answer["status"], answer["body"]) == (200, {"reason": None})


@pytest.mark.parametrize("blank", [" ", "\t", " \t "])
def test_blank_line_of_blanks_refuses_the_batch_because_a_body_may_follow(post, blank):
    request = f'POST /note/ HTTP/1.1\r\nContent-Type: text/plain\r\n{blank}\r\n{{"text": "x"}}'
    part = f"--b\r\nContent-Type: application/http\r\n\r\n{request}\r\n--b--\r\n"
    response = post("/$batch", part, "multipart/mixed; boundary=b")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "Malformed"
