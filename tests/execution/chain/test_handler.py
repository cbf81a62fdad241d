"""One middleware chain per process: the site's own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from threading import Barrier

import pytest
from django.core.signals import request_finished, request_started
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import path

from django_batch.core.batch import Subrequest
from django_batch.decorators import batch_exempt, group_exempt
from django_batch.errors import ChainFailed
from django_batch.execution.chain import handler
from django_batch.execution.chain.access import Access
from django_batch.execution.chain.attempts import Attempts
from django_batch.execution.chain.item import Item, current_item

BATCHES = 3


def count(request):
    """How many requests its middleware has seen."""
    return HttpResponse(request.seen)


async def count_async(request):
    """Likewise."""
    return HttpResponse(request.seen)


urlpatterns = [
    path("count/", count, name="count"),
    path("async/<int:number>/", count_async),
    path("exempt/", batch_exempt(count)),
    path("group-exempt/", group_exempt(count)),
]


class Counter:
    """A middleware that keeps something in memory."""

    made = 0

    def __init__(self, get_response):
        type(self).made += 1
        self.get_response = get_response
        self.seen = 0

    def __call__(self, request):
        self.seen += 1
        request.seen = self.seen
        return self.get_response(request)


class Once(Counter):
    """A middleware that cannot be made a second time."""

    def __init__(self, get_response):
        raise RuntimeError("There is one already.")


@pytest.fixture(autouse=True)
def site(settings):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [f"{__name__}.Counter"]
    Counter.made = 0


def item_of(method="GET", path="/", *, can_roll_back=False, allowed=()):
    access = Access(exempt=(), group_exempt=(), group_allowed=allowed)
    return Item(Subrequest("0", method, path), access, {}, Attempts() if can_roll_back else None)


def answer(method, path, **options):
    """What one sub-request is answered."""
    item = item_of(method, path, **options)

    def get_response():
        current_item.set(item)
        return handler.load_chain().get_response(RequestFactory().generic(method, path))

    return Context().run(get_response)


def seen():
    """How many sub-requests its chain has seen."""
    return int(answer("GET", "/count/").content)


def test_chain_is_loaded_once_when_it_is_first_needed():
    assert Counter.made == 0
    assert [seen() for _ in range(BATCHES)] == [*range(1, BATCHES + 1)]
    assert Counter.made == 1


def test_chain_is_loaded_again_after_a_setting_has_changed():
    assert [seen(), seen()] == [1, 2]
    with override_settings(USE_TZ=False):
        assert seen() == 1
    assert seen() == 1
    assert Counter.made == 3


def test_threads_that_come_together_share_one_chain():
    barrier = Barrier(4)

    def come_together(_):
        barrier.wait()
        return seen()

    with ThreadPoolExecutor(4) as pool:
        assert len([*pool.map(come_together, range(4))]) == 4
    assert Counter.made == 1


def test_thread_that_comes_second_finds_the_chain_of_the_first():
    assert handler._make_handler(is_async=False) is handler._make_handler(is_async=False)
    assert Counter.made == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_middleware_that_cannot_be_made_twice_is_named(is_async, settings):
    settings.MIDDLEWARE = [f"{__name__}.Once", f"{__name__}.Counter"]
    with pytest.raises(ChainFailed, match=rf"{__name__}\.Once cannot be made a second time.*There is one already"):
        handler.load_chain(is_async=is_async)
    settings.MIDDLEWARE = [f"{__name__}.Counter"]
    assert seen() == 1


def test_subrequest_sends_no_signal_of_a_request():
    sent = []

    def receive(signal, **kwargs):
        sent.append(signal)

    for signal in (request_started, request_finished):
        signal.connect(receive)
    try:
        seen()
    finally:
        for signal in (request_started, request_finished):
            signal.disconnect(receive)
    assert sent == []


def test_exempt_view_is_not_called_but_its_middleware_is():
    response = answer("POST", "/exempt/")
    assert (response.status_code, response["Content-Type"]) == (403, "application/problem+json")
    assert seen() == 2


@pytest.mark.parametrize(
    ("options", "status"),
    [({}, 200), ({"can_roll_back": True}, 403), ({"can_roll_back": True, "allowed": [f"{__name__}.count"]}, 200)],
)
def test_view_that_is_kept_out_of_groups_is_called_outside_of_them_and_where_the_site_allows_it(options, status):
    assert answer("GET", "/group-exempt/", **options).status_code == status


def test_handler_notes_which_views_may_log_in():
    found = []
    for allowed in ((), ["count"], [f"{__name__}.count"]):
        item = item_of(path="/count/", can_roll_back=True, allowed=allowed)
        token = current_item.set(item)
        handler.SubrequestHandler().resolve_request(RequestFactory().get("/count/"))
        current_item.reset(token)
        found.append(item.may_log_in)
    assert found == [False, True, True]


def test_middleware_that_leaves_the_context_is_told_so():
    with pytest.raises(RuntimeError, match="outside of the context"):
        handler.load_chain().resolve_request(RequestFactory().get("/count/"))


@pytest.mark.parametrize(
    ("path_info", "found"),
    [("/async/1/", True), ("/async/x/", False), ("/count/", False), ("/nothing/", False), ("", False), ("\xff", False)],
)
def test_path_tells_whether_its_view_is_async(path_info, found):
    assert handler.leads_to_async_view(path_info) is found


class Broken:
    """A converter that raises what no path should."""

    regex = "[^/]+"

    def to_python(self, value):
        raise ZeroDivisionError

    def to_url(self, value):
        return value


def test_converter_that_raises_decides_nothing_beforehand(settings, monkeypatch):
    monkeypatch.setattr("django.urls.converters.REGISTERED_CONVERTERS", {"broken": Broken()})
    from django.urls.converters import get_converters

    get_converters.cache_clear() if hasattr(get_converters, "cache_clear") else None
    urlconf = type("urlconf", (), {"urlpatterns": [path("<broken:x>/", count_async)]})
    settings.ROOT_URLCONF = urlconf
    assert handler.match_of("/1/") is None


REMOTE = "django.contrib.auth.middleware.RemoteUserMiddleware"


def remote_user(name, **attributes):
    from django.contrib.auth.middleware import RemoteUserMiddleware

    return type(name, (RemoteUserMiddleware,), attributes)


def test_headers_of_all_remote_user_middlewares_are_known(settings, monkeypatch):
    monkeypatch.setitem(globals(), "Corporate", remote_user("Corporate", header="CORPORATE_USER"))
    settings.MIDDLEWARE = [REMOTE, f"{__name__}.Corporate", f"{__name__}.Counter"]
    assert handler.remote_user_keys() == {"REMOTE_USER", "CORPORATE_USER"}
    settings.MIDDLEWARE = [f"{__name__}.Counter", f"{__name__}.count"]
    assert handler.remote_user_keys() == frozenset()
