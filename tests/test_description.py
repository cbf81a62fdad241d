"""What a batch URL tells of itself, in answer to GET, HEAD and OPTIONS."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.test import AsyncClient
from django.urls import path
from rest_framework.permissions import IsAuthenticated
from rest_framework.throttling import SimpleRateThrottle

from django_batch import description
from django_batch.dialects.base import Dialect
from django_batch.dialects.facebook import FacebookBatch
from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.native import NativeDialect
from django_batch.dialects.odata import ODataJSON, ODataMultipart
from django_batch.execution.executors import ThreadExecutor
from django_batch.testing import BatchClient
from django_batch.views import AsyncBatchView, BatchView
from example_project.urls import urlpatterns

NOTHING = dict.fromkeys(description.Features.__annotations__, False)
ME = {"path": "/api/me/"}


@pytest.fixture
def client() -> BatchClient:
    return BatchClient()


@pytest.fixture
def serve(settings):
    """Puts a view where `/shop/` leads to."""

    def serve(view: Any) -> None:
        settings.ROOT_URLCONF = (path("shop/", view), *urlpatterns)

    return serve


def features(client: BatchClient) -> set[str]:
    """The features that `/shop/` says that it has."""
    told = client.get("/shop/").json()["features"]
    return {name for name, has in told.items() if has and name != "jobs"}  # which is installed


def test_url_tells_its_defaults(client, settings):
    settings.BATCH = {}
    response = client.get("/batch/")
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert response.json() == {
        "limits": {"requests": 100, "size": 10 * 2**20, "response_size": 64 * 2**20, "timeout": None},
        "methods": [*BatchView.methods],
        "headers": [*BatchView.allowed_headers],
        "dialects": [{"name": "native", "media_types": ["application/json", "multipart/form-data"], "requests": 100}],
        "features": {
            **NOTHING,
            **dict.fromkeys(["atomic", "streaming", "references", "files", "read_only", "jobs"], True),
            "jsonpath": find_spec("jsonpath") is not None,
        },
        "documentation": None,
    }


def test_url_tells_the_settings_of_its_view(client, serve):
    options: dict[str, Any] = {"max_requests": 7, "max_size": 8, "max_response_size": 9, "timeout": 1.5}
    lists = {"methods": ("GET", "HEAD"), "allowed_headers": ["X-Shelf"]}
    serve(BatchView.as_view(**options, **lists, documentation="/manual/", dry_run=True))
    told = client.get("/shop/").json()
    assert told["limits"] == {"requests": 7, "size": 8, "response_size": 9, "timeout": 1.5}
    assert (told["methods"], told["headers"]) == (["GET", "HEAD"], ["X-Shelf"])
    assert (told["documentation"], told["features"]["dry_run"]) == ("/manual/", True)


def test_limit_that_is_told_is_the_one_that_holds(client, serve):
    serve(BatchView.as_view(max_requests=3))
    limit = client.get("/shop/").json()["limits"]["requests"]
    assert client.send_batch([ME] * limit, path="/shop/").status_code == 207
    assert client.send_batch([ME] * (limit + 1), path="/shop/").status_code == 413


@pytest.mark.parametrize("accept", ["application/json", "text/html", "*/*", "image/png", ""])
def test_url_tells_it_in_json_whatever_its_sender_accepts(accept, client):
    response = client.get("/batch/", headers={"accept": accept})
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")


def test_head_has_the_headers_of_get_and_no_body(client):
    head, get = client.head("/batch/"), client.get("/batch/")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == get.headers


def test_options_tell_the_same_and_what_rest_framework_tells_of_any_view(client):
    told = client.options("/batch/").json()
    assert told["name"] == "Batch"
    assert told["renders"] == ["application/json"]
    assert {name: value for name, value in told.items() if name in description.Description.__annotations__} == (
        client.get("/batch/").json()
    )


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (GoogleMultipart, set()),
        (GoogleMultipart(streamed=True), {"streaming"}),
        (ODataJSON, {"atomic", "references"}),
        (ODataMultipart, {"atomic", "references"}),
        (ODataMultipart(flat=True, streamed=True), {"references", "streaming"}),
        (FacebookBatch, {"references", "files"}),
    ],
)
def test_features_are_those_of_the_dialect(dialect, expected, client, serve):
    serve(BatchView.as_view(dialect=dialect, dry_run=True, executor=ThreadExecutor))
    assert features(client) == expected


def test_several_dialects_are_told_each_with_its_own_limit(client, serve):
    serve(BatchView.as_view(dialect=[ODataJSON(max_requests=20), GoogleMultipart(streamed=True)]))
    told = client.get("/shop/").json()
    assert told["dialects"] == [
        {"name": "odata-json", "media_types": ["application/json"], "requests": 20},
        {"name": "google-multipart", "media_types": ["multipart/mixed"], "requests": 100},
    ]
    assert told["limits"]["requests"] == 20  # which both take
    assert features(client) == {"atomic", "references", "streaming"}


def test_batch_without_a_type_is_no_type_that_can_be_told(client, serve):
    serve(BatchView.as_view(dialect=FacebookBatch))
    [facebook] = client.get("/shop/").json()["dialects"]
    assert "" in FacebookBatch.media_types
    assert (facebook["name"], "" in facebook["media_types"], facebook["requests"]) == ("facebook", False, 50)


def test_dialect_that_a_subclass_chooses_is_told(client, serve):
    class SmallDialect(GoogleMultipart):
        name = ""
        max_requests = 3

        def __init__(self) -> None:
            """Without options."""

    class SmallView(BatchView):
        def get_dialect(self) -> Dialect:
            return SmallDialect()

    serve(SmallView.as_view())
    told = client.get("/shop/").json()
    assert told["dialects"] == [{"name": "SmallDialect", "media_types": ["multipart/mixed"], "requests": 3}]
    assert (told["limits"]["requests"], features(client)) == (3, set())


@pytest.mark.parametrize(
    ("options", "parallel"),
    [({}, False), ({"executor": ThreadExecutor}, True), ({"executor": ThreadExecutor, "max_workers": 1}, False)],
)
@pytest.mark.parametrize("view", [BatchView, AsyncBatchView])
def test_url_whose_executor_runs_steps_side_by_side_tells_so(options, parallel, view, client, serve):
    serve(view.as_view(**options))
    assert ("parallel" in features(client)) == parallel


@pytest.mark.parametrize(("workers", "parallel"), [(1, False), (2, True)])
def test_loop_runs_steps_side_by_side(workers, parallel, serve):
    serve(AsyncBatchView.as_view(max_workers=workers))
    response = async_to_sync(AsyncClient().get)("/shop/")
    assert json.loads(response.content)["features"]["parallel"] == parallel


def test_packages_that_are_installed_are_told(client, monkeypatch):
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "django_batch.jobs")
    monkeypatch.setattr(description, "find_spec", lambda name: None)
    told = client.get("/batch/").json()["features"]
    assert (told["jobs"], told["jsonpath"]) == (True, False)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_stranger_is_told_nothing(method, client, serve):
    serve(BatchView.as_view(permission_classes=[IsAuthenticated]))
    response = client.generic(method, "/shop/", json.dumps([ME]), "application/json")
    assert response.status_code == 401
    assert method == "HEAD" or response.json() == {"detail": "Authentication credentials were not provided."}


def test_throttle_of_the_view_counts_who_asks(client, serve):
    class BatchThrottle(SimpleRateThrottle):
        rate = "2/hour"

        def get_cache_key(self, request: Any, view: BatchView) -> str:
            return "descriptions"

    serve(BatchView.as_view(throttle_classes=[BatchThrottle]))
    assert [client.get("/shop/").status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_batch_cannot_ask_for_it(method, client):
    [answer] = client.batch([{"path": "/batch/", "method": method}])
    assert answer["status"] == 403


@pytest.mark.parametrize("dialect", [NativeDialect, ODataJSON, ODataMultipart, GoogleMultipart, FacebookBatch])
def test_features_of_dialects_are_known(dialect):
    assert {*dialect().features} <= {*description.Features.__annotations__}
