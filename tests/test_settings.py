"""The settings: what each does, wherever it is set, and that its entry in the reference is true."""

from __future__ import annotations

import gzip
import json
import re
from ast import literal_eval
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.urls import path
from rest_framework.request import Request

from django_batch import conf
from django_batch.console import DRAWING
from django_batch.core.batch import Subresponse
from django_batch.core.schedule import Schedule
from django_batch.dialects.native import NativeDialect
from django_batch.execution.executors import SerialExecutor
from django_batch.execution.executors.base import Executor, Run
from django_batch.sharing.lookups import current_lookups
from django_batch.testing import BatchClient
from django_batch.views import BatchView
from example_project.bookshop.models import Subscriber
from example_project.urls import urlpatterns
from tests.markdown import ROOT

ME = {"path": "/api/me/"}
SUBSCRIBE = {"method": "POST", "path": "/api/newsletter/", "body": {"email": "ada@example.com"}}
REFERENCE = (ROOT / "docs/reference/settings.md").read_text()


class IdleExecutor(Executor):
    """Runs nothing."""

    def execute(self, schedule: Schedule, run: Run, *, max_workers: int) -> Iterator[Sequence[Subresponse]]:
        yield from ()


class CountingExecutor(SerialExecutor):
    """Remembers how many workers it may have."""

    def execute(self, schedule: Schedule, run: Run, *, max_workers: int) -> Iterator[Sequence[Subresponse]]:
        self.max_workers = max_workers
        return super().execute(schedule, run, max_workers=max_workers)


class OKDialect(NativeDialect):
    """Answers with 200 instead of 207."""

    def writer(self, batch):
        writer = super().writer(batch)
        writer.status = 200
        return writer


COUNTING = CountingExecutor()
FRUIT: ContextVar[str] = ContextVar("fruit of the settings", default="none")
LOOK = {"requests": [{"path": "/look/"}]}
ME_VIEW = "example_project.bookshop.views.accounts.me"


@contextmanager
def surround(request: HttpRequest) -> Iterator[None]:
    """Marks a request."""
    request.is_surrounded = True
    yield


def look_around(request: HttpRequest) -> HttpResponse:
    """Tells what a sub-request sees."""
    return JsonResponse([FRUIT.get(), hasattr(request, "is_surrounded"), current_lookups.get() is not None], safe=False)


def look(response: Any) -> list[Any]:
    """What it has told."""
    return response.json()["responses"][0]["body"]


def stream(request: HttpRequest) -> HttpResponse:
    """Two pieces."""
    return StreamingHttpResponse(iter([b"a", b"b"]))


class CountingView(BatchView):
    executor = COUNTING


class Crowded:
    """A view whose first statement is in another transaction's way."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.calls += 1
        with connection.execute_wrapper(self.execute), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return HttpResponse()

    def execute(self, execute: Callable[..., object], *args: object) -> object:
        if self.calls == 1:
            raise OperationalError(1205, "Lock wait timeout exceeded")  # as MySQL says it
        return execute(*args)


class GzippedView(BatchView):
    """Takes each batch as if its sender had compressed it."""

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        request._stream = BytesIO(gzip.compress(request.read()))  # type: ignore[attr-defined]
        request.META["HTTP_CONTENT_ENCODING"] = "gzip"
        return super().initialize_request(request, *args, **kwargs)


class DrawingView(BatchView):
    """Takes each batch as if the console had asked for its pictures."""

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        content = json.dumps({"batch": request.read().decode()}).encode()
        request._stream = BytesIO(content)  # type: ignore[attr-defined]
        request.META |= {"CONTENT_TYPE": DRAWING, "CONTENT_LENGTH": str(len(content))}
        request.content_type = DRAWING
        return super().initialize_request(request, *args, **kwargs)


class DescribedView(BatchView):
    """Answers each batch with what the URL can do."""

    def post(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.get(request)


def outcome(response: Any) -> object:
    """The code or status of a refused batch, else of each item."""
    if "responses" not in (answer := response.json()):
        return answer["code"]
    return [item["body"].get("code", item["status"]) for item in answer["responses"]]


@dataclass(frozen=True)
class Row:
    """What `batch` gives without the setting, and with `value` for it."""

    value: object
    batch: dict[str, Any]
    default: object
    changed: object
    seen: Callable[[Any], object] = outcome
    view: type[BatchView] = BatchView


ROWS = {
    "MAX_REQUESTS": Row(1, {"requests": [ME, ME]}, [200, 200], "too_many_requests"),
    "MAX_SIZE": Row(20, {"requests": [ME]}, [200], "too_large"),
    "DECOMPRESS": Row(True, {"requests": [ME]}, "unsupported_media_type", [200], view=GzippedView),
    "MAX_RESPONSE_SIZE": Row(60, {"requests": [ME, ME]}, [200, 200], [200, "body_too_large"]),
    "METHODS": Row({"GET", "PUT"}, {"requests": [{**ME, "method": "OPTIONS"}]}, [200], ["method_not_allowed"]),
    "ALLOWED_HEADERS": Row(
        ("x-shelf",), {"requests": [{**ME, "headers": {"X-Shelf": "7"}}]}, ["header_not_allowed"], [200]
    ),
    "ATOMIC_DATABASES": Row(
        ["archive"],
        {"atomic": True, "requests": [SUBSCRIBE, {"path": "/nowhere/"}]},
        False,
        True,
        seen=lambda response: Subscriber.objects.exists(),
    ),
    "ATOMIC_RETRIES": Row(
        1,
        {"atomic": True, "requests": [{"path": "/crowded/"}]},
        500,
        200,
        seen=lambda response: response.json()["responses"][0]["status"],
    ),
    "TIMEOUT": Row(1e-9, {"requests": [ME]}, [200], ["not_run"]),
    "EXECUTOR": Row(IdleExecutor, {"requests": [ME]}, [200], ["not_run"]),
    "MAX_WORKERS": Row(7, {"requests": [ME]}, 4, 7, seen=lambda response: COUNTING.max_workers, view=CountingView),
    "SERVER_TIMING": Row(
        True, {"requests": [ME]}, False, True, seen=lambda response: "Server-Timing" in response.headers
    ),
    "CONSOLE": Row(
        True,
        {"requests": [ME]},
        "unsupported_media_type",
        ["graph"],
        seen=lambda response: response.json().get("code") or [*response.json()],
        view=DrawingView,
    ),
    "EXEMPT": Row([ME_VIEW], {"requests": [ME]}, [200], ["batch_exempt"]),
    "GROUP_EXEMPT": Row([ME_VIEW], {"atomic": True, "requests": [ME]}, [200], ["group_exempt"]),
    "GROUP_ALLOWED": Row(
        ["example_project.bookshop.views.accounts.Login"],
        {"atomic": True, "requests": [{"method": "POST", "path": "/api/login/", "body": {}}]},
        ["group_exempt"],
        [400],
    ),
    "LIMITS": Row({ME_VIEW: 1}, {"requests": [ME, ME]}, [200, 200], "batch_limit_exceeded"),
    "DRY_RUN": Row(True, {"dry_run": True, "requests": [ME]}, "dry_run_not_allowed", [200]),
    "CARRIED_CONTEXT": Row(["fruit of the settings"], LOOK, "none", "pear", seen=lambda response: look(response)[0]),
    "AROUND": Row("tests.test_settings.surround", LOOK, False, True, seen=lambda response: look(response)[1]),
    "SHARE": Row(False, LOOK, True, False, seen=lambda response: look(response)[2]),
    "STREAM_TIMEOUT": Row(
        1e-9,
        {"requests": [{"path": "/stream/"}]},
        200,
        504,
        seen=lambda response: response.json()["responses"][0]["status"],
    ),
    "DOCUMENTATION": Row(
        "/manual/", {}, None, "/manual/", seen=lambda response: response.json()["documentation"], view=DescribedView
    ),
    "COUNT_HEADERS": Row(
        False, {"requests": [ME]}, "1", None, seen=lambda response: response.headers.get("X-Batch-Items")
    ),
    "DIALECT": Row(OKDialect, {"requests": [ME]}, 207, 200, seen=lambda response: response.status_code),
}


OWN = (path("look/", look_around), path("stream/", stream))


def with_attribute(view: type[BatchView], name: str, value: object) -> type[BatchView]:
    return type("ShopBatchView", (view,), {name.lower(): value})


with_transactions = pytest.mark.django_db(transaction=True, databases="__all__")
IN_TRANSACTIONS = ("ATOMIC_DATABASES", "ATOMIC_RETRIES", "GROUP_ALLOWED", "GROUP_EXEMPT", "DRY_RUN")
NAMES = [pytest.param(name, marks=with_transactions if name in IN_TRANSACTIONS else ()) for name in ROWS]


@pytest.fixture
def client() -> Iterator[BatchClient]:
    token = FRUIT.set("pear")
    yield BatchClient()
    FRUIT.reset(token)


@pytest.fixture
def serve(settings):
    """Puts a view where `/shop/` leads to."""

    def serve(view: Callable[..., object]) -> None:
        settings.ROOT_URLCONF = (path("shop/", view), path("crowded/", Crowded()), *OWN, *urlpatterns)

    return serve


def test_every_setting_is_tried_below():
    assert ROWS.keys() == conf.SETTINGS.keys()


@pytest.mark.parametrize("name", NAMES)
def test_setting_that_is_not_made_has_its_default(name, client, serve, settings):
    row = ROWS[name]
    settings.BATCH = {}
    serve(row.view.as_view())
    assert row.seen(client.send_batch(row.batch, path="/shop/")) == row.default


@pytest.mark.parametrize("name", NAMES)
def test_setting_of_the_site_holds(name, client, serve, settings):
    row = ROWS[name]
    serve(row.view.as_view())
    settings.BATCH = {name: row.value}
    assert row.seen(client.send_batch(row.batch, path="/shop/")) == row.changed


@pytest.mark.parametrize("name", NAMES)
def test_attribute_of_a_subclass_holds(name, client, serve):
    row = ROWS[name]
    serve(with_attribute(row.view, name, row.value).as_view())
    assert row.seen(client.send_batch(row.batch, path="/shop/")) == row.changed


@pytest.mark.parametrize("name", NAMES)
def test_argument_of_as_view_holds(name, client, serve):
    row = ROWS[name]
    serve(row.view.as_view(**{name.lower(): row.value}))
    assert row.seen(client.send_batch(row.batch, path="/shop/")) == row.changed


@pytest.mark.parametrize("value", [IdleExecutor, IdleExecutor(), "tests.test_settings.IdleExecutor"])
def test_executor_is_a_class_an_instance_or_a_dotted_path(value, client, serve):
    serve(BatchView.as_view(executor=value))
    assert outcome(client.send_batch({"requests": [ME]}, path="/shop/")) == ["not_run"]


@pytest.mark.parametrize("value", [OKDialect, OKDialect(), "tests.test_settings.OKDialect"])
def test_dialect_is_a_class_an_instance_or_a_dotted_path(value, client, serve):
    serve(BatchView.as_view(dialect=value))
    assert client.send_batch({"requests": [ME]}, path="/shop/").status_code == 200


def test_setting_is_read_each_time_it_is_used(client, settings):
    for limit, status in [(1, 413), (2, 207)]:
        settings.BATCH = {"MAX_REQUESTS": limit}
        assert client.send_batch({"requests": [ME, ME]}).status_code == status


@pytest.mark.parametrize("value", [None, 7, "MAX_REQUESTS", []])
def test_site_without_a_dict_has_the_defaults(value, client, settings):
    settings.BATCH = value
    assert len(client.batch([ME, ME])) == 2


def test_attribute_outranks_the_site_and_an_argument_the_attribute(client, serve, settings):
    settings.BATCH = {"MAX_REQUESTS": 1}
    three = with_attribute(BatchView, "MAX_REQUESTS", 3)
    for view, limit in [(BatchView.as_view(), 1), (three.as_view(), 3), (three.as_view(max_requests=2), 2)]:
        serve(view)
        assert client.send_batch({"requests": [ME] * limit}, path="/shop/").status_code == 207
        assert client.send_batch({"requests": [ME] * (limit + 1)}, path="/shop/").status_code == 413


def test_large_number_of_requests_can_be_allowed(client, settings):
    settings.BATCH = {"MAX_REQUESTS": 1_000}
    assert client.send_batch([{"path": "/api/me/"}] * 101).status_code == 207


def entry(name: str) -> str:
    """What the reference says of a setting."""
    found = re.search(rf"^### `{name}`\n\n(.*?)(?=^##|\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert found, f"{name} has no entry"
    return found[1]


@pytest.mark.parametrize("name", conf.SETTINGS)
def test_reference_tells_the_default_and_what_is_allowed(name):
    setting = conf.SETTINGS[name]
    default = re.match(r"Default: `([^`]+)`", entry(name))[1]
    assert (getattr(conf, default) if default.startswith("DEFAULT_") else literal_eval(default)) == setting.default
    assert setting.expects in " ".join(entry(name).split())


def test_reference_lists_the_default_headers():
    [listed] = re.findall(r"^```text\n(.*?)^```", entry("ALLOWED_HEADERS"), re.MULTILINE | re.DOTALL)
    assert tuple(listed.split()) == conf.DEFAULT_ALLOWED_HEADERS


def test_reference_has_no_other_settings():
    assert sorted(re.findall(r"^### `(\w+)`$", REFERENCE, re.MULTILINE)) == sorted(conf.SETTINGS)
