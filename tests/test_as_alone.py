"""Sites that look closely: whatever a middleware, a view or a response does, a batch does as its requests alone."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager, suppress
from contextvars import ContextVar

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.middleware import RemoteUserMiddleware
from django.contrib.auth.signals import user_login_failed
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import got_request_exception
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.views.decorators.cache import cache_page
from django.views.defaults import server_error
from hypothesis import given
from hypothesis import strategies as st

from django_batch.decorators import batch_exempt, group_exempt
from django_batch.requests import batch_of, is_subrequest
from django_batch.testing import BatchClient
from django_batch.views import AsyncBatchView, BatchView

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

LEVEL: ContextVar[int] = ContextVar("level", default=0)
DONE: list[str] = []


class Escape(BaseException):
    """No `Exception`, as the time-outs of gevent are none."""


ERRORS = {
    "exception": RuntimeError("no"),
    "base exception": Escape("no"),
    "cancelled": asyncio.CancelledError(),
    "generator exit": GeneratorExit(),
    "recursion": RecursionError(),
    "memory": MemoryError(),
}
raised: dict[str, BaseException] = {}  # place -> what is raised there


def fail(place):
    if place in raised:
        raise raised[place]


class OddResponse(HttpResponse):
    """Raises where it is told to."""

    @property
    def content(self):
        fail("content")
        return super().content

    @content.setter
    def content(self, value):
        HttpResponse.content.fset(self, value)

    def close(self):
        super().close()
        fail("close")


def odd(request):
    fail("view")
    response = OddResponse("odd")
    if "cookie" in raised:
        response.set_cookie("a", "\u65e5")
    if "headers" in raised:
        response.headers = None
    if "stream" in raised:
        return StreamingHttpResponse(pieces())
    return response


def pieces():
    yield b"a"
    fail("stream")


def middleware(get_response):
    def call(request):
        fail("before") if request.path == "/odd/" else None
        response = get_response(request)
        fail("after") if request.path == "/odd/" else None
        return response

    return call


def handler500(request):
    fail("handler500")
    return server_error(request)


def level(request):
    return JsonResponse(LEVEL.get(), safe=False)


def counting_levels(get_response):
    """Keeps in a context variable how deep it is."""

    def call(request):
        token = LEVEL.set(LEVEL.get() + 1)
        try:
            return get_response(request)
        finally:
            LEVEL.reset(token)

    return call


def look(request):
    batch = batch_of(request)
    return JsonResponse(
        {"class": type(request).__name__, "in": is_subrequest(request), "id": batch and batch.subrequest.id}
    )


class Changed(WSGIRequest):
    """What a middleware makes of a request."""


def changing(get_response):
    def call(request):
        request.__class__ = Changed
        request._cached_user = "somebody"
        request.session = {"a": 1}
        response = get_response(request)
        response["X-User"] = vars(request)["_cached_user"]
        return response

    return call


class FromProxy(RemoteUserMiddleware):
    """Takes the name of its user from a key of the server's own making."""

    header = "PROXY_USER"


async def endless(request):
    async def events():
        while True:
            yield b"x"
            await asyncio.sleep(0.001)

    return StreamingHttpResponse(events())


@cache_page(60)
def page(request):
    return HttpResponse("a page")


def no(request):
    return HttpResponse(status=400)


def by_keyword(view):
    """A decorator that names its argument."""

    def call(request):
        return view(request=request)

    return call


@contextmanager
def surround(request):
    DONE.append(f"in {request.path}")
    fail("around")
    yield
    DONE.append(f"out {request.path}")


urlpatterns = [
    path("odd/", odd),
    path("fine/", lambda request: HttpResponse("fine")),
    path("level/", level),
    path("look/", look),
    path("page/", page),
    path("no/", no),
    path("endless/", endless),
    path("abatch/", AsyncBatchView.as_view(authentication_classes=[], stream_timeout=0.05)),
    path("batch/", BatchView.as_view(authentication_classes=[], dry_run=True)),
    path("around/", BatchView.as_view(authentication_classes=[], around=[surround, f"{__name__}.surround"])),
]
FINE, ODD = {"path": "/fine/"}, {"path": "/odd/"}


@pytest.fixture(autouse=True)
def site(settings):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [f"{__name__}.middleware"]
    DONE.clear()
    yield
    raised.clear()


def batch(*items, path="/batch/", **members):
    return BatchClient().batch(items, path=path, **members)


def statuses(answers):
    return [answer["status"] for answer in answers]


PLACES = ["view", "before", "after", "content", "close", "cookie", "headers", "stream", "handler500"]


@given(st.dictionaries(st.sampled_from(PLACES), st.sampled_from(sorted(ERRORS))))
def test_whatever_a_site_raises_anywhere_is_the_500_of_its_own_item(places):
    raised.clear()
    raised.update({place: ERRORS[kind] for place, kind in places.items()})
    one, odd_one, other = batch(FINE, ODD, FINE)
    assert (one["body"], other["body"]) == ("fine", "fine")
    failing = places.keys() - {"close", "handler500"}
    assert odd_one["status"] == (500 if failing else 200)


def test_item_whose_error_page_fails_too_says_so():
    raised.update(view=RuntimeError("no"), handler500=RuntimeError("neither"))
    assert batch(ODD)[0]["body"]["code"] == "subrequest_failed"


def test_item_that_fails_fails_its_group():
    raised["content"] = Escape()
    answers = batch(FINE, ODD, FINE, atomic=True)
    assert [answer["body"].get("code") if isinstance(answer["body"], dict) else None for answer in answers] == [
        "rolled_back",
        None,
        "not_run",
    ]
    assert statuses(answers) == [424, 500, 424]


class GreenletExit(BaseException):
    """Named as that of greenlet, by which servers end a request."""


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GreenletExit])
@pytest.mark.parametrize("place", ["view", "content", "handler500"])
def test_error_by_which_a_server_ends_is_not_held_up(error, place):
    raised.update({"content": RuntimeError("no"), place: error()} if place == "handler500" else {place: error()})
    with pytest.raises(error):
        batch(FINE, ODD)


@pytest.mark.parametrize("place", ["view", "before", "after", "content", "stream"])
@pytest.mark.parametrize("path", ["/batch/", "/abatch/"])
def test_exception_that_django_leaves_to_the_server_is_the_500_of_its_item(settings, caplog, path, place):
    settings.DEBUG_PROPAGATE_EXCEPTIONS = True
    raised[place] = RuntimeError("no")
    answers = batch(FINE, ODD, FINE, path=path)
    assert statuses(answers) == [200, 500, 200]
    assert answers[1]["body"]["code"] == "subrequest_failed"
    assert answers[1]["body"]["detail"] == "This request failed. The site's log says why."
    [record] = [each for each in caplog.records if each.name == "django.request"]
    assert record.exc_info[1] is raised[place]


def test_exception_that_django_leaves_to_the_server_is_told_as_often_as_alone(settings):
    settings.DEBUG_PROPAGATE_EXCEPTIONS = True
    raised["view"] = RuntimeError("no")
    told: list[str] = []

    def receive(request, **kwargs):
        told.append(request.path)

    got_request_exception.connect(receive)
    try:
        batch(ODD)
        in_batch, told = told, []
        with suppress(RuntimeError):
            Client().get("/odd/")
    finally:
        got_request_exception.disconnect(receive)
    assert in_batch == told == ["/odd/", "/odd/"]  # once by the view, and once by the middleware around it


def test_middleware_finds_no_context_of_its_own_around_an_item(settings):
    settings.MIDDLEWARE = [f"{__name__}.counting_levels"]
    assert Client().get("/level/").json() == 1
    answers = batch({"path": "/level/"}, {"path": "/level/"}, {"path": "/level/", "atomicity_group": "g"})
    assert [answer["body"] for answer in answers] == [1, 1, 1]


def test_request_is_of_the_class_of_a_request_alone_and_knows_its_batch():
    [answer] = batch({"id": "a", "path": "/look/"})
    assert answer["body"] == {"class": "WSGIRequest", "in": True, "id": "a"}
    assert Client().get("/look/").json() == {"class": "WSGIRequest", "in": False, "id": None}


def test_middleware_may_change_the_class_the_user_and_the_session_of_a_request(settings):
    settings.MIDDLEWARE = [f"{__name__}.changing"]
    [answer] = batch({"path": "/look/"})
    assert (answer["body"]["class"], answer["headers"]["X-User"]) == ("Changed", "somebody")


def test_name_of_a_remote_user_is_inherited_whatever_its_key_is_called(settings, bookshop):
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        f"{__name__}.FromProxy",
    ]
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    settings.ROOT_URLCONF = (path("who/", who), *urlpatterns)
    answers = BatchClient(PROXY_USER="ada").batch([{"path": "/who/"}], path="/batch/")
    assert answers[0]["body"] == "ada"


def who(request):
    return HttpResponse(request.user.username)


@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=["group", "dry run"])
def test_page_is_not_stored_where_it_may_be_rolled_back(members):
    cache.clear()
    batch({"path": "/page/"}, {"path": "/no/"}, **members)
    assert cache._cache == {}
    batch({"path": "/page/"})
    assert len(cache._cache) == 2


def test_stream_without_an_end_on_a_loop_is_ended_and_the_others_are_answered():
    content = json.dumps([{"path": "/endless/"}, FINE])
    response = async_to_sync(AsyncClient().post)("/abatch/", content, content_type="application/json")
    endless_one, fine = response.json()
    assert (endless_one["status"], endless_one["response"]["code"]) == (504, "timed_out")
    assert fine == {"status": 200, "response": "fine"}


class LoginSite:
    """Its methods are views, as those of Django's `AdminSite`."""

    def login(self, request):
        return HttpResponse()


class OwnLoginSite(LoginSite):
    """A site's own, whose method is a view, too."""

    def login(self, request):
        return super().login(request)


def test_method_that_is_a_view_is_exempt_by_the_dotted_path_of_any_of_its_classes(settings):
    view = BatchView.as_view(authentication_classes=[], group_exempt=[f"{__name__}.LoginSite.login"])
    settings.ROOT_URLCONF = (path("login/", OwnLoginSite().login), path("own/", view), *urlpatterns)
    answers = batch({"path": "/login/"}, FINE, path="/own/", atomic=True)
    assert [answer["body"]["code"] for answer in answers] == ["group_exempt", "not_run"]


def test_exempt_view_refuses_however_it_is_called(settings):
    refused, kept = by_keyword(batch_exempt(no)), by_keyword(group_exempt(no))
    settings.ROOT_URLCONF = (path("refused/", refused), path("kept/", kept), *urlpatterns)
    assert statuses(batch({"path": "/refused/"}, {"path": "/kept/"})) == [403, 400]
    [answer] = batch({"path": "/kept/"}, atomic=True)
    assert answer["body"]["code"] == "group_exempt"


def test_answer_of_a_view_that_turns_out_to_check_credentials_is_withheld_in_a_group(settings):
    settings.ROOT_URLCONF = (path("secret/", by_keyword(secret)), *urlpatterns)
    assert statuses(batch({"path": "/secret/"})) == [200]
    answers = batch(FINE, {"path": "/secret/"}, atomic=True)
    assert [answer["body"]["code"] for answer in answers] == ["rolled_back", "group_exempt"]


def secret(request):
    user_login_failed.send(sender=secret, credentials={}, request=request)
    return HttpResponse("almost")


def test_around_is_entered_in_its_order_around_each_item():
    answers = batch(FINE, FINE, path="/around/")
    assert statuses(answers) == [200, 200]
    assert DONE == ["in /fine/", "in /fine/", "out /fine/", "out /fine/"] * 2


def test_around_that_raises_is_the_500_of_its_item():
    raised["around"] = RuntimeError("no")
    assert statuses(batch(FINE, FINE, path="/around/")) == [500, 500]
