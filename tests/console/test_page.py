"""The page: who is shown it, what it says, what its policy allows, and what it weighs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client, override_settings
from django.urls import path

import django_batch
from django_batch.dialects.google import GoogleMultipart
from django_batch.views import BatchView

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
ROOT = Path(django_batch.__file__).parent

urlpatterns = [
    path("batch/", BatchView.as_view()),
    path("always/", BatchView.as_view(console=True)),
    path("never/", BatchView.as_view(console=False)),
    path("google/", BatchView.as_view(console=True, dialect=GoogleMultipart)),
]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


def get(url: str = "/always/", accept: str = BROWSER, client: Client | None = None):
    return (client or Client()).get(url, headers={"Accept": accept} if accept else {})


def is_page(response) -> bool:
    return response.headers["Content-Type"].startswith("text/html")


def told(response):
    found = re.search(r'<script id="told" type="application/json">(.*?)</script>', response.content.decode())
    return json.loads(found[1])


@pytest.mark.parametrize(
    ("accept", "shown"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("text/*", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("application/json, text/html", False),
        ("application/json;q=0.5, text/html", True),
        ("image/png", False),
    ],
)
def test_page_is_for_those_who_prefer_html(accept, shown):
    assert is_page(get(accept=accept)) == shown


@pytest.mark.parametrize(
    ("debug", "setting", "shown"), [(True, None, True), (False, None, False), (True, False, False)]
)
def test_console_follows_debug_unless_the_setting_says_otherwise(debug, setting, shown):
    with override_settings(DEBUG=debug, BATCH={"CONSOLE": setting}):
        assert is_page(get("/batch/")) == shown


@pytest.mark.parametrize(("url", "varies"), [("/always/", True), ("/never/", False)])
def test_description_varies_with_what_is_accepted_where_there_is_a_page(url, varies):
    assert ("Accept" in get(url, "application/json").headers.get("Vary", "").split(", ")) == varies


@pytest.mark.parametrize(("url", "shown"), [("/always/", True), ("/never/", False), ("/google/", False)])
def test_view_has_a_console_of_its_own_if_it_reads_the_native_format(url, shown, settings):
    settings.DEBUG = True
    assert is_page(get(url)) == shown


@pytest.mark.parametrize(("setting", "shown"), [(None, False), (True, True)])
def test_debug_shows_no_console_where_nobody_serves_its_files(setting, shown, settings):
    settings.DEBUG = True
    settings.BATCH = {"CONSOLE": setting}
    settings.INSTALLED_APPS = [each for each in settings.INSTALLED_APPS if each != "django.contrib.staticfiles"]
    assert is_page(get("/batch/")) == shown


def test_page_needs_no_templates_of_the_site(settings):
    settings.TEMPLATES = []
    assert is_page(get())


def test_page_has_a_policy_that_allows_two_files_and_this_host():
    response = get()
    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
    nonce = policy["script-src"].removeprefix("'nonce-").removesuffix("'")
    assert policy == {
        "default-src": "'none'",
        "script-src": f"'nonce-{nonce}'",
        "style-src": f"'nonce-{nonce}'",
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "django-batch",
    }
    text = response.content.decode()
    assert text.count(f'nonce="{nonce}"') == 2
    assert nonce not in get().content.decode()
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Cache-Control"] == "no-store"
    assert "Accept" in response.headers["Vary"]
    assert "Cookie" in response.headers["Vary"]


def test_page_has_no_inline_script_style_or_handler():
    text = get().content.decode()
    assert re.findall(r"<script(?![^>]*(?:application/json|src=))", text) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", text) == []


def test_nonce_is_that_of_the_middleware_of_django(rf, settings):
    pytest.importorskip("django.middleware.csp")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.csp.ContentSecurityPolicyMiddleware"]
    settings.SECURE_CSP_REPORT_ONLY = {"script-src": ["<CSP_NONCE_SENTINEL>"]}
    response = get()
    nonce = re.search(r"'nonce-(.+?)'", response.headers["Content-Security-Policy"])[1]
    assert nonce in response.headers["Content-Security-Policy-Report-Only"]


def test_page_says_who_sends_and_in_what_name(django_user_model):
    client = Client()
    assert "without a login" in get().content.decode()
    client.force_login(django_user_model.objects.create_user("<b>eve</b>"))
    text = get(client=client).content.decode()
    assert "as <b>&lt;b&gt;eve&lt;/b&gt;</b>" in text


def test_token_of_the_page_is_good_for_a_batch(django_user_model):
    client = Client(enforce_csrf_checks=True)
    client.force_login(django_user_model.objects.create_user("ada"))
    csrf = told(get(client=client))["csrf"]
    assert csrf["header"] == "X-Csrftoken"
    content = '[{"path": "/nowhere/"}]'
    without = client.post("/always/", content, content_type="application/json")
    with_token = client.post(
        "/always/", content, content_type="application/json", headers={csrf["header"]: csrf["token"]}
    )
    assert (without.status_code, with_token.status_code) == (403, 207)


def test_page_is_refused_to_those_who_may_send_no_batch():
    refused = Client().get("/always/", headers={"Accept": BROWSER, "Authorization": "Basic bm9ib2R5Om5vdGhpbmc="})
    assert refused.status_code == 401
    assert b"told" not in refused.content


def test_console_in_a_batch_is_no_page():
    content = '[{"path": "/always/", "headers": {"Accept": "text/html"}}]'
    (answer,) = Client().post("/always/", content, content_type="application/json").json()
    assert answer["response"]["code"] == "nested_batch"


def test_files_are_found_and_all_of_the_console_weighs_less_than_60_kilobytes():
    files = ["django_batch/console.js", "django_batch/console.css"]
    assert [finders.find(each) for each in files] == [str(ROOT / "static" / each) for each in files]
    assert sum((ROOT / "static" / each).stat().st_size for each in files) + len(get().content) < 60_000


def test_script_makes_no_markup_and_asks_no_other_host():
    script = (ROOT / "static" / "django_batch" / "console.js").read_text()
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|https?://", script) == []
