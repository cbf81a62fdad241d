"""facebook-business: calls by path, with their callbacks, and a file that is attached to one."""

from __future__ import annotations

from io import BytesIO

import pytest

from tests.clients import client

facebook = client("facebook_business.api")
sessions = client("facebook_business.session")


@pytest.fixture
def api(address, monkeypatch):
    monkeypatch.setattr(sessions.FacebookSession, "GRAPH", address)
    session = sessions.FacebookSession(access_token="tok")
    session.requests.auth = ("staff", "staff-secret")  # whom the bookshop knows; the token is none of its own
    yield facebook.FacebookAdsApi(session)
    session.requests.close()


class Answers(dict):
    """What each call is called -> its answer; `failed` has those that are failures for the library."""

    def __init__(self):
        super().__init__()
        self.failed = []

    def of(self, name):
        def success(response):
            self[name] = response.json()

        def failure(response):
            success(response)
            self.failed.append(name)

        return {"success": success, "failure": failure}


def test_batch_calls_back_with_success_or_failure(api):
    answers = Answers()
    batch = api.new_batch()
    batch.add("GET", "api/items/7/", **answers.of("read"))
    batch.add("POST", "api/items/", params={"name": "Bücher & more"}, **answers.of("make"))
    batch.add("GET", "api/items/404404/", **answers.of("missing"))
    batch.add("DELETE", "api/items/8/", **answers.of("delete"))
    batch.execute()
    assert answers["read"] == {"id": 7, "name": "fixture-7"}
    assert answers["make"]["name"] == "Bücher & more"
    assert answers["delete"] == {"success": True}
    assert answers.failed == ["missing"]


def test_attached_file_reaches_the_view_byte_for_byte(api):
    cover = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    answers = Answers()
    batch = api.new_batch()
    batch.add("PUT", "api/books/1/cover/", files={"cover": ("cover.png", BytesIO(cover))}, **answers.of("upload"))
    batch.execute()
    assert answers["upload"] == {"id": 1, "size": len(cover)}
    with api._session.requests.get(f"{api._session.GRAPH}/api/books/1/cover/") as response:
        assert response.content == cover
