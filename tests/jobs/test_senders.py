"""In whose name a job acts: who the sender is, as long as the sender may act, and nothing that it could log in with."""

from __future__ import annotations

import logging
from base64 import b64encode

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import Client
from django.urls import ResolverMatch
from rest_framework.authtoken.models import Token
from rest_framework.views import APIView

from django_batch.errors import CannotBeKept
from django_batch.jobs import senders
from django_batch.jobs.models import Chunk, Job
from django_batch.jobs.senders import UnsavedSession, restore_sender
from django_batch.views import BatchView
from example_project.bookshop.models import Author, Subscriber
from tests.jobs.conftest import Sender, sender
from tests.jobs.test_exactly_once import names, write
from tests.jobs.urls import during

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

WHO = [{"path": path} for path in ("/page/", "/only-tokens/", "/only-sessions/", "/api/me/")]
PASSWORD = "ada-password-of-the-test"


def with_session(**options: object) -> Sender:
    client = sender(None, **options)
    client.force_login(get_user_model().objects.get(username="ada"))
    return client


def with_password() -> Sender:
    user = get_user_model().objects.get(username="ada")
    user.set_password(PASSWORD)
    user.save()
    credentials = b64encode(f"ada:{PASSWORD}".encode()).decode()
    return Sender(headers={"Authorization": f"Basic {credentials}"}, SERVER_NAME="localhost")


def statuses(client: Sender, items: list[dict[str, object]]) -> list[int]:
    job = client.get(client.later(items).headers["Location"])
    assert job.status_code == 200, job.content
    return [each["status"] for each in client.answers(job)]


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (lambda: sender("ada"), [302, 200, 403, 200]),
        (with_session, [200, 401, 200, 200]),
        (with_password, [302, 401, 403, 200]),
    ],
)
def test_view_takes_a_sender_by_the_authenticator_that_accepted_it(shop, client, expected) -> None:
    client = client()
    assert statuses(client, WHO) == expected
    if expected[0] == 302:  # a session alone is not taken by a view that wants a token; all else is as in a batch
        assert [each["status"] for each in client.batch(WHO).json()] == expected


def test_view_of_a_session_sees_one_that_is_never_saved(shop) -> None:
    client = with_session()
    job = client.get(client.later([{"path": "/page/"}, {"path": "/page/"}]).headers["Location"])
    assert [each["body"] for each in client.answers(job)] == [{"user": "ada", "session": 1}] * 2
    assert client.session.get("seen") is None


def test_session_of_a_job_stores_nothing() -> None:
    session = UnsavedSession(get_user_model()(pk=1), "backend")
    session["a"] = 1
    session.save()
    session.create()
    session.cycle_key()
    assert session["a"] == 1
    assert not session.exists("key")
    assert session.is_empty()
    session.flush()
    assert session.session_key is None
    assert session.load() == {}


def test_csrf_is_checked_when_a_job_is_accepted(shop) -> None:
    client = with_session(enforce_csrf_checks=True)
    assert client.later([{"path": "/page/"}]).status_code == 403
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "end",
    [
        lambda user: get_user_model().objects.filter(pk=user.pk).update(is_active=False),
        lambda user: user.delete(),
        lambda user: (user.set_password("another"), user.save()),
        lambda user: Token.objects.filter(user=user).delete(),
        lambda user: Token.objects.filter(user=user).update(key="another"),
    ],
)
def test_sender_that_may_not_act_any_more_gets_no_item_done(shop, ada, end) -> None:
    user = get_user_model().objects.get(username="ada")

    def now() -> None:
        during.clear()
        end(user)

    during.append(now)
    ada.later([write("one"), write("two"), write("three", atomicity_group="g"), {"path": "/api/me/"}])
    job = Job.objects.get()
    found = [(each.status, (each.error or {}).get("code")) for each in job.answer_set.all()]
    assert found == [(201, None), *[(401, "sender_gone")] * 3]
    assert names() == ["one"]
    assert job.counts().failed == 3


def test_permission_that_is_lost_while_the_job_runs_is_missed(shop) -> None:
    staff = sender("staff")
    user = get_user_model().objects.get(username="staff")
    during.append(lambda: (during.clear(), user.user_permissions.clear()))
    create = {"method": "POST", "path": "/api/authors/", "body": {"name": "New"}}
    assert statuses(staff, [create, write("one"), create]) == [201, 201, 403]
    assert Author.objects.filter(name="New").count() == 1


def test_stranger_can_keep_nothing(shop, client) -> None:
    for headers, status in (({"Prefer": "respond-async"}, 207), ({"Idempotency-Key": "k"}, 401)):
        options = {"content_type": "application/json", "headers": headers, "SERVER_NAME": "localhost"}
        assert client.post("/kept/", [{"path": "/api/me/"}], **options).status_code == status
    assert not Job.objects.exists()


def test_no_credential_is_in_any_table_or_log_line(shop, caplog, settings) -> None:
    secrets = {"ada-token", PASSWORD}
    caplog.set_level(logging.DEBUG)
    by_password = with_password()
    clients = [sender("ada"), with_session(), by_password]
    for number, client in enumerate(clients):
        response = client.later([{"path": "/api/me/"}, write(f"n{number}")])
        assert response.status_code == 202
        client.batch([{"path": "/api/me/"}], "/kept/", **{"Idempotency-Key": "k"})
        client.lines([{"path": "/api/me/"}])
    secrets |= {b64encode(f"ada:{PASSWORD}".encode()).decode(), clients[1].cookies["sessionid"].value}
    stored = ""
    with connections["default"].cursor() as cursor:
        for table in connections["default"].introspection.table_names():
            if table.startswith("django_batch"):
                cursor.execute(f"SELECT * FROM {table}")
                stored += str(cursor.fetchall())
    assert "only-tokens" not in stored
    assert "/batch/" in stored
    for secret in secrets:
        assert secret not in stored
        assert secret not in caplog.text


@pytest.mark.parametrize("name", ["Authorization", "cookie", "X-CSRFToken"])
def test_item_with_a_credential_is_refused(shop, ada, name) -> None:
    item = {"path": "/api/me/", "headers": {name: "Token ada-token"}}
    assert ada.later([{"path": "/"}, item]).json()["errors"][0]["pointer"] == f"/1/headers/{name}"
    assert ada.lines([item]).json()["errors"][0]["pointer"] == f"/0/headers/{name}"


def test_language_and_address_are_those_of_the_sender(shop) -> None:
    client = sender("ada", REMOTE_ADDR="192.0.2.7", HTTP_ACCEPT_LANGUAGE="de", HTTP_USER_AGENT="importer/1")
    client.cookies["django_language"] = "de"
    client.cookies["other"] = "private"
    client.later([{"path": "/api/echo/"}])
    environ = Job.objects.get().sender["environ"]
    assert environ["HTTP_COOKIE"] == "django_language=de"
    assert environ["REMOTE_ADDR"] == "192.0.2.7"
    assert (environ["HTTP_ACCEPT_LANGUAGE"], environ["HTTP_USER_AGENT"]) == ("de", "importer/1")


def test_remote_user_is_named_by_the_server_again(shop, settings, client) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.RemoteUserMiddleware"]
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    sent = Sender(SERVER_NAME="localhost", REMOTE_USER="ada")
    sent.get("/api/me/")
    job = sent.get(sent.later([{"path": "/page/"}]).headers["Location"])
    assert sent.answers(job)[0]["body"]["user"] == "ada"


class Request:
    def __init__(self, user: object, auth: object) -> None:
        self.user, self.auth, self.successful_authenticator = user, auth, self
        self._request = Client().request().wsgi_request


class Token2:
    payload = {"user_id": 1, "jti": "x"}


def test_claims_are_recorded_and_restored(shop) -> None:
    user = get_user_model().objects.get(username="ada")
    for auth in (Token2(), Token2.payload):
        record = senders.record_sender(Request(user, auth))
        assert record["auth"] == {"claims": Token2.payload}
        record["authenticator"] = "rest_framework.authentication.TokenAuthentication"
        restored = restore_sender(str(user.pk), record)
        assert restored._auth == Token2.payload
        assert restore_sender("no number", record) is None
        assert restore_sender(str(user.pk), {**record, "authenticator": "gone.Authenticator"}) is None


def test_row_with_a_plain_key_is_found_by_it(shop) -> None:
    user = get_user_model().objects.get(username="ada")
    row = Author.objects.create(name="Somebody")
    record = senders.record_sender(Request(user, row))
    assert record["auth"] == {"model": "bookshop.author", "key": str(row.pk)}
    record["authenticator"] = "rest_framework.authentication.TokenAuthentication"
    assert restore_sender(str(user.pk), record)._auth == row
    row.delete()
    assert restore_sender(str(user.pk), record) is None


@pytest.mark.parametrize("auth", ["text", b"bytes", object()])
def test_credential_that_cannot_be_found_again_is_refused(shop, auth) -> None:
    with pytest.raises(CannotBeKept, match="restore_sender"):
        senders.record_sender(Request(get_user_model().objects.get(username="ada"), auth))


def test_user_and_credential_without_a_row_are_refused(shop) -> None:
    class User:
        is_authenticated = True

    with pytest.raises(CannotBeKept, match="no row"):
        senders.record_sender(Request(User(), None))
    session = __import__("django.contrib.sessions.models", fromlist=["Session"]).Session(pk="secret")
    with pytest.raises(CannotBeKept, match="may be a secret"):
        senders.record_sender(Request(get_user_model().objects.get(username="ada"), session))


def test_view_whose_authenticators_cannot_be_made_takes_nobody(shop) -> None:
    class Broken(APIView):
        def get_authenticators(self):
            raise RuntimeError

    match = ResolverMatch(Broken.as_view(), (), {})
    assert senders._authenticators(Client().request().wsgi_request, match) == set()


class OwnSenders(BatchView):
    """A site's own way to find a sender again."""

    def record_sender(self, request):
        return {**super().record_sender(request), "own": request.user.username}

    def restore_sender(self, user_key, record):
        return super().restore_sender(user_key, record) if record["own"] == "ben" else None


def test_site_restores_senders_in_its_own_way(shop, ada, ben, settings) -> None:
    from django.urls import path

    from tests.jobs.urls import urlpatterns

    settings.ROOT_URLCONF = (path("own/", OwnSenders.as_view()), *urlpatterns)
    found = [client.later([{"path": "/api/me/"}], "/own/") for client in (ada, ben)]
    assert [Job.objects.get(public_id=each.json()["id"]).counts().succeeded for each in found] == [0, 1]
    assert Chunk.objects.filter(done=True).count() == 2
    assert not Subscriber.objects.exists()
