"""What headers say of media types."""

from __future__ import annotations

import codecs

import pytest

from django_batch.core.media_types import CHARSETS, has_known_charset, kept, preferred, text_of

OFFERS = ("application/json", "application/jsonl", "text/lines")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/*", "text/lines"),
        ("image/png", "application/json"),
        ("application/jsonl", "application/jsonl"),
        ("Application/JSONL; charset=utf-8", "application/jsonl"),
        ("application/jsonl, */*", "application/jsonl"),
        ("application/jsonl, application/json", "application/json"),
        ("application/jsonl;q=0.9, */*", "application/json"),
        ("application/jsonl;q=0.9, */*;q=0.8", "application/jsonl"),
        ("application/json;q=0, */*", "application/jsonl"),
        ("application/json ; q = 0.1, text/lines;Q=0.2", "text/lines"),
        ("application/json;q=2, application/jsonl;q=0.5", "application/json"),
        (",;,", "application/json"),
    ],
)
def test_offer_that_is_wanted_most_is_preferred(accept, wanted):
    assert preferred(accept, OFFERS) == wanted


@pytest.mark.parametrize("name", sorted(CHARSETS))
def test_charset_on_the_list_is_one_of_python(name):
    assert codecs.lookup(name)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/plain; charset=utf-8",
        'a/b;Charset="UTF-8"',
        "a/b; x=1; charset = latin-1",
        "a/b;x*=utf-8''y",
    ],
)
def test_charset_that_browsers_know_is_known(content_type):
    assert has_known_charset(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain; charset=punycode",
        "text/plain; charset=utf-8; charset=idna",
        "text/plain; charset=",
        'text/plain; charset="',
        'text/plain; charset="utf-8;x"',
        "text/plain; charset*=utf-8''punycode",
        "text/plain; charset*0=puny; charset*1=code",
        "text/plain; name*=punycode''x",
        "text/plain; name*0*=puny; name*1*=code''x",
        "text/plain; charset=" + "x" * 10_000,
    ],
)
def test_charset_that_only_python_knows_is_not_known(content_type):
    assert not has_known_charset(content_type)


@pytest.mark.parametrize("charset", ["punycode", "rot13", "no-such-charset", "utf-7", "undefined"])
def test_text_in_an_unknown_charset_is_binary(charset):
    assert text_of(b"text", f"text/plain; charset={charset}") is None


def test_long_text_is_in_no_cache():
    calls = []

    @kept(maxsize=4)
    def length(text: str) -> int:
        calls.append(text)
        return len(text)

    assert [length("x" * size) for size in (100, 100, 101, 101)] == [100, 100, 101, 101]
    assert len(calls) == 3
