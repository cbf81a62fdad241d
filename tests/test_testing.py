"""The client for the tests of a site."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.urls import path

from django_batch.testing import BatchClient
from django_batch.views import BatchView
from example_project.urls import urlpatterns

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("bookshop")]

ME = {"path": "/api/me/"}


def username(client: BatchClient) -> str:
    return client.batch([ME])[0]["body"]["username"]


def test_batch_gives_the_answers_in_their_order():
    answers = BatchClient().batch([{"path": "/api/books/1/"}, {"path": "/api/books/0/"}])
    assert [answer["status"] for answer in answers] == [200, 404]


def test_members_of_the_batch_are_keyword_arguments():
    answers = BatchClient().batch([ME, {"path": "/api/books/0/"}], atomic=True)
    assert [answer["status"] for answer in answers] == [424, 404]


def test_refused_batch_fails_the_test_and_tells_why():
    with pytest.raises(AssertionError, match=r"400: .*needs a 'path'"):
        BatchClient().batch([{}])


@pytest.mark.parametrize(
    ("content", "status"), [({"requests": [ME]}, 207), ([ME], 207), (b'[{"path": "/api/me/"}]', 207), (b"{", 400)]
)
def test_whole_batch_is_sent_as_it_is(content, status):
    assert BatchClient().send_batch(content).status_code == status


def test_batch_goes_to_the_path_that_is_named(settings):
    settings.ROOT_URLCONF = (*urlpatterns, path("second/", BatchView.as_view(max_requests=1)))
    client = BatchClient()
    assert client.send_batch([ME, ME], path="/second/").status_code == 413
    assert len(client.batch([ME], path="/second/")) == 1


def test_view_that_raises_is_the_500_of_its_item():
    answers = BatchClient().batch([{"path": "/api/broken/"}, ME])
    assert [answer["status"] for answer in answers] == [500, 200]


def test_view_that_raises_raises_in_the_test_if_it_is_asked_to():
    with pytest.raises(RuntimeError, match="broken on purpose"):
        BatchClient(raise_request_exception=True).batch([{"path": "/api/broken/"}])


def test_header_of_the_client_is_sent_with_every_batch():
    assert username(BatchClient(headers={"authorization": "Token ada-token"})) == "ada"


def test_credentials_of_the_client_are_those_of_the_subrequests():
    client = BatchClient()
    client.credentials(HTTP_AUTHORIZATION="Token ben-token")
    assert username(client) == "ben"


def test_user_who_is_logged_in_sends_the_subrequests():
    client = BatchClient()
    assert client.login(username="ada", password="ada-secret")
    assert username(client) == "ada"


def test_user_who_is_forced_sends_the_subrequests():
    client = BatchClient()
    client.force_authenticate(User.objects.get(username="ben"))
    assert username(client) == "ben"


def test_cookie_that_a_subrequest_sets_stays_with_the_client():
    client = BatchClient()
    client.batch([{"method": "POST", "path": "/api/cookies/?name=shelf&value=7&path=/"}])
    assert client.batch([{"path": "/api/cookies/"}])[0]["body"] == {"shelf": "7"}


def test_csrf_is_checked_if_it_is_asked_for():
    client = BatchClient(enforce_csrf_checks=True)
    client.login(username="ada", password="ada-secret")
    assert client.send_batch([ME]).status_code == 403
