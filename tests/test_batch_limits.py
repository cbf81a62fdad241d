"""At most so many sub-requests of one batch for a view: `LIMITS` and `@batch_limit`."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path, re_path
from django.utils.decorators import method_decorator
from django.views import View
from rest_framework.decorators import action, api_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from django_batch import decorators
from django_batch.checks import check_limits
from django_batch.core.limits import Counts
from django_batch.decorators import batch_limit
from django_batch.testing import BatchClient
from django_batch.views import BatchView
from tests.attacks.dialects import PROTOCOLS
from tests.attacks.senders import Sender
from tests.roads import ROADS

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

calls: list[str] = []


def note(request: HttpRequest, **kwargs: object) -> HttpResponse:
    """Remembers that it was called."""
    calls.append(request.path)
    return HttpResponse("called")


def free(request: HttpRequest) -> HttpResponse:
    return note(request)


def where(request: HttpRequest) -> JsonResponse:
    """Tells a path."""
    return JsonResponse(request.GET["path"], safe=False)


@batch_limit(2)
def limited(request: HttpRequest) -> HttpResponse:
    return note(request)


@batch_limit(2)
async def limited_async(request: HttpRequest) -> HttpResponse:
    return note(request)


def hidden(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A decorator that shows nothing of what it wraps."""
    return lambda request, *args, **kwargs: view(request, *args, **kwargs)


@method_decorator(batch_limit(2), name="dispatch")
class Limited(APIView):
    def get(self, request: Request) -> HttpResponse:
        return note(request)


class MethodLimited(APIView):
    @batch_limit(2)
    def get(self, request: Request) -> HttpResponse:
        return note(request)

    def post(self, request: Request) -> HttpResponse:
        return note(request)


class Plain(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return note(request)

    post = get


class Special(Plain):
    """A subclass of it."""


class Shelf(ViewSet):
    @batch_limit(2)
    def list(self, request: Request) -> Response:
        return note(request)

    @action(detail=False)
    @batch_limit(2)
    def inside(self, request: Request) -> Response:
        return note(request)

    @batch_limit(2)
    @action(detail=False)
    def outside(self, request: Request) -> Response:
        return note(request)


@api_view(["GET"])
@batch_limit(2)
def limited_api(request: Request) -> HttpResponse:
    return note(request)


class Switch:
    """A middleware that chooses other URLs for some requests."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/elsewhere/"):
            request.urlconf = (path("elsewhere/<int:number>/", note, name="note"),)
        return self.get_response(request)


router = SimpleRouter()
router.register("shelf", Shelf, "shelf")
VIEWS = {
    "limited": limited,
    "limited-async": limited_async,
    "limited-class": Limited.as_view(),
    "limited-method": MethodLimited.as_view(),
}
HIDDEN = {"limited-api": limited_api, "hidden": hidden(limited), "hidden-class": hidden(MethodLimited.as_view())}
urlpatterns = [
    *(path(f"{name}/", view) for name, view in (VIEWS | HIDDEN).items()),
    path("", include(router.urls)),
    path("free/", free),
    path("where/", where),
    path("note/<int:number>/", note, name="note"),
    re_path("^notes/(?:[0-9]+)/$", note, name="notes"),
    path("plain/", Plain.as_view(), name="plain"),
    path("special/", Special.as_view(), name="special"),
    path("in/", include(([path("there/", free, name="there")], "inner"))),
    *import_module("tests.attacks.site").urlpatterns,
]


@pytest.fixture(autouse=True)
def site(bookshop, settings):
    settings.ROOT_URLCONF = __name__
    calls.clear()


@pytest.fixture
def client() -> BatchClient:
    return BatchClient()


def codes(answers: list[dict[str, Any]]) -> list[int | str]:
    return [each["body"]["code"] if isinstance(each["body"], dict) else each["status"] for each in answers]


def items(*paths: str) -> list[dict[str, Any]]:
    return [{"path": path} for path in paths]


# Views that are marked


@pytest.mark.parametrize("name", [*VIEWS, "shelf", "shelf/inside", "shelf/outside"])
def test_batch_with_too_many_items_for_a_view_is_refused_and_nothing_is_run(name, client):
    url = f"/{name}/"
    assert codes(client.batch(items(url, "/free/", url))) == [200, 200, 200]
    calls.clear()
    response = client.send_batch({"requests": items(url, "/free/", url, url, f"{url}?x=1")})
    assert (response.status_code, response.headers["Content-Type"]) == (413, "application/problem+json")
    problem = response.json()
    assert problem["code"] == "batch_limit_exceeded"
    assert [each["pointer"] for each in problem["errors"]] == ["/requests/3/path", "/requests/4/path"]
    assert problem["errors"][0]["detail"] == (
        "Item '3' is one too many: at most 2 of one batch may go to its view. Send it in another batch."
    )
    assert calls == []


@pytest.mark.parametrize("name", HIDDEN)
def test_mark_that_cannot_be_seen_refuses_the_items_that_are_too_many(name, client):
    answers = client.batch(items(*[f"/{name}/"] * 4, "/free/"))
    assert codes(answers) == [200, 200, "batch_limit_exceeded", "batch_limit_exceeded", 200]
    assert answers[3]["body"]["errors"][0]["pointer"] == "/requests/3/path"
    assert calls == [f"/{name}/", f"/{name}/", "/free/"]


def test_mark_of_a_method_is_about_that_method(client):
    post = {"method": "POST", "path": "/limited-method/"}
    assert codes(client.batch([post, post, post])) == [200, 200, 200]
    assert client.send_batch([*[post] * 3, *items(*["/limited-method/"] * 3)]).status_code == 413


def test_marked_view_answers_each_request_alone(client):
    assert [client.get("/limited/").status_code for _ in range(4)] == [200] * 4


def test_each_batch_counts_by_itself(client):
    for _ in range(3):
        assert codes(client.batch(items("/limited/", "/limited/"))) == [200, 200]


@pytest.mark.parametrize("number", [0, -1, True, 1.0, "1", None, note])
def test_mark_takes_a_number(number):
    with pytest.raises(ImproperlyConfigured, match=r"@batch_limit\(1\)"):
        batch_limit(number)


def test_site_without_limits_looks_up_no_path_before_it_sends_it(client, monkeypatch):
    monkeypatch.setattr(decorators, "_limits", [])
    monkeypatch.setattr("django_batch.execution.client.client.match_of", None)
    assert codes(client.batch(items("/free/", "/note/1/"))) == [200, 200]


# Views that are listed

LISTED = {
    "a name": ("note", ["/note/1/", "/note/2/?x=1", "/note/3/"]),
    "a name of a regular expression": ("notes", ["/notes/1/", "/notes/2/", "/notes/3/"]),
    "names with a star": ("note*", ["/note/1/", "/notes/2/", "/note/3/"]),
    "a namespace": ("inner:*", ["/in/there/"] * 3),
    "a function": (f"{__name__}.free", ["/free/", "/in/there/", "/free/?x"]),
    "a class": (f"{__name__}.Plain", ["/plain/", "/special/", "/plain/"]),
    "a method": ("django.views.generic.base.View", ["/plain/", "/special/", "/plain/"]),
    "a route": ("note/<int:number>/", ["/note/1/", "/note/2/", "/note/3/"]),
    "a route in an include": ("in/there/", ["/in/there/"] * 3),
}


@pytest.mark.parametrize("kind", LISTED)
def test_listed_view_is_limited(kind, client, settings):
    name, paths = LISTED[kind]
    settings.BATCH = {"LIMITS": {name: 2}}
    assert codes(client.batch(items(*paths[:2], "/where/?path=x"))) == [200, 200, 200]
    calls.clear()
    response = client.send_batch(items(*paths))
    assert (response.status_code, [each["pointer"] for each in response.json()["errors"]]) == (413, ["/2/path"])
    assert calls == []


@pytest.mark.parametrize(
    "path",
    ["/n%6fte/7/", "http://testserver/note/7/", "/note/7/?a=b", "HTTP://TestServer:80/note/7/", "/note/%37/"],
)
@pytest.mark.parametrize("method", ["GET", "post", "HEAD", "OPTIONS"])
def test_every_spelling_and_every_method_counts(path, method, client, settings):
    settings.BATCH = {"LIMITS": {"note": 1}}
    response = client.send_batch([{"path": "/note/1/"}, {"path": path, "method": method}])
    assert (response.status_code, calls) == (413, [])


def test_first_limit_that_is_exceeded_counts(client, settings):
    settings.BATCH = {"LIMITS": {"note*": 3, "note": 1}}
    assert codes(client.batch(items("/note/1/", "/notes/1/", "/notes/1/"))) == [200, 200, 200]
    response = client.send_batch(items("/note/1/", "/notes/1/", "/note/1/"))
    assert [each["pointer"] for each in response.json()["errors"]] == ["/2/path"]


def test_view_that_nothing_leads_to_is_answered_as_ever(client, settings):
    settings.BATCH = {"LIMITS": {"note": 1}}
    answers = client.batch(items("/nowhere/", "/nowhere/", "/note/x/", "/note/1/"))
    assert [answer["status"] for answer in answers] == [404, 404, 404, 200]


def test_argument_of_as_view_outranks_the_site(client, settings):
    settings.BATCH = {"LIMITS": {"note": 1}}
    settings.ROOT_URLCONF = (path("shop/", BatchView.as_view(limits={})), *urlpatterns)
    assert client.send_batch(items("/note/1/", "/note/2/"), path="/shop/").status_code == 207


# Paths that are known only while the batch is run


@pytest.mark.parametrize("road", ROADS, ids=str)
def test_item_whose_path_has_a_reference_is_refused_by_itself(road, settings, bookshop_in_files):
    for key, value in road.settings(__name__, BATCH={"LIMITS": {"note": 2}}).items():
        setattr(settings, key, value)
    requests = [
        {"id": "a", "path": "/where/?path=%2Fnote%2F7%2F"},
        {"id": "b", "path": "/note/1/"},
        *({"id": f"r{place}", "path": "{a#/body}", "depends_on": "a"} for place in range(3)),
    ]
    answers = road.client().batch(requests)
    assert codes(answers[:2]) == [200, 200]
    assert sorted(map(str, codes(answers[2:]))) == ["200", "batch_limit_exceeded", "batch_limit_exceeded"]
    assert [answer["status"] for answer in answers if answer["status"] != 200] == [413, 413]
    assert len(calls) == 2


def test_item_that_is_counted_before_keeps_its_place(client, settings):
    """Those whose paths are known were counted already when the others come to their turn."""
    settings.BATCH = {"LIMITS": {"note": 1}}
    requests = [
        {"id": "a", "path": "/where/?path=%2Fnote%2F7%2F"},
        {"path": "{a#/body}", "depends_on": "a"},
        {"path": "/note/1/"},
    ]
    assert codes(client.batch(requests)) == [200, "batch_limit_exceeded", 200]


def test_paths_that_a_middleware_leads_elsewhere_are_counted(client, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.Switch"]
    settings.BATCH = {"LIMITS": {"note": 1}}
    answers = client.batch(items("/elsewhere/1/", "/elsewhere/2/", "/free/"))
    assert codes(answers) == [200, "batch_limit_exceeded", 200]
    assert calls == ["/elsewhere/1/", "/free/"]


def test_attempt_that_is_rolled_back_was_one(client, settings):
    settings.BATCH = {"LIMITS": {"note": 1}}
    where = {"id": "a", "path": "/where/?path=%2Fnote%2F7%2F"}
    group = [{"path": "{a#/body}", "depends_on": "a", "atomicity_group": "g"}]
    failing = {"path": "/nowhere/", "atomicity_group": "g"}
    last = {"path": "{a#/body}", "depends_on": "a"}
    answers = client.batch([where, *group, failing, last])
    assert [answers[1]["status"], answers[3]["body"]["code"]] == [424, "batch_limit_exceeded"]


def test_group_that_is_run_again_counts_once():
    counts, limit = Counts(), object()
    assert [counts.admit("a", limit, 1) for _ in range(3)] == [True, True, True]
    assert [counts.admit("b", limit, 1), counts.admit("b", object(), 1)] == [False, True]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_limit_holds_in_every_dialect(name, settings):
    settings.BATCH = {"LIMITS": {"note": 1}}
    response = PROTOCOLS[name].send(items("/note/1/", "/note/2/"), Sender(), name)
    assert (response.status_code, calls) == (413, [])
    assert b"imit" in response.content


# The system check


@pytest.mark.parametrize("name", [name for name, _ in LISTED.values()])
def test_name_of_a_view_is_in_order(name, settings):
    settings.BATCH = {"LIMITS": {name: 1}}
    assert check_limits() == []


def test_name_that_nothing_has_is_warned_of(settings):
    settings.BATCH = {"LIMITS": {"notee": 1, "note": 1, "shop.views.Login": 1}}
    found = check_limits()
    assert [each.id for each in found] == ["django_batch.W002"] * 2
    assert all(isinstance(each, checks.Warning) for each in found)
    assert ["notee" in found[0].msg, "shop.views.Login" in found[1].msg] == [True, True]


def test_wrong_limits_are_for_another_check(settings):
    settings.BATCH = {"LIMITS": 7}
    assert check_limits() == []


def test_limit_of_one_url_is_checked(settings):
    settings.ROOT_URLCONF = (path("shop/", BatchView.as_view(limits={"nothing": 1})),)
    assert [each.id for each in check_limits()] == ["django_batch.W002"]


def test_answer_says_which_item_it_is_in_the_words_of_json(client, settings):
    settings.BATCH = {"LIMITS": {"note": 1}}
    response = client.send_batch([{"path": "/note/1/"}, {"id": 'x"\n', "path": "/note/2/"}])
    assert json.loads(response.content)["errors"][0]["pointer"] == "/1/path"
