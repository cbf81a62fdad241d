"""The batch view as a view of REST framework, its hooks, and batches that a view of the site runs itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient
from django.urls import path
from msgspec.structs import replace
from rest_framework.authentication import BasicAuthentication, SessionAuthentication, TokenAuthentication
from rest_framework.decorators import api_view
from rest_framework.permissions import (
    DjangoModelPermissions,
    DjangoModelPermissionsOrAnonReadOnly,
    IsAdminUser,
    IsAuthenticated,
)
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.versioning import (
    AcceptHeaderVersioning,
    NamespaceVersioning,
    QueryParameterVersioning,
    URLPathVersioning,
)
from rest_framework.views import APIView

from django_batch.conf import SETTINGS
from django_batch.core.batch import Batch, Subrequest, Subresponse
from django_batch.core.schedule import Schedule
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.dialects.native.dialect import NativeDialect, NativeWriter
from django_batch.dialects.odata import ODataJSON
from django_batch.errors import BatchError, UnknownDependency
from django_batch.execution.batch_run import BatchRun
from django_batch.execution.client.cookies import set_cookies
from django_batch.execution.executors import SerialExecutor
from django_batch.execution.executors.base import Executor, Run
from django_batch.runs import BatchRuns
from django_batch.testing import BatchClient
from django_batch.views import BatchView, run_batch
from example_project.urls import urlpatterns
from tests.asgi import SECONDS
from tests.markdown import ROOT

REFERENCE = (ROOT / "docs/reference/views.md").read_text()
ME = {"path": "/api/me/"}
ACCEPTED = ["*/*", "text/html", "application/xml", "image/png;q=0.9", "application/json;q=0", "no type", "", ";;;,"]


def with_rows(test: Callable[..., None]) -> Callable[..., None]:
    """A test that needs users and books. The others are spared the time."""
    mark = pytest.mark.django_db(transaction=True, databases="__all__")
    return pytest.mark.usefixtures("bookshop")(mark(test))


@pytest.fixture
def client() -> BatchClient:
    return BatchClient()


@pytest.fixture
def serve(settings):
    """Puts views at the paths that they are named for."""

    def serve(**views: Any) -> None:
        settings.ROOT_URLCONF = (*(path(f"{name}/", view) for name, view in views.items()), *urlpatterns)

    return serve


# A view of REST framework


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "CONNECT"])
def test_other_method_is_not_allowed(method, client):
    response = client.generic(method, "/batch/")
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST", "QUERY"}
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("accept", ACCEPTED)
@pytest.mark.parametrize("query", ["", "?format=xml", "?format=json"])
def test_batch_is_answered_whatever_its_sender_accepts(accept, query):
    response = BatchClient(headers={"accept": accept}).send_batch([ME], path=f"/batch/{query}")
    assert (response.status_code, response.headers["Content-Type"]) == (207, "application/json")


@pytest.mark.parametrize("accept", ACCEPTED)
def test_refusal_is_a_problem_whatever_its_sender_accepts(accept):
    response = BatchClient(headers={"accept": accept}).send_batch(b"{")
    assert (response.status_code, response.headers["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize(
    ("authenticator", "permission", "status", "detail"),
    [
        (BasicAuthentication, IsAuthenticated, 401, "Authentication credentials were not provided."),
        (SessionAuthentication, IsAuthenticated, 403, "Authentication credentials were not provided."),
        (TokenAuthentication, IsAdminUser, 401, "Authentication credentials were not provided."),
    ],
)
@pytest.mark.parametrize("content", [[ME], b"{"])
def test_stranger_is_turned_away_by_rest_framework(authenticator, permission, status, detail, content, client, serve):
    serve(closed=BatchView.as_view(authentication_classes=[authenticator], permission_classes=[permission]))
    response = client.send_batch(content, path="/closed/")
    assert (response.status_code, response.json()) == (status, {"detail": detail})
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers.get("WWW-Authenticate") == {
        BasicAuthentication: 'Basic realm="api"',
        TokenAuthentication: "Token",
    }.get(authenticator)


@with_rows
def test_wrong_token_is_turned_away_by_rest_framework(client):
    client.credentials(HTTP_AUTHORIZATION="Token wrong")
    response = client.send_batch([ME])
    assert (response.status_code, response.json()) == (401, {"detail": "Invalid token."})


@with_rows
def test_session_without_a_csrf_token_is_turned_away_by_rest_framework():
    client = BatchClient(enforce_csrf_checks=True)
    client.login(username="ada", password="ada-secret")
    response = client.send_batch([ME])
    assert (response.status_code, response.json()) == (403, {"detail": "CSRF Failed: CSRF cookie not set."})


@with_rows
@pytest.mark.parametrize("permission", [DjangoModelPermissions, DjangoModelPermissionsOrAnonReadOnly])
def test_site_whose_permissions_are_about_models_lets_batches_in(permission, monkeypatch):
    monkeypatch.setattr(APIView, "permission_classes", [permission])  # as DEFAULT_PERMISSION_CLASSES does
    client = BatchClient(headers={"Authorization": "Token ada-token"})
    assert [answer["status"] for answer in client.batch([ME])] == [200]


@pytest.mark.parametrize(
    "versioning", [AcceptHeaderVersioning, NamespaceVersioning, QueryParameterVersioning, URLPathVersioning]
)
def test_site_with_versions_has_them_in_the_items_of_a_batch(versioning, client, monkeypatch):
    monkeypatch.setattr(APIView, "versioning_class", versioning)  # as DEFAULT_VERSIONING_CLASS does
    monkeypatch.setattr(versioning, "allowed_versions", ["v1"])
    assert client.send_batch([{"path": "/nowhere/"}]).status_code == 207


def test_throttle_of_the_batch_view_counts_batches(client, serve):
    class BatchThrottle(SimpleRateThrottle):
        rate = "2/hour"

        def get_cache_key(self, request: Request, view: BatchView) -> str:
            return "batches"

    serve(slow=BatchView.as_view(throttle_classes=[BatchThrottle]))
    responses = [client.send_batch([ME, ME, ME], path="/slow/") for _ in range(3)]
    assert [response.status_code for response in responses] == [207, 207, 429]
    assert responses[2].json()["detail"].startswith("Request was throttled.")
    assert int(responses[2].headers["Retry-After"]) > 0


def test_own_exception_handler_of_the_site_is_left_alone(client, serve, settings):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "EXCEPTION_HANDLER": "tests.test_views.teapot"}
    serve(closed=BatchView.as_view(permission_classes=[IsAuthenticated]))
    assert client.send_batch([ME], path="/closed/").status_code == 418
    assert client.send_batch(b"{").status_code == 400


def teapot(error: Exception, context: dict[str, Any]) -> Response:
    return Response({"detail": str(error)}, status=418)


# Transactions


@pytest.fixture
def atomic_requests(request, monkeypatch) -> None:
    """`ATOMIC_REQUESTS` on the databases that the test names."""
    for alias in request.param:
        monkeypatch.setitem(connections.settings[alias], "ATOMIC_REQUESTS", True)


def in_transaction() -> list[str]:
    """The aliases of the databases that are in one."""
    return [connection.alias for connection in connections.all() if connection.in_atomic_block]


def report_transactions(request: HttpRequest) -> JsonResponse:
    return JsonResponse(in_transaction(), safe=False)


class ReportingView(BatchView):
    """Tells in a header where the view itself, and not a sub-request, is in a transaction."""

    def post(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().post(request, *args, **kwargs)
        response.headers["X-In-Transaction"] = " ".join(in_transaction())
        return response


@with_rows
@pytest.mark.parametrize(
    "atomic_requests", [["default"], ["archive"], ["default", "archive"]], indirect=True, ids="+".join
)
def test_batch_view_is_in_no_transaction_and_each_view_in_its_own(atomic_requests, request, client, serve):
    serve(shop=ReportingView.as_view(), transactions=report_transactions)
    response = client.send_batch([{"path": "/transactions/"}] * 2, path="/shop/")
    assert response.headers["X-In-Transaction"] == ""
    assert [item["response"] for item in response.json()] == [request.node.callspec.params["atomic_requests"]] * 2


@with_rows
@pytest.mark.parametrize("atomic_requests", [["default", "archive"]], indirect=True, ids="+".join)
def test_batch_view_under_asgi_is_in_no_transaction(atomic_requests, serve):
    serve(shop=ReportingView.as_view(), transactions=report_transactions)
    response = async_to_sync(AsyncClient().post)("/shop/", [{"path": "/transactions/"}], "application/json")
    assert response.headers["X-In-Transaction"] == ""
    assert response.json()[0]["response"] == ["default", "archive"]


# Hooks


class Careless(BatchError):
    """Something that a site refuses by itself."""

    status = 403
    code = "careless"


class PlainWriter(NativeWriter):
    status = 200
    headers = MappingProxyType({"X-Format": "plain"})


class PlainDialect(NativeDialect):
    """Refuses in plain text, answers with 200, and takes one sub-request at a time."""

    error_content_type = "text/plain"
    max_requests = 1

    def writer(self, batch: Batch) -> Writer:
        return PlainWriter()

    def write_error(self, error: BatchError) -> bytes:
        return f"{error.code}: {error.detail}".encode()


class FormlessView(BatchView):
    """Offers the dialects of the site, which read forms, and then chooses one that reads none."""

    def get_dialect(self) -> Dialect:
        return ODataJSON()


def test_form_that_the_chosen_dialect_does_not_read_is_refused_and_not_parsed(serve, bookshop):
    serve(formless=FormlessView.as_view())
    client = BatchClient(enforce_csrf_checks=True, headers={"X-CSRFToken": "a" * 32})
    client.force_login(User.objects.get(username="ada"))
    client.cookies["csrftoken"] = "a" * 32
    response = client.post("/formless/", {"batch": json.dumps([ME])})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "UnsupportedMediaType")


class LineWriter(Writer):
    content_type = "text/plain"

    def write(self, subresponse: Subresponse) -> bytes:
        return b"%d\n" % subresponse.status


class LineDialect(Dialect):
    """A method and a path in each line, answered with a status in each."""

    media_types = ("text/plain",)

    def parse(self, envelope: Envelope) -> Batch:
        lines = enumerate(envelope.body.decode().splitlines())
        return Batch(tuple(Subrequest(str(number), *line.split()) for number, line in lines))

    def writer(self, batch: Batch) -> Writer:
        return LineWriter()


class BackwardExecutor(SerialExecutor):
    """Has the steps of a batch done in the order of the alphabet."""

    def execute(self, schedule: Schedule, run: Run, *, max_workers: int) -> Iterator[Sequence[Subresponse]]:
        for step in sorted(schedule.start(100), key=lambda step: step.subrequests[0].id):
            subresponses = run(step)
            schedule.finish(step, subresponses)
            yield subresponses


@with_rows
def test_envelope_of_a_subclass_is_the_one_that_is_read(client, serve):
    class PoliteView(BatchView):
        def get_envelope(self, request: Request) -> Envelope:
            return replace(super().get_envelope(request), max_requests=100 if request.user.is_authenticated else 1)

    serve(polite=PoliteView.as_view())
    assert client.send_batch([ME, ME], path="/polite/").status_code == 413
    client.credentials(HTTP_AUTHORIZATION="Token ada-token")
    assert client.send_batch([ME, ME], path="/polite/").status_code == 207


def test_dialect_of_a_subclass_writes_answers_and_refusals(client, serve):
    class PlainView(BatchView):
        def get_dialect(self) -> Dialect:
            return PlainDialect()

    serve(plain=PlainView.as_view())
    response = client.send_batch([ME], path="/plain/")
    assert (response.status_code, response.headers["X-Format"]) == (200, "plain")
    assert client.send_batch([ME, ME], path="/plain/").status_code == 413
    refusal = client.send_batch([], path="/plain/")
    assert (refusal.status_code, refusal.headers["Content-Type"]) == (400, "text/plain")
    assert refusal.content == b"malformed: The batch has no sub-requests."


def test_dialect_of_another_kind_is_read_and_written(client, serve):
    serve(lines=BatchView.as_view(dialect=LineDialect))
    response = client.generic("POST", "/lines/", b"GET /api/me/\nDELETE /api/me/\nGET /nowhere/\n", "text/plain")
    assert (response.status_code, response.headers["Content-Type"]) == (207, "text/plain")
    assert response.content == b"200\n405\n404\n"


def test_url_of_several_dialects_speaks_the_one_that_reads_the_content_type(client, serve):
    serve(both=BatchView.as_view(dialect=[NativeDialect, LineDialect()]))
    lines = client.generic("POST", "/both/", b"GET /nowhere/\n", "text/plain; charset=utf-8")
    assert (lines.status_code, lines.content) == (207, b"404\n")
    assert client.send_batch([{"path": "/nowhere/"}], path="/both/").json()[0]["status"] == 404
    refusal = client.generic("POST", "/both/", b"", "text/html")
    assert (refusal.status_code, refusal.json()["code"]) == (415, "unsupported_media_type")


@with_rows
def test_executor_of_a_subclass_drives_the_steps(client, serve):
    class BackwardView(BatchView):
        def get_executor(self) -> Executor:
            return BackwardExecutor()

    serve(backward=BackwardView.as_view())
    visits = [{"id": id_, "path": "/api/visits/"} for id_ in "cab"]
    client.login(username="ada", password="ada-secret")
    assert [answer["body"]["visits"] for answer in client.batch(visits, path="/backward/")] == [3, 1, 2]


def test_refusal_of_a_subclass_is_written_as_any_other(client, serve):
    class CarefulView(BatchView):
        def get_batch_run(self, request: HttpRequest, batch: Batch, **options: bool) -> BatchRun:
            for subrequest in batch.subrequests:
                if subrequest.method == "DELETE":
                    raise Careless("Nothing is deleted here.", pointer=subrequest.pointer)
            return super().get_batch_run(request, batch, **options)

    serve(careful=CarefulView.as_view())
    response = client.send_batch([ME, {"method": "DELETE", "path": "/api/reviews/1/"}], path="/careful/")
    assert (response.status_code, response.headers["Content-Type"]) == (403, "application/problem+json")
    assert response.json() == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "Nothing is deleted here.",
        "code": "careless",
        "errors": [{"pointer": "/1", "detail": "Nothing is deleted here."}],
    }


def test_batch_goes_on_after_a_failure_unless_it_says_otherwise(client):
    requests = [{"path": "/nowhere/"}, ME]
    assert [answer["status"] for answer in client.batch(requests)] == [404, 200]
    failed, left = client.batch(requests, continue_on_error=False)
    assert (failed["status"], left["status"], left["body"]["code"]) == (404, 424, "not_run")


# Under ASGI


def send(
    path: str, *events: dict[str, Any], headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body that the site answers to these events of an ASGI server."""

    async def exchange() -> tuple[int, dict[str, str], bytes]:
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [(b"host", b"testserver"), (b"content-type", b"application/json")],
            "server": ("testserver", 80),
            "client": ("127.0.0.1", 50000),
        }
        scope["headers"] += [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        site = ApplicationCommunicator(get_asgi_application(), scope)
        for event in events:
            await site.send_input(event)
        start = await site.receive_output(SECONDS)
        body = b""
        while (event := await site.receive_output(SECONDS)).get("more_body"):
            body += event["body"]
        await site.wait(SECONDS)
        return start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, body + event["body"]

    return async_to_sync(exchange)()


# Without a query, as each thread would have a database of its own in memory.
CONTENT = json.dumps([{"path": "/api/echo/"}, {"path": "/nowhere/"}]).encode()


@with_rows
def test_batch_under_asgi_is_answered_as_under_wsgi():
    headers = {"authorization": "Token ada-token"}
    response = async_to_sync(AsyncClient().post)("/batch/", [ME], "application/json", headers=headers)
    assert response.status_code == 207
    assert response.json() == BatchClient(headers=headers).send_batch([ME]).json()


def test_batch_in_pieces_of_no_declared_length_is_read_under_asgi():
    pieces = [{"type": "http.request", "body": bytes([byte]), "more_body": True} for byte in CONTENT]
    status, headers, body = send("/batch/", *pieces, {"type": "http.request"})
    assert (status, headers["Content-Type"]) == (207, "application/json")
    assert [item["status"] for item in json.loads(body)] == [200, 404]


@pytest.mark.parametrize("headers", [{}, {"content-length": "7"}, {"content-length": "no number"}])
def test_batch_that_is_too_large_is_refused_under_asgi_whatever_it_declares(headers, settings):
    settings.BATCH = {"MAX_SIZE": len(CONTENT) - 1}
    status, _, body = send("/batch/", {"type": "http.request", "body": CONTENT}, headers=headers)
    assert (status, json.loads(body)["code"]) == (413, "too_large")


def test_batch_whose_sender_goes_away_is_not_answered_under_asgi(caplog):
    async def leave() -> bool:
        scope = {"type": "http", "method": "POST", "path": "/batch/", "query_string": b"", "headers": []}
        site = ApplicationCommunicator(get_asgi_application(), scope)
        await site.send_input({"type": "http.request", "body": CONTENT, "more_body": True})
        await site.send_input({"type": "http.disconnect"})
        await site.wait(SECONDS)
        return await site.receive_nothing()

    assert async_to_sync(leave)()


# Batches that a view of the site runs itself


def own_view(batch: Batch, **options: Any) -> Callable[[HttpRequest], HttpResponse]:
    """A view that runs `batch` and answers with its statuses."""

    def view(request: HttpRequest) -> HttpResponse:
        subresponses = run_batch(request, batch, **options)
        response = JsonResponse([each.status for each in subresponses], safe=False)
        set_cookies(response, subresponses)
        return response

    return view


def ask(*paths: str, method: str = "GET") -> Batch:
    return Batch(tuple(Subrequest(str(place), method, path) for place, path in enumerate(paths)))


def test_view_runs_a_batch_of_its_own(client, serve):
    serve(own=own_view(ask("/api/me/", "/nowhere/", "/api/broken/")))
    assert client.get("/own/").json() == [200, 404, 500]


@with_rows
def test_view_of_rest_framework_runs_a_batch_with_its_own_credentials(client, serve):
    @api_view(["POST"])
    def view(request: Request) -> Response:
        (subresponse,) = run_batch(request, ask("/api/me/"))
        return Response(json.loads(subresponse.body))

    serve(own=view)
    client.credentials(HTTP_AUTHORIZATION="Token ada-token")
    assert client.post("/own/").json() == {"username": "ada", "authenticator": "TokenAuthentication"}


def test_cookies_of_an_own_batch_are_set_on_the_response(client, serve):
    serve(own=own_view(ask("/api/cookies/?name=shelf&value=7", method="POST")))
    assert client.get("/own/").cookies["shelf"].OutputString() == "shelf=7; Path=/api/cookies"


def test_own_batch_that_cannot_be_run_raises(serve):
    endless = Batch((Subrequest("a", "GET", "/", depends_on=("b",)),))
    serve(own=own_view(endless))
    with pytest.raises(UnknownDependency):
        BatchClient(raise_request_exception=True).get("/own/")


def test_own_batch_has_the_options_that_are_given(client, serve):
    serve(own=own_view(ask("/api/me/"), methods=["POST"]))
    assert client.get("/own/").json() == [405]


def test_own_batch_has_the_settings_of_the_site(client, serve, settings):
    settings.BATCH = {"METHODS": ["POST"]}
    serve(own=own_view(ask("/api/me/")))
    assert client.get("/own/").json() == [405]


@pytest.mark.parametrize(
    ("options", "error"), [({"max_workers": 0}, ImproperlyConfigured), ({"max_worker": 1}, TypeError)]
)
def test_wrong_option_of_an_own_batch_raises(options, error, rf):
    with pytest.raises(error, match="max_worker"):
        run_batch(rf.get("/"), ask("/api/me/"), **options)


# What the reference says


def table(heading: str) -> list[str]:
    """The names in the table under a heading, without their arguments."""
    section = re.search(rf"^## `{heading}`\n(.*?)(?=^## |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)[1]
    return re.findall(r"^\| `(\w+)[^`]*` \| .* \|$", section, re.MULTILINE)


def public(part: type) -> set[str]:
    """What a class defines under a name without an underscore."""
    return {name for name in [*vars(part), *part.__annotations__] if not name.startswith("_")}


@pytest.mark.parametrize("message", [Batch, Subrequest, Subresponse])
def test_reference_tells_of_every_field(message):
    assert table(message.__name__) == [*message.__annotations__]


@pytest.mark.parametrize("part", [Dialect, Writer, Executor, BatchClient])
def test_reference_tells_of_every_attribute_and_method(part):
    assert {*table(part.__name__)} == public(part)


def test_reference_tells_of_the_batch_view_beside_its_settings():
    assert {*table("BatchView")} == (public(BatchView) | public(BatchRuns)) - {name.lower() for name in SETTINGS}


def test_dialect_can_look_at_all_headers_of_a_batch(rf):
    request = rf.post("/batch/", "{}", content_type="application/json", headers={"Prefer": "x"})
    view = BatchView()
    view.setup(request)
    view.request = view.initialize_request(request)
    headers = view.get_envelope(view.request).headers
    assert {**headers} == {**request.headers}
    assert len(headers) == len(request.headers)
    assert headers["prefer"] == "x"
