"""One middleware chain per process: the site's own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace

import pytest
from django.core.signals import request_finished, request_started
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import path

from django_batch.decorators import batch_exempt
from django_batch.execution.chain import handler
from django_batch.execution.requests.lean_requests import Common
from django_batch.sharing.lookups import Lookups

BATCHES = 3


def count(request):
    """How many requests its middleware has seen."""
    return HttpResponse(request.seen)


urlpatterns = [path("count/", count), path("exempt/", batch_exempt(count))]


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


@pytest.fixture(autouse=True)
def site(settings):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [f"{__name__}.Counter"]
    Counter.made = 0


def answer(method, path):
    """What one sub-request is answered."""
    request = RequestFactory().generic(method, path)
    request._batch_template = SimpleNamespace(common=Common(Lookups()))
    return handler.get_response(request)


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
