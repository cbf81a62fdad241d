"""django-allauth: logins through its pages and its API, and what its limit of failed logins counts."""

from __future__ import annotations

import re

import pytest
from django.urls import include, path

from tests.packages.outcomes import SERIAL, sent
from tests.packages.shop import urls

urlpatterns = [
    *urls.urlpatterns,
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
]

API = "/_allauth/browser/v1/auth"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def api_login(password):
    body = {"username": "eve", "password": password}
    return {"method": "POST", "path": f"{API}/login", "body": body}


def page_login(password):
    return {
        "method": "POST",
        "path": "/accounts/login/",
        "headers": FORM,
        "body": f"login=eve&password={password}",
    }


def test_session_of_the_api_is_as_alone(site, road):
    requests = [{"path": f"{API}/session"}, {"path": "/whoami/"}]
    alone = site.alone(road, requests)
    assert site.batch(road, requests) == alone
    assert alone.statuses == [200, 200]


@pytest.mark.parametrize("login", [api_login, page_login])
def test_failed_logins_are_limited_as_alone(site, road, login):
    client = site.client(road, logged_in=False)
    alone = [sent(client, login("no")) for _ in range(4)]
    client = site.client(road, logged_in=False)
    answers = [(each["status"], each["body"]) for each in client.batch([login("no")] * 4)]
    assert [without_token(each) for each in answers] == [without_token(each) for each in alone]
    assert "Too many failed login attempts" in str(alone[3])
    assert "Too many failed login attempts" not in str(alone[0])


def without_token(answer):
    """`answer` without the CSRF token of its form, which is another each time."""
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", str(answer))


@pytest.mark.parametrize("request_", [api_login("no"), page_login("no")], ids=["api", "page"])
@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=str)
def test_group_and_dry_run_do_not_log_in(site, request_, members):
    client = site.client(SERIAL, logged_in=False)
    (answer,) = client.batch([request_], **members)
    assert (answer["status"], answer["body"]["code"]) == (403, "group_exempt")
