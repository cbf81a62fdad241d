"""Login, logout and all that a client keeps, within a batch and after it.

That any sequence of requests leaves the same behind as alone is in `tests/test_equivalence.py`. These are the cases by
name, and what a rollback makes of them.
"""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path

from django_batch.testing import BatchClient
from django_batch.views import BatchView

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.urls(__name__),
]


def by_hand(request):
    """Sets a cookie without Django's help."""
    return HttpResponse(headers={"Set-Cookie": "a=1; Path=/; HttpOnly"})


urlpatterns = [
    path("by-hand/", by_hand),
    path("open-batch/", BatchView.as_view(authentication_classes=[])),
    path("", include("example_project.urls")),
]

ENGINES = ["db", "cached_db", "cache", "file", "signed_cookies"]
CSRF_TOKEN = "a" * 32
ME, VISITS, BASKET, BROKEN = ({"path": f"/api/{name}/"} for name in ("me", "visits", "basket", "broken"))
COOKIES, PROFILE = {"path": "/api/cookies/"}, {"path": "/accounts/profile/"}
LOGOUT = {"method": "POST", "path": "/api/logout/"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BUY = {"method": "POST", "path": "/api/basket/", "body": {"book": 1}}
AUTHOR = {"method": "POST", "path": "/api/authors/", "body": {"name": "Eve"}}
SAVE_PROFILE = {"method": "POST", "path": "/accounts/profile/", "headers": FORM, "body": "email=ada@example.com"}


def login(name="ada"):
    return {"method": "POST", "path": "/api/login/", "body": {"username": name, "password": f"{name}-secret"}}


def set_cookie(query, path="/api/cookies/"):
    return {"method": "POST", "path": f"{path}?{query}"}


def statuses(answers):
    return [answer["status"] for answer in answers]


def bodies(answers):
    return [answer["body"] for answer in answers]


@pytest.fixture
def browser(bookshop):
    """A page of the site: it reads the CSRF cookie before it sends, and checks are made."""
    client = BatchClient(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = CSRF_TOKEN
    client.defaults["HTTP_X_CSRFTOKEN"] = CSRF_TOKEN
    return client


def log_in(browser, name="ada"):
    assert statuses(browser.batch([login(name)])) == [200]
    browser.defaults["HTTP_X_CSRFTOKEN"] = browser.cookies["csrftoken"].value


@pytest.fixture(params=ENGINES)
def engine(request, settings, tmp_path):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    return request.param


@pytest.fixture(params=[False, True], ids=["", "saved every time"])
def save_every_request(request, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = request.param


def test_login_is_known_to_what_follows_and_after_the_batch(browser, engine, save_every_request):
    answers = browser.batch([ME, VISITS, login(), ME, VISITS, BUY, BASKET])
    assert statuses(answers) == [200] * 7
    assert bodies(answers)[0]["username"] == ""
    assert bodies(answers)[3]["username"] == "ada"
    assert [bodies(answers)[place] for place in (1, 4, 6)] == [{"visits": 1}, {"visits": 2}, {"1": 1}]
    assert browser.get("/api/me/").json()["username"] == "ada"
    assert browser.get("/api/visits/").json() == {"visits": 3}


def test_logout_is_known_to_what_follows_and_after_the_batch(browser, engine, save_every_request):
    log_in(browser)
    answers = browser.batch([ME, LOGOUT, ME, VISITS])
    assert statuses(answers) == [200, 204, 200, 200]
    assert [bodies(answers)[place]["username"] for place in (0, 2)] == ["ada", ""]
    assert browser.get("/api/me/").json()["username"] == ""
    assert browser.get("/api/visits/").json() == {"visits": 2}


def test_logout_at_the_end_takes_the_cookie_away(browser, engine, save_every_request):
    log_in(browser)
    assert statuses(browser.batch([VISITS, LOGOUT])) == [200, 204]
    assert browser.cookies["sessionid"].value == ""
    assert browser.cookies["sessionid"]["max-age"] == 0


def test_session_goes_on_from_request_to_batch_to_request(browser, engine, save_every_request):
    assert browser.get("/api/visits/").json() == {"visits": 1}
    assert bodies(browser.batch([VISITS, VISITS])) == [{"visits": 2}, {"visits": 3}]
    assert browser.get("/api/visits/").json() == {"visits": 4}


def test_another_user_who_logs_in_gets_a_session_of_her_own(browser, engine):
    log_in(browser)
    answers = browser.batch([BUY, login("staff"), BASKET, ME])
    assert bodies(answers)[2] == {}
    assert bodies(answers)[3]["username"] == "staff"


def test_session_cookie_of_a_batch_is_that_of_a_login_alone(browser):
    alone = BatchClient()
    alone.post("/api/login/", login()["body"], format="json")
    log_in(browser)
    for name in ("sessionid", "csrftoken"):
        in_batch, by_itself = ({**client.cookies[name]} for client in (browser, alone))
        assert in_batch.pop("expires")  # a second may end between the two logins
        assert by_itself.pop("expires")
        assert in_batch == by_itself


def test_csrf_token_follows_the_cookie_that_a_login_has_renewed(browser):
    assert statuses(browser.batch([AUTHOR, login("staff"), AUTHOR])) == [401, 200, 201]
    assert browser.cookies["csrftoken"].value != CSRF_TOKEN


@pytest.mark.parametrize("path", ["/batch/", "/open-batch/"])
def test_sender_whose_session_was_signed_with_an_old_key_stays_logged_in(bookshop, engine, path):
    client = BatchClient()
    with override_settings(SECRET_KEY="the old key"):
        client.login(username="ada", password="ada-secret")
    with override_settings(SECRET_KEY="the new key", SECRET_KEY_FALLBACKS=["the old key"]):
        assert [body["username"] for body in bodies(client.batch([ME, ME], path=path))] == ["ada", "ada"]
    with override_settings(SECRET_KEY="the new key"):
        assert client.get("/api/me/").json()["username"] == "ada"


@pytest.mark.parametrize("storage", ["cookie.CookieStorage", "session.SessionStorage", "fallback.FallbackStorage"])
def test_message_is_shown_once_by_the_next_page(browser, settings, storage):
    settings.MESSAGE_STORAGE = f"django.contrib.messages.storage.{storage}"
    log_in(browser)
    pages = bodies(browser.batch([SAVE_PROFILE, PROFILE, PROFILE]))
    assert ["Your profile was saved." in (page or "") for page in pages] == [False, True, False]


@pytest.mark.parametrize("storage", ["cookie.CookieStorage", "session.SessionStorage"])
def test_message_is_kept_for_after_the_batch(browser, settings, storage):
    settings.MESSAGE_STORAGE = f"django.contrib.messages.storage.{storage}"
    log_in(browser)
    assert statuses(browser.batch([SAVE_PROFILE])) == [302]
    assert "Your profile was saved." in browser.get("/accounts/profile/").content.decode()
    assert "Your profile was saved." not in browser.get("/accounts/profile/").content.decode()


def test_language_that_one_sets_is_that_of_the_next(browser):
    choose = {"method": "POST", "path": "/i18n/setlang/", "headers": FORM, "body": "language=de"}
    answers = browser.batch([{"path": "/api/echo/"}, choose, {"path": "/api/echo/"}])
    assert [bodies(answers)[place]["language"] for place in (0, 2)] == ["en", "de"]
    assert browser.get("/api/echo/").json()["language"] == "de"


def test_cookies_of_one_are_sent_with_the_next_where_they_belong(browser):
    items = [
        set_cookie("name=a&value=1"),
        set_cookie("name=b&value=2&path=/accounts/"),
        COOKIES,
        {"path": "/api/echo/"},
    ]
    answers = browser.batch(items)
    assert bodies(answers)[2] == {"a": "1"}
    assert bodies(answers)[3]["cookies"] == {}
    assert (browser.cookies["a"]["path"], browser.cookies["b"]["path"]) == ("/api/cookies", "/accounts/")


def test_cookie_that_one_deletes_is_not_sent_with_the_next(browser):
    browser.cookies["a"] = "1"
    answers = browser.batch([COOKIES, set_cookie("name=a&max_age=0&path=/"), COOKIES])
    assert bodies(answers) == [{"a": "1"}, {"a": "1"}, {}]
    assert browser.cookies["a"]["max-age"] == 0


def test_last_cookie_of_a_name_is_the_one_that_is_set(browser):
    items = [set_cookie("name=a&value=1&path=/"), set_cookie("name=a&value=2&path=/"), COOKIES]
    assert bodies(browser.batch(items)) == [{}, {"a": "1"}, {"a": "2"}]
    assert browser.cookies["a"].value == "2"


def test_cookie_that_a_view_writes_into_the_header_is_a_cookie(browser):
    answers = browser.batch([{"path": "/by-hand/"}, COOKIES])
    assert "Set-Cookie" not in answers[0]["headers"]
    assert bodies(answers)[1] == {"a": "1"}
    assert browser.cookies["a"].OutputString() == "a=1; HttpOnly; Path=/"


LOGIN = "example_project.bookshop.views.accounts.Login"


@pytest.fixture
def logins_in_groups(settings):
    """A site that lets its login view into groups."""
    settings.BATCH = {"DRY_RUN": True, "GROUP_ALLOWED": [LOGIN]}


@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=["atomic", "dry_run"])
def test_login_that_is_rolled_back_leaves_nothing(browser, logins_in_groups, members):
    before = Session.objects.count()
    answers = browser.batch([login(), set_cookie("name=a&value=1&path=/"), BROKEN], **members)
    assert statuses(answers)[-1] == 500
    assert Session.objects.count() == before
    assert {name: morsel.value for name, morsel in browser.cookies.items()} == {"csrftoken": CSRF_TOKEN}
    assert browser.get("/api/me/").json()["username"] == ""


def test_login_of_a_group_that_was_rolled_back_is_unknown_to_what_follows(browser, logins_in_groups):
    group = [
        {**item, "atomicity_group": "group"} for item in (login("staff"), set_cookie("name=a&value=1&path=/"), BROKEN)
    ]
    answers = browser.batch([*group, ME, COOKIES, AUTHOR])
    assert statuses(answers) == [424, 424, 500, 200, 200, 401]
    assert bodies(answers)[3]["username"] == ""
    assert bodies(answers)[4] == {}


def test_login_of_a_group_that_was_committed_is_known_to_what_follows(browser, logins_in_groups):
    answers = browser.batch(
        [{**login("staff"), "atomicity_group": "group"}, {**ME, "atomicity_group": "group"}, AUTHOR]
    )
    assert statuses(answers) == [200, 200, 201]
    assert bodies(answers)[1]["username"] == "staff"


def test_group_with_a_login_is_not_begun(browser):
    answers = browser.batch([ME, login("staff"), set_cookie("name=a&value=1&path=/")], atomic=True)
    assert [answer["body"]["code"] for answer in answers] == ["not_run", "group_exempt", "not_run"]
    assert "sessionid" not in browser.cookies


def test_logout_that_is_rolled_back_has_not_happened(browser, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
    log_in(browser)
    answers = browser.batch([{**LOGOUT, "atomicity_group": "group"}, {**BROKEN, "atomicity_group": "group"}, ME])
    assert bodies(answers)[2]["username"] == "ada"
    assert browser.get("/api/me/").json()["username"] == "ada"


# A cache and a file know of no transaction: what is written to them stays.
@pytest.mark.parametrize(
    ("engine", "visits"),
    [("db", 2), ("cached_db", 2), ("signed_cookies", 2), ("cache", 3), ("file", 3)],
    indirect=["engine"],
)
def test_session_that_is_rolled_back_is_what_it_was_if_it_is_kept_in_a_database(browser, engine, visits):
    assert browser.get("/api/visits/").json() == {"visits": 1}
    answers = browser.batch([VISITS, BROKEN], atomic=True)
    assert statuses(answers) == [424, 500]
    assert browser.get("/api/visits/").json() == {"visits": visits}
