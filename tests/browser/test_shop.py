"""The page of the bookshop that calls the site through the JavaScript client, in Chromium."""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest


@contextmanager
def counted(page):
    """The requests to the API and the batch URL that the block makes: method and path."""
    found = []

    def note(request):
        path = request.url.split("/", 3)[3]
        if path.startswith(("api/", "batch/")):
            found.append((request.method, f"/{path.partition('?')[0]}"))

    page.on("request", note)
    yield found
    page.remove_listener("request", note)


def outcome(page):
    page.wait_for_function("document.getElementById('outcome').textContent")
    return page.locator("#outcome").text_content()


def log_in(page):
    page.goto("/accounts/login/?next=/shop/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("ada-secret")
    page.get_by_role("button", name="Log in").click()


def test_page_makes_ten_reads_in_one_request(page):
    with counted(page) as requests:
        page.goto("/shop/")
        page.get_by_text("10 answers came in 1 request").wait_for()
    assert requests == [("POST", "/batch/")]
    assert page.locator("#who").text_content() == "a stranger"
    assert page.locator("#shelf li").count() == 5
    assert page.locator("#reviews li").count() > 2


def test_page_makes_ten_requests_without_the_client(page):
    page.goto("/shop/")
    page.get_by_text("10 answers came in 1 request").wait_for()
    with counted(page) as requests:
        page.get_by_role("button", name="one by one").click()
        page.get_by_text("10 answers came in 10 requests").wait_for()
    assert len(requests) == 10


def test_order_is_saved_whole_or_not_at_all(page):
    log_in(page)
    page.get_by_label(re.compile(r"\(none in stock\)")).first.check()
    page.get_by_label(re.compile(r"\(\d+ in stock\)")).first.check()
    orders = page.locator("#orders li").count()
    page.get_by_role("button", name="Order").click()
    assert outcome(page) == 'Nothing was saved: {"quantity":["Not so many in stock."]}'
    page.get_by_text("10 answers came in 1 request").wait_for()
    assert page.locator("#orders li").count() == orders

    page.reload()
    page.get_by_label(re.compile(r"\(\d+ in stock\)")).first.check()
    with counted(page) as requests:
        page.get_by_role("button", name="Order").click()
        assert outcome(page) == "Saved, with 1 lines."
        page.locator("#orders li").nth(orders).wait_for()
    assert requests == [("POST", "/batch/"), ("POST", "/batch/")]


@pytest.mark.parametrize("width", [320, 1366])
def test_page_is_accessible(new_page, assert_accessible, width):
    page = new_page(viewport={"width": width, "height": 768})
    page.goto("/shop/")
    page.get_by_text("10 answers came in 1 request").wait_for()
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


CALLS = """async () => {
  const { createBatch } = await import("/static/django_batch/batch.js");
  const { fetch } = createBatch({ url: "/batch/" });
  const control = new AbortController();
  const late = fetch("/api/me/", { signal: control.signal }).catch((error) => error.name);
  const rest = ["/api/books/1/", "/api/content/text/", "/api/nowhere/", "/"].map((path) => fetch(path));
  control.abort();
  const [book, text, missing, home] = await Promise.all(rest);
  return [await late, (await book.json()).id, await text.text(), missing.status, home.headers.get("content-type")];
}"""


def test_client_calls_relative_addresses_and_drops_what_is_aborted(page):
    page.goto("/")
    with counted(page) as requests:
        found = page.evaluate(CALLS)
    assert found == ["AbortError", 1, "Schöne Grüße aus der Buchhandlung", 404, "text/html; charset=utf-8"]
    assert requests == [("POST", "/batch/")]
