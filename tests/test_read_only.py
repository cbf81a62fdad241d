"""Batches that only read, by `QUERY` or by `"read_only": true`: whatever their views are, nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as site_settings
from django.contrib.auth import authenticate, login
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import caches
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import SimpleTemplateResponse
from django.urls import path
from django.views import View
from django.views.decorators.debug import sensitive_post_parameters
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from django_batch.core.batch import Batch, Subrequest
from django_batch.decorators import group_exempt
from django_batch.execution.chain.reading import _unwatched_tables, writes
from django_batch.requests import batch_of
from django_batch.testing import BatchClient
from django_batch.views import run_batch
from example_project.bookshop.models import Author
from tests.attacks.dialects import PROTOCOLS
from tests.attacks.senders import Sender
from tests.roads import ROADS

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ME, AUTHOR = {"path": "/api/me/"}, {"method": "POST", "path": "/api/authors/", "body": {"name": "Eve"}}
DOUBTFUL = ["X-HTTP-Method-Override", "x-http-method", "X-Method-Override"]


def add() -> HttpResponse:
    Author.objects.create(name="Eve")
    return HttpResponse("written")


def careless(request: HttpRequest) -> HttpResponse:
    """Writes, whatever it is asked by."""
    return add()


def hiding(request: HttpRequest) -> HttpResponse:
    """Tells nobody that it could not write."""
    try:
        return add()
    except PermissionDenied:
        return HttpResponse("done")


async def careless_async(request: HttpRequest) -> HttpResponse:
    await Author.objects.acreate(name="Eve")
    return HttpResponse("written")


async def on_another_thread(request: HttpRequest) -> HttpResponse:
    return await sync_to_async(add, thread_sensitive=False)()


def with_own_connection(request: HttpRequest) -> HttpResponse:
    other = connections["default"].copy("other")
    try:
        with other.cursor() as cursor:
            cursor.execute("DELETE FROM bookshop_author")
    finally:
        other.close()
    return HttpResponse("written")


class Purge(ViewSet):
    """Its methods have names that say nothing."""

    def get(self, request: Request) -> Response:
        Author.objects.all().update(name="Eve")
        return Response("written")


def streaming(request: HttpRequest) -> StreamingHttpResponse:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        add()
        yield b"last"

    return StreamingHttpResponse(pieces())


async def streaming_async(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces():
        yield b"first"
        await Author.objects.acreate(name="Eve")
        yield b"last"

    return StreamingHttpResponse(pieces())


class Lazy(SimpleTemplateResponse):
    """Writes when it is rendered."""

    def __init__(self) -> None:
        super().__init__("none.html")

    @property
    def rendered_content(self) -> str:
        add()
        return "written"


class Composed(str):
    """A statement that has to be asked for its text, as psycopg's have to be."""

    def as_string(self, context: object) -> str:
        return "DELETE FROM x" if "deletes" in self else "SELECT 1"


def composed(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute(Composed(f"SELECT 1 /* {request.GET['what']} */"))
    return HttpResponse("read")


def rendering(request: HttpRequest) -> Lazy:
    return Lazy()


def sign_in(request: HttpRequest) -> HttpResponse:
    """By a link, and counts who fails."""
    user = authenticate(request, username="ada", password=request.GET["password"])
    if user is None:
        return add()
    login(request, user)
    return HttpResponse("welcome")


def broken(request: HttpRequest) -> HttpResponse:
    raise ValueError("This view is broken on purpose.")


async def broken_async(request: HttpRequest) -> HttpResponse:
    raise ValueError("This view is broken on purpose.")


def telling(request: HttpRequest) -> HttpResponse:
    """Reads, and tells whether it may write."""
    names = [author.name for author in Author.objects.order_by("pk")[:1]]
    return HttpResponse(json.dumps([batch_of(request).read_only, len(names)]), content_type="application/json")


async def telling_async(request: HttpRequest) -> HttpResponse:
    return await sync_to_async(telling)(request)


class Told(APIView):
    def get(self, request: Request) -> Response:
        request.session["visits"] = request.session.get("visits", 0) + 1
        return Response(request.session["visits"])


def cached(request: HttpRequest) -> HttpResponse:
    caches["default"].set("seen", 7)
    return HttpResponse(str(caches["default"].get("seen")))


def saving(request: HttpRequest) -> HttpResponse:
    """Saves the session by itself."""
    request.session["seen"] = True
    request.session.save()
    return HttpResponse("saved")


class Override(View):
    """Of a site whose forms have a `_method`."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("read")

    def delete(self, request: HttpRequest) -> HttpResponse:
        return add()


class OverridingMiddleware:
    """Takes the method from wherever it is written."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.method = request.headers.get("X-Own-Override") or request.GET.get("_method") or request.method
        return self.get_response(request)


class LateMiddleware(OverridingMiddleware):
    """Takes it only once the view is known."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *args: object) -> None:
        request.method = request.GET.get("_method", request.method)


WRITERS = {
    "careless": careless,
    "hiding": hiding,
    "careless-async": careless_async,
    "purge": Purge.as_view({"get": "get"}),
    "streaming": streaming,
    "rendering": rendering,
}
OTHERS = {
    "streaming-async": streaming_async,
    "on-another-thread": on_another_thread,
    "with-own-connection": with_own_connection,
    "broken": broken,
    "broken-async": broken_async,
    "telling": telling,
    "telling-async": telling_async,
    "told": Told.as_view(),
    "composed": composed,
    "sign-in": sign_in,
    "cached": cached,
    "saving": saving,
    "override": Override.as_view(),
    "exempt": group_exempt(telling),
    "sensitive": sensitive_post_parameters()(telling),
}
urlpatterns = [path(f"{name}/", view) for name, view in (WRITERS | OTHERS).items()]
urlpatterns += import_module("tests.attacks.site").urlpatterns


@pytest.fixture(autouse=True)
def site(bookshop, settings):
    settings.ROOT_URLCONF = __name__
    settings.BATCH = {"DRY_RUN": True}


@pytest.fixture
def client() -> BatchClient:
    return BatchClient(headers={"Authorization": "Token staff-token"})


def codes(answers: list[dict[str, Any]]) -> list[int | str]:
    """The code of each refusal, and the status of each other answer."""
    bodies = [each["body"] if isinstance(each["body"], dict) else {} for each in answers]
    return [body.get("code", each["status"]) for each, body in zip(answers, bodies, strict=True)]


def names() -> list[str]:
    return [*Author.objects.order_by("pk").values_list("name", flat=True)]


# What is refused before anything is run


@pytest.mark.parametrize("method", ["POST", "QUERY"])
def test_unsafe_item_refuses_all_of_a_batch_that_only_reads(method, client):
    before = names()
    items = [AUTHOR, ME, {"method": "delete", "path": "/api/authors/1/"}, {"path": "/careless/"}]
    members = {"read_only": True} if method == "POST" else {}
    content = json.dumps({"requests": items, **members})
    response = client.generic(method, "/batch/", content, "application/json")
    assert (response.status_code, response.headers["Content-Type"]) == (400, "application/problem+json")
    problem = response.json()
    assert problem["code"] == "unsafe_method"
    assert [each["pointer"] for each in problem["errors"]] == ["/requests/0/method", "/requests/2/method"]
    assert names() == before


def test_login_tells_the_same_whether_it_fails_or_succeeds(client):
    """A sender who could tell the two apart could guess, without being counted."""
    paths = [f"/sign-in/?password={password}" for password in ("ada-secret", "wrong")]
    right, wrong = client.batch([{"path": path} for path in paths], read_only=True)
    assert right["body"]["code"] == wrong["body"]["code"] == "write_refused"
    assert right["body"]["detail"] == wrong["body"]["detail"]
    assert codes(client.batch([{"path": path} for path in paths])) == [200, 200]


def test_other_mistakes_are_told_too(client):
    response = client.send_batch({"read_only": True, "requests": [AUTHOR, {**ME, "depends_on": "nobody"}]})
    assert [each["pointer"] for each in response.json()["errors"]] == ["/requests/0/method", "/requests/1/depends_on"]


@pytest.mark.parametrize("name", DOUBTFUL)
@pytest.mark.parametrize("value", ["DELETE", "GET", ""])
def test_header_that_may_change_the_method_refuses_a_batch_that_only_reads(name, value, client, settings):
    settings.BATCH = {"ALLOWED_HEADERS": DOUBTFUL}
    items = [ME, {**ME, "headers": {"Accept-Language": "en", name: value}}]
    response = client.send_batch({"read_only": True, "requests": items})
    assert (response.status_code, response.json()["code"]) == (400, "unsafe_method")
    assert [each["pointer"] for each in response.json()["errors"]] == [f"/requests/1/headers/{name}"]


def test_batch_that_may_write_may_override(client):
    item = {**AUTHOR, "headers": {"X-HTTP-Method-Override": "GET"}}
    assert codes(client.batch([item], read_only=False)) == [201]


def test_read_only_is_a_boolean(client):
    response = client.send_batch({"read_only": "yes", "requests": [ME]})
    assert [each["pointer"] for each in response.json()["errors"]] == ["/read_only"]


def test_own_batch_may_be_one_that_only_reads(rf):
    request = rf.get("/")
    written, read = run_batch(
        request, Batch((Subrequest("a", "GET", "/careless/"), Subrequest("b", "GET", "/api/me/")), read_only=True)
    )
    assert (written.error.code, read.status) == ("write_refused", 200)


# QUERY


@pytest.mark.parametrize("name", PROTOCOLS)
def test_query_reads_in_every_dialect(name, client, monkeypatch):
    monkeypatch.setattr(Sender, "post", query)
    items = [{"path": "/seen/"}, {"path": "/careless/"}]
    before = names()
    response = PROTOCOLS[name].send(items, Sender(), name)
    assert response.status_code == 200
    assert [each.status for each in PROTOCOLS[name].told(response, items)] == [200, 403]
    refused = PROTOCOLS[name].send([*items, AUTHOR], Sender(), name)
    assert refused.status_code == 400
    assert b"nsafe" in refused.content
    assert names() == before


def query(sender: Sender, path: str, content: bytes, content_type: str, **headers: str) -> Any:
    return BatchClient().generic("QUERY", path, content, content_type, headers=headers)


def test_query_takes_a_form():
    parts = b'--x\r\nContent-Disposition: form-data; name="batch"\r\n\r\n[{"path": "/seen/"}]\r\n--x--\r\n'
    response = BatchClient().generic("QUERY", "/batch/", parts, "multipart/form-data; boundary=x")
    assert [each["status"] for each in response.json()] == [200]


@pytest.mark.parametrize("token", [False, True])
def test_query_with_a_session_needs_a_csrf_token(token):
    client = BatchClient(enforce_csrf_checks=True)
    client.login(username="ada", password="ada-secret")
    client.cookies[site_settings.CSRF_COOKIE_NAME] = "a" * 32
    headers = {"X-CSRFToken": "a" * 32} if token else {}
    response = client.generic("QUERY", "/batch/", json.dumps([ME]), "application/json", headers=headers)
    assert response.status_code == (207 if token else 403)


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_url_tells_what_a_query_may_be(method, client, settings):
    response = client.generic(method, "/batch/")
    assert response.headers["Accept-Query"] == "application/json, multipart/form-data"
    assert "QUERY" in response.headers["Allow"]


def test_site_may_let_items_query(client, settings):
    settings.BATCH = {"METHODS": ["GET", "QUERY"]}
    items = [{"method": "QUERY", "path": "/seen/"}, {"method": "QUERY", "path": "/careless/"}]
    assert codes(client.batch(items, read_only=True)) == [200, "write_refused"]
    settings.BATCH = {"METHODS": ["GET"]}
    assert codes(client.batch([*items, ME], read_only=True)) == ["method_not_allowed", "method_not_allowed", 200]


# What is refused while it is run


@pytest.mark.parametrize("road", [ROADS[0], ROADS[-1]], ids=str)
@pytest.mark.parametrize("name", WRITERS)
def test_view_that_would_write_is_refused_and_writes_nothing(name, road, settings):
    for key, value in road.settings(__name__).items():
        setattr(settings, key, value)
    before = names()
    client = road.client(headers={"Authorization": "Token staff-token"})
    answers = client.batch([{"path": f"/{name}/"}, {"path": "/telling/"}, {"path": "/telling-async/"}], read_only=True)
    assert codes(answers) == ["write_refused", 200, 200]
    assert [answer["body"] for answer in answers[1:]] == [[True, 1]] * 2
    assert names() == before
    assert codes(client.batch([{"path": f"/{name}/"}])) == [200]
    assert names() != before


@pytest.mark.parametrize("road", [road for road in ROADS if road.executor != "serial"], ids=str)
def test_views_side_by_side_write_nothing_and_others_do_not_mind(bookshop_in_files, road, settings):
    for key, value in road.settings(__name__).items():
        setattr(settings, key, value)
    before = names()
    paths = [*(f"/{name}/" for name in WRITERS), "/told/", "/telling/", "/telling-async/"] * 2
    client = road.client(headers={"Authorization": "Token staff-token"})
    answers = client.batch([{"path": path} for path in paths], read_only=True, parallel=True)
    assert codes(answers) == [*["write_refused"] * len(WRITERS), 200, 200, 200] * 2
    assert names() == before


@pytest.mark.parametrize("name", ["streaming-async", "with-own-connection"])
def test_write_by_another_way_is_refused(name, client, bookshop_in_files):
    before = names()
    assert codes(client.batch([{"path": f"/{name}/"}], read_only=True)) == ["write_refused"]
    assert names() == before


def test_write_on_another_thread_is_refused(client, bookshop_in_files):
    before = names()
    assert codes(client.batch([{"path": "/on-another-thread/"}], read_only=True)) == ["write_refused"]
    assert names() == before


def test_stream_of_an_async_view_writes_nothing_on_the_loop(settings, bookshop_in_files):
    road = next(road for road in ROADS if road.executor == "loop")
    for key, value in road.settings(__name__).items():
        setattr(settings, key, value)
    before = names()
    assert codes(road.client().batch([{"path": "/streaming-async/"}], read_only=True)) == ["write_refused"]
    assert names() == before


def test_statement_that_is_no_text_is_asked_for_it(client):
    paths = ["/composed/?what=reads", "/composed/?what=deletes"]
    assert codes(client.batch([{"path": path} for path in paths], read_only=True)) == [200, "write_refused"]


@pytest.mark.parametrize("name", ["broken", "broken-async"])
def test_view_that_fails_is_answered_as_ever_and_what_comes_after_may_save(name, client):
    client.login(username="ada", password="ada-secret")
    answers = client.batch([{"path": f"/{name}/"}, {"path": "/told/"}, {"path": "/told/"}], read_only=True)
    assert [answer["status"] for answer in answers] == [500, 200, 200]
    assert answers[2]["body"] == 2


@pytest.mark.parametrize("middleware", ["OverridingMiddleware", "LateMiddleware"])
def test_middleware_that_changes_the_method_reaches_no_view(middleware, client, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.{middleware}"]
    before = names()
    items = [{"path": "/override/?_method=DELETE"}, {"path": "/override/"}]
    assert codes(client.batch(items, read_only=True)) == ["write_refused", 200]
    assert names() == before
    assert codes(client.batch(items)) == [200, 200]
    assert len(names()) == len(before) + 1


def test_header_of_the_sites_own_that_changes_the_method_reaches_no_view(client, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.OverridingMiddleware"]
    settings.BATCH = {"ALLOWED_HEADERS": ["X-Own-Override"]}
    item = {"path": "/override/", "headers": {"X-Own-Override": "DELETE"}}
    assert codes(client.batch([item], read_only=True)) == ["write_refused"]


def test_group_of_reads_is_answered(client):
    assert codes(client.batch([{"path": "/telling/"}, ME], read_only=True, atomic=True)) == [200, 200]
    assert codes(client.batch([{"path": "/telling/"}, {"path": "/careless/"}], read_only=True, atomic=True)) == [
        "rolled_back",
        "write_refused",
    ]


def test_sessions_are_kept(client):
    """They are what a site knows about its visitors, also about those who only read."""
    answers = client.batch([{"path": "/told/"}, {"path": "/told/"}, {"path": "/saving/"}], read_only=True)
    assert [answer["body"] for answer in answers] == [1, 2, "saved"]
    assert client.batch([{"path": "/told/"}], read_only=True)[0]["body"] == 3


def test_caches_are_filled(client, settings):
    backend = "django.core.cache.backends.db.DatabaseCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "table_of_the_cache"}}
    call_command("createcachetable", verbosity=0)
    try:
        assert client.batch([{"path": "/cached/"}], read_only=True)[0]["body"] == "7"
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE table_of_the_cache")


def test_site_whose_sessions_have_no_table_is_no_matter(client, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    assert codes(client.batch([{"path": "/careless/"}, {"path": "/told/"}], read_only=True)) == ["write_refused", 200]


def test_site_without_the_app_of_sessions_is_no_matter(client, monkeypatch):
    def get_model_class() -> None:
        raise RuntimeError("The model is of an app that is not installed.")  # as Django says

    _unwatched_tables.cache_clear()
    monkeypatch.setattr(SessionStore, "get_model_class", get_model_class)
    assert codes(client.batch([{"path": "/careless/"}], read_only=True)) == ["write_refused"]
    assert writes("UPDATE django_session SET a = 1")
    _unwatched_tables.cache_clear()


def test_view_that_counts_attempts_is_in_no_batch_that_only_reads(client):
    """It could count nothing, so that a sender could try again and again."""
    items = [{"path": "/exempt/"}, {"path": "/sensitive/"}, {"path": "/telling/"}]
    assert codes(client.batch(items, read_only=True)) == ["group_exempt", "write_refused", 200]
    assert codes(client.batch(items)) == [200, 200, 200]


STATEMENTS = {
    False: [
        "SELECT 1",
        " ( select * from x) union (select 2)",
        "-- DELETE\nSELECT 1;",
        "/* UPDATE x */ WITH a AS (SELECT 1) SELECT * FROM a FOR UPDATE",
        "SELECT 'INSERT INTO x', \"update\", `delete`; ",
        "SELECT x FROM y WHERE z = 'a; DELETE FROM y'",
        "SELECT REPLACE(a, 'x', 'y') FROM b FOR NO KEY UPDATE",
        "SELECT INSERT (a, 1, 2, 'x')",
        "SAVEPOINT s",
        "RELEASE SAVEPOINT s",
        "ROLLBACK TO SAVEPOINT s",
        "BEGIN",
        "PRAGMA foreign_key_check",
        "SET search_path = x",
        "EXPLAIN SELECT 1",
        "VALUES (1)",
        'INSERT INTO "django_session" ("a") VALUES (%s)',
        "UPDATE `django_session` SET a = 1",
        "DELETE FROM django_session WHERE a = 1",
    ],
    True: [
        "",
        "INSERT INTO x VALUES (1)",
        "update x set y = 1",
        "DELETE FROM x",
        "REPLACE INTO x VALUES (1)",
        "MERGE INTO x USING y",
        "WITH a AS (DELETE FROM x RETURNING *) SELECT * FROM a",
        "SELECT * INTO y FROM x",
        "SELECT 1; DELETE FROM x",
        "EXPLAIN ANALYZE DELETE FROM x",
        "TRUNCATE x",
        "DROP TABLE x",
        "CALL x()",
        "COPY x FROM STDIN",
        "DO $$ BEGIN DELETE FROM x; END $$",
        "CREATE TEMPORARY TABLE x (y int)",
        "UPDATE x SET y = 1 WHERE z IN (SELECT a FROM django_session)",
        "DELETE FROM django_session; DELETE FROM x",
        "Composed([SQL('SELECT')])",
    ],
}


@pytest.mark.parametrize(("sql", "expected"), [(sql, key) for key, each in STATEMENTS.items() for sql in each])
def test_statement_that_may_write_is_known(sql, expected):
    assert writes(sql) == expected
