"""The browser itself: it opens pages of the bookshop, and tells what went wrong on them."""

from __future__ import annotations


def test_page_of_the_bookshop_sends_a_batch(page):
    page.goto("/")
    page.get_by_role("button", name="Send").click()
    page.get_by_text('"status": 200').wait_for()


def test_what_went_wrong_is_told(page):
    page.goto("/")
    page.evaluate("setTimeout(() => { throw new Error('odd') })")
    page.evaluate("console.error('bad')")
    page.evaluate("fetch('http://example.com/').catch(() => 0)")
    page.wait_for_function("1")
    told = "\n".join(page.faults)
    page.faults.clear()
    assert "odd" in told
    assert "bad" in told
    assert "http://example.com/" in told
