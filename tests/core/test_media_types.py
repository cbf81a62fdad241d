"""What headers say of media types."""

from __future__ import annotations

import pytest

from django_batch.core.media_types import preferred

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
