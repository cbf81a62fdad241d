"""Where an attempt may be rolled back, a right password is answered as a wrong one, whatever the view does with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.test import override_settings

from django_batch.execution.chain import attempts
from django_batch.execution.chain.sources import checks_credentials
from django_batch.views import BatchView
from example_project.bookshop.views.accounts import change_password
from example_project.bookshop.views.catalogue import AuthorViewSet
from tests.attacks.passwords import BY_SENDER, VIEWS, Basic, count
from tests.attacks.senders import CSRF_TOKEN, get, post
from tests.roads import SOME, Road, read

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

SITE = "tests.attacks.site"
BASIC = {"Authorization": "Basic YWRhOmFkYS1zZWNyZXQ="}  # Ada's password
RIGHT, WRONG, UNKNOWN = (
    {"username": name, "password": password}
    for name, password in (("ben", "ben-secret"), ("ben", "wrong"), ("nobody", "wrong"))
)
COUNT, NOWHERE = get("/count/"), get("/nowhere/")
SHAPES: dict[str, Any] = {
    "first": lambda item: {"requests": [item, COUNT], "atomic": True},
    "last": lambda item: {"requests": [COUNT, item], "atomic": True},
    "failing": lambda item: {"requests": [item, NOWHERE], "atomic": True},
    "alone": lambda item: {"requests": [{**item, "atomicity_group": "a"}, COUNT]},
    "dry_run": lambda item: {"requests": [item, COUNT], "dry_run": True},
    "dry_run_of_a_group": lambda item: {"requests": [item, COUNT], "dry_run": True, "atomic": True},
}


@pytest.fixture(params=SOME, ids=str)
def road(request, bookshop):
    ben = User.objects.get(username="ben")
    ben.set_password("ben-secret")
    ben.save()
    with override_settings(**request.param.settings(SITE)):
        yield request.param


def told(
    road: Road, content: dict[str, Any], *, headers: dict[str, str] | None = None, path: str = "/batch/"
) -> tuple[object, ...]:
    """All that the sender of a batch is told, and what is left of it."""
    client = road.client(headers=headers or {})
    found = client.generic("POST", path, json.dumps(content).encode(), "application/json", headers=road.headers)
    answers = read(found, ["0", "1"]).json()
    return found.status_code, [*found.headers.items()], found.cookies.output(), answers, client.get("/count/").json()


def codes(found: tuple[Any, ...]) -> list[int | str]:
    return [
        each["body"]["code"] if isinstance(each["body"], dict) and "code" in each["body"] else each["status"]
        for each in found[3]["responses"]
    ]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("view", VIEWS)
def test_right_password_is_answered_as_a_wrong_one(view, shape, road):
    right, wrong, unknown = (told(road, shape(post(f"/check/{view}/", tried))) for tried in (RIGHT, WRONG, UNKNOWN))
    assert right == wrong
    assert "group_exempt" in codes(right)
    if "authenticate" in view:  # where a name is not found, nothing is checked by a view of the other kind
        assert right == unknown


@pytest.mark.parametrize("engine", ["db", "cached_db"])
@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=["atomic", "dry_run"])
@pytest.mark.parametrize("tried", [RIGHT, WRONG], ids=["right", "wrong"])
def test_session_does_not_remember_whether_a_password_was_right(tried, members, engine, road):
    with override_settings(SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}"):
        client = road.client()
        client.login(username="ada", password="ada-secret")
        client.cookies["csrftoken"] = CSRF_TOKEN
        client.road_headers = {**road.headers, "X-CSRFToken": CSRF_TOKEN}
        [answer] = client.batch([post("/remember/", tried)], **members)
        assert answer["body"]["code"] == "group_exempt"
        assert client.get("/remembered/").json() == {"right": None}


@pytest.mark.parametrize("view", VIEWS)
def test_password_is_checked_as_ever_outside_of_groups(view, road):
    answers = [told(road, {"requests": [post(f"/check/{view}/", tried)]}) for tried in (RIGHT, WRONG)]
    assert [codes(each) for each in answers] == [[200], [400]]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("view", BY_SENDER)
def test_right_password_of_a_known_sender_is_answered_as_a_wrong_one(view, shape, road):
    tried = [post(f"/check/{view}/", {"password": password}) for password in ("ada-secret", "wrong")]
    right, wrong = (told(road, shape(item), headers=BASIC) for item in tried)
    assert right == wrong
    assert "group_exempt" in codes(right)


@pytest.mark.parametrize("view", [*(f"/check/{name}/" for name in BY_SENDER), "/basic/"])
@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=["atomic", "dry_run"])
def test_password_that_came_with_the_batch_is_no_attempt(view, members, road):
    found = told(road, {"requests": [get(view), get(view)], **members}, headers=BASIC)
    assert codes(found) == [200, 200]


@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=["atomic", "dry_run"])
def test_password_that_the_batch_itself_did_not_check_is_an_attempt(members, road):
    content = {"requests": [get("/basic/")], **members}
    tried = [BASIC, {"Authorization": "Basic YWRhOndyb25n"}]
    right, wrong = (told(road, content, headers=headers, path="/open-batch/") for headers in tried)
    assert right == wrong
    assert codes(right) == ["group_exempt"]


def test_right_password_is_noticed_among_many_users(monkeypatch):
    monkeypatch.setattr(attempts, "_MAX_USERS", 2)
    users = [User(username=str(number)) for number in range(5)]
    seen = attempts.Attempts()
    for user in users:
        seen.note_user(user)
        user.backend = "" if user is not users[1] else "path.of.a.Backend"
    assert seen.were_made(lambda: False)


def test_user_whose_backend_is_a_field_is_not_taken_for_authenticated():
    user = User()
    user.backend = "e-mail"
    seen = attempts.Attempts()
    seen.note_user(user)
    assert not seen.were_made(lambda: False)


def test_check_of_another_thread_is_not_that_of_a_view_without_any(bookshop):
    seen = attempts.Attempts()
    User.objects.get(username="ada").check_password("x")
    assert [seen.were_made(lambda: False), seen.were_made(lambda: True)] == [False, True]


def test_hashers_that_were_set_up_anew_hide_no_check(bookshop, settings):
    User.objects.get(username="ada").check_password("x")
    seen = attempts.Attempts()
    settings.PASSWORD_HASHERS = [*settings.PASSWORD_HASHERS]
    assert seen.were_made(lambda: True)


@pytest.mark.parametrize(
    "view", [change_password, *VIEWS.values(), *(kind.as_view({"get": "list"}) for kind in BY_SENDER.values())]
)
def test_code_that_checks_passwords_is_found(view):
    assert checks_credentials(view)


@pytest.mark.parametrize(
    "view", [None, count, Basic.as_view(), AuthorViewSet.as_view({"get": "list"}), BatchView.as_view()]
)
def test_code_that_checks_none_is_not_taken_for_it(view):
    assert not checks_credentials(view)


def test_code_of_functions_that_name_each_other_and_what_is_not_there_yet_is_looked_through():
    def view(request):
        return first(request)

    def first(request):
        return later(request) or view(request)

    assert not checks_credentials(view)
    later = authenticate
    assert checks_credentials(view)
