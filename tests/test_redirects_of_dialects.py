"""A redirect that says "not here" is a failure of an unsafe method in every format, and no other redirect is one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from django_batch.testing import BatchClient
from django_batch.views import BatchView
from example_project.bookshop.models import Author

from .attacks.dialects import PROTOCOLS
from .parts import Answer, answers, change_set, message, multipart, part

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]

REDIRECTS = [(status, method) for status in (301, 302, 303, 307, 308) for method in ("GET", "POST")]
FAILURES = [(301, "POST"), (307, "POST"), (308, "POST")]


@csrf_exempt
def moved(request: HttpRequest, status: int) -> HttpResponse:
    return HttpResponse(status=status, headers={"Location": "/elsewhere/"})


@csrf_exempt
def write(request: HttpRequest) -> HttpResponse:
    Author.objects.create(name=request.GET["name"])
    return HttpResponse(status=204)


urlpatterns = [
    path("moved/<int:status>/", moved),
    path("write/", write),
    *(
        path(f"{name}/", BatchView.as_view(dialect=each.dialect, authentication_classes=[]))
        for name, each in PROTOCOLS.items()
    ),
    path("", include("example_project.urls")),
]


def send(name: str, content: bytes, content_type: str = "application/json", prefer: str = "") -> Any:
    headers = {"Prefer": prefer} if prefer else {}
    return BatchClient().generic("POST", f"/{name}/", content, content_type, headers=headers)


def written() -> set[str]:
    return set(Author.objects.filter(name__in=["a", "b"]).values_list("name", flat=True))


@pytest.fixture(params=REDIRECTS, ids=lambda redirect: "{1} {0}".format(*redirect))
def redirect(request, bookshop):
    """The status and the method."""
    return request.param


def test_group_of_odata_json(redirect):
    status, method = redirect
    items = [
        {"id": "a", "method": "POST", "url": "/write/?name=a", "atomicityGroup": "g"},
        {"id": "r", "method": method, "url": f"/moved/{status}/", "atomicityGroup": "g"},
        {"id": "b", "method": "POST", "url": "/write/?name=b", "dependsOn": ["g"]},
    ]
    told = send("odata-json", json.dumps({"requests": items}).encode()).json()["responses"]
    failed = redirect in FAILURES
    assert [each["status"] for each in told] == ([424, status, 424] if failed else [204, status, 204])
    assert written() == (set() if failed else {"a", "b"})


def test_change_set(redirect):
    status, method = redirect
    inside = [part(message("POST", "/write/?name=a"), "1"), part(message(method, f"/moved/{status}/"), "2")]
    content = multipart([change_set(inside), part(message("POST", "/write/?name=b"))])
    response = send("odata-parts", content, "multipart/mixed; boundary=batch")
    told = answers(response.content, response["Content-Type"])
    if redirect in FAILURES:  # it stands for the change set, and nothing comes after it
        assert [each.status for each in told if isinstance(each, Answer)] == [status]
        assert written() == set()
    else:
        members, after = told
        assert [each.status for each in members] == [204, status]
        assert (after.status, written()) == (204, {"a", "b"})


@pytest.mark.parametrize("goes_on", [False, True], ids=["stops", "goes on"])
def test_single_part_of_odata(redirect, goes_on):
    status, method = redirect
    content = multipart([part(message(method, f"/moved/{status}/")), part(message("POST", "/write/?name=b"))])
    prefer = "continue-on-error" if goes_on else ""
    response = send("odata-parts", content, "multipart/mixed; boundary=batch", prefer)
    told = [each.status for each in answers(response.content, response["Content-Type"])]
    stops = redirect in FAILURES and not goes_on
    assert (told, written()) == (([status], set()) if stops else ([status, 204], {"b"}))


def test_part_of_google(redirect):
    status, method = redirect
    content = multipart([part(message(method, f"/moved/{status}/")), part(message("POST", "/write/?name=b"))])
    response = send("google", content, "multipart/mixed; boundary=batch")
    told = [each.status for each in answers(response.content, response["Content-Type"])]
    assert (told, written()) == ([status, 204], {"b"})  # its parts know nothing of each other


def test_operation_of_facebook(redirect):
    status, method = redirect
    operations = [
        {"name": "r", "method": method, "relative_url": f"moved/{status}/"},
        {"method": "POST", "relative_url": "write/?name=b", "depends_on": "r"},
    ]
    response = send("facebook", json.dumps({"batch": operations}).encode())
    told = [each and each["code"] for each in response.json()]
    failed = redirect in FAILURES
    assert (told, written()) == (([status, None], set()) if failed else ([status, 204], {"b"}))
