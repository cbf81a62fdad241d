"""dj-rest-auth: its URLs come by `include()`, and `EXEMPT` keeps them out of batches all the same."""

from __future__ import annotations

import pytest
from django.urls import include, path

from tests.packages.outcomes import SERIAL
from tests.packages.shop import urls

urlpatterns = [*urls.urlpatterns, path("auth/", include("dj_rest_auth.urls"))]


def login(password):
    return {"method": "POST", "path": "/auth/login/", "body": {"username": "ada", "password": password}}


NEW = {"new_password1": "a longer one", "new_password2": "a longer one"}
CHANGE = {"method": "POST", "path": "/auth/password/change/", "body": NEW}
RESET = {"method": "POST", "path": "/auth/password/reset/", "body": {"email": "ada@example.com"}}


def test_login_in_a_batch_answers_as_alone(site, road):
    requests = [login("no"), login("pw"), {"path": "/auth/user/"}]
    alone = site.alone(road, requests)
    batch = site.batch(road, requests, parallel=False)
    assert batch.statuses == alone.statuses == [400, 200, 200]
    assert batch.answers[2] == alone.answers[2]


@pytest.mark.parametrize("request_", [login("pw"), login("no"), CHANGE, RESET], ids=lambda each: each["path"])
@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=str)
def test_group_and_dry_run_reach_no_view_that_checks_a_password(site, request_, members):
    ((status, body),) = site.batch(SERIAL, [request_], **members).answers
    assert (status, body["code"]) == (403, "group_exempt")


def test_included_urls_are_kept_out_by_name(site, settings):
    settings.BATCH = {"EXEMPT": ["rest_*"]}
    site = type(site)(settings)
    batch = site.batch(SERIAL, [login("pw"), RESET, {"path": "/whoami/"}])
    assert batch.statuses == [403, 403, 200]
    assert batch.answers[0][1]["code"] == "batch_exempt"
