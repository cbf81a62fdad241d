"""The case that the project began with: a bare array, one item of which fails validation."""

import json

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_bare_array_with_a_failing_item_answers_each_with_its_own_status(bookshop):
    batch = [
        {"method": "GET", "path": "/api/books/?page_size=1"},
        {"method": "POST", "path": "/api/reviews/", "body": {"book": 3, "rating": 9, "text": "Too good."}},
        {"method": "POST", "path": "/api/reviews/", "body": {"book": 3, "rating": 5, "text": "Good."}},
    ]
    response = Client(headers={"authorization": "Token ada-token"}).post(
        "/batch/", json.dumps(batch), content_type="application/json"
    )
    answers = response.json()
    assert response.status_code == 207
    assert [set(answer) for answer in answers] == [{"status", "response"}] * 3
    assert [answer["status"] for answer in answers] == [200, 400, 201]
    assert answers[0]["response"]["results"][0]["id"] == 1
    assert list(answers[1]["response"]) == ["rating"]
    assert answers[2]["response"]["rating"] == 5
