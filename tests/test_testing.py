"""The client for the tests of a site."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.urls import path

from django_batch.testing import AsyncBatchClient, BatchClient, assert_atomic
from django_batch.views import BatchView
from example_project.bookshop.models import Order
from example_project.urls import urlpatterns
from tests.markdown import ROOT

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


def test_fixture_of_pytest_sends_batches(batch_client):
    assert username(batch_client) == ""


def test_fixture_of_pytest_sends_batches_to_the_asgi_application(async_batch_client):
    [answer] = async_to_sync(async_batch_client.batch)([ME])
    assert answer["body"]["username"] == ""


def test_async_client_knows_who_is_logged_in():
    async def send():
        client = AsyncBatchClient()
        await client.alogin(username="ada", password="ada-secret")
        return await client.batch([ME, {"path": "/api/books/0/"}], atomic=True)

    assert [answer["status"] for answer in async_to_sync(send)()] == [424, 404]


def test_async_client_returns_the_response_to_a_refused_batch():
    assert async_to_sync(AsyncBatchClient().send_batch)({"requests": []}).status_code == 400
    with pytest.raises(AssertionError, match="400: "):
        async_to_sync(AsyncBatchClient().batch)([])


def test_async_client_raises_what_a_view_raises_if_it_is_asked_to():
    with pytest.raises(RuntimeError, match="broken on purpose"):
        async_to_sync(AsyncBatchClient(raise_request_exception=True).batch)([{"path": "/api/broken/"}])


@pytest.fixture
def ada():
    client = BatchClient()
    client.login(username="ada", password="ada-secret")
    return client


ORDER = [
    {"method": "PUT", "path": "/api/orders/T-1/", "body": {}},
    {"method": "POST", "path": "/api/orders/T-1/lines/", "body": {"book": 1, "quantity": 1}},
]
ARCHIVE = {"method": "POST", "path": "/api/orders/T-1/archive/"}


def test_group_that_leaves_nothing_is_atomic(ada):
    assert_atomic(ada, [*ORDER, ARCHIVE])
    assert not Order.objects.filter(number="T-1").exists()


def test_group_that_leaves_a_row_in_another_database_is_not_atomic(ada, settings):
    settings.BATCH = {"ATOMIC_DATABASES": ["default"]}
    with pytest.raises(AssertionError, match=r"has changed the rows of bookshop.ArchivedOrder in 'archive'\."):
        assert_atomic(ada, [*ORDER, ARCHIVE])


def test_group_that_fails_too_early_says_where(ada):
    with pytest.raises(AssertionError, match=r"failed too early, at .*Not so many in stock"):
        assert_atomic(
            ada, [{"path": "/api/export/books.csv"}, *ORDER[:1], {**ORDER[1], "body": {"book": 2, "quantity": 1}}]
        )


def test_answer_that_is_text_is_none_of_a_rollback(ada):
    with pytest.raises(AssertionError, match="failed too early"):
        assert_atomic(ada, [{"path": "/api/content/missing/"}])


IMPORT_SITE = """
import sys

sys.modules["drf_spectacular"] = None  # where it is installed, it loads REST framework's test client by itself
import django
from django.conf import settings

apps = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "django_batch"]
settings.configure(INSTALLED_APPS=apps, ROOT_URLCONF="django_batch.urls")
django.setup()
import django_batch.checks, django_batch.urls
print([name for name in sys.modules if name.startswith(("django.test", "unittest", "rest_framework.test", "httpx"))])
"""


def test_site_loads_nothing_that_is_for_tests():
    done = subprocess.run([sys.executable, "-c", IMPORT_SITE], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


PROJECT_WITHOUT_DJANGO = """
import sys

def test_plugin_is_there_and_has_imported_no_django(request):
    assert request.config.pluginmanager.has_plugin("django_batch.pytest_plugin")
    assert "django" not in sys.modules
"""


def test_plugin_imports_no_django_where_nobody_asks_for_it(tmp_path):
    (tmp_path / "test_project.py").write_text(PROJECT_WITHOUT_DJANGO)
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-p", "django_batch.pytest_plugin", "-p", "no:cacheprovider", "-q"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "1 passed" in done.stdout, done.stdout
