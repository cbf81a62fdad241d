"""django-cors-headers: the browser asks for the batch, whose response has the headers that it looks at."""

from __future__ import annotations

import pytest

from tests.packages.samples import ORDERS

OURS = {"HTTP_ORIGIN": "https://shop.example"}
ALLOWED = "access-control-allow-origin"


def test_response_of_the_batch_has_the_headers_of_its_requests_alone(site, road):
    client = site.client(road)
    alone = client.get("/api/orders/", headers={"Origin": "https://shop.example"})
    batch = client.post(
        "/batch/",
        {"requests": [{"path": "/api/orders/"}]},
        format="json",
        headers={"Origin": "https://shop.example"},
    )
    assert batch.status_code == 207
    assert _cors(batch.headers) == _cors(alone.headers)
    assert alone.headers[ALLOWED] == "https://shop.example"
    assert _cors(batch.json()["responses"][0]["headers"]) == _cors(alone.headers)


def test_preflight_of_the_batch_is_answered_without_the_batch_view(site, road):
    headers = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    response = site.client(road).options("/batch/", headers=headers)
    assert response.status_code == 200
    assert response.content == b""
    assert "POST" in response.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("origin", ["https://other.example", "null"])
def test_other_origin_gets_no_headers_for_the_batch_nor_for_items(site, road, origin):
    response = site.client(road).post("/batch/", {"requests": ORDERS}, format="json", headers={"Origin": origin})
    assert ALLOWED not in {name.lower() for name in response.headers}
    if response.status_code == 207:
        assert all(ALLOWED not in map(str.lower, each["headers"]) for each in response.json()["responses"])


def _cors(headers):
    return {name.lower(): value for name, value in headers.items() if name.lower().startswith("access-control")}
