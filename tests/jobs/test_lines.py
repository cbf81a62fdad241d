"""Jobs that come as JSON lines: read as a stream, refused whole, and never held in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from io import BytesIO
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.http import UnreadablePostError

from django_batch.errors import Malformed, TooLarge
from django_batch.jobs import lines
from django_batch.jobs.lines import read_lines
from django_batch.jobs.models import Chunk, Item, ItemKey, Job
from tests.jobs.test_exactly_once import names, write

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
ME = {"path": "/api/me/"}


def refused(response: object, status: int = 400) -> list[str]:
    """The pointers of a refusal, after which nothing is kept."""
    assert response.status_code == status, response.content
    assert not any(model.objects.exists() for model in (Job, Chunk, Item, ItemKey))
    return [each["pointer"] for each in response.json()["errors"]]


class Broken:
    def read(self, size: int) -> bytes:
        raise UnreadablePostError


def split(content: bytes, **options: object) -> list[bytes]:
    return [*read_lines(BytesIO(content), **{"declared": None, "max_line": 50, **options})]


def test_lines_are_split_as_they_are_read(settings) -> None:
    settings.JOBS = {}
    for size in (1, 2, 3, 100):
        with patch.object(lines, "_READ", size):
            assert split(b"\xef\xbb\xbfone\r\n\n  \ntwo\nthree") == [b"one\r", b"two", b"three"]
            assert split(b"one\n\ntwo") == [b"one", b"two"]
    assert split(b"\xef\xbb\xbfone") == [b"one"]
    assert split(b"") == []
    assert split(b"1") == [b"1"]


def test_lines_that_are_too_long_or_break_off_are_refused(settings) -> None:
    with pytest.raises(TooLarge, match="A line"):
        split(b"x" * 51 + b"\ny")
    with pytest.raises(TooLarge, match="A line"):
        split(b"x" * 51)
    with pytest.raises(Malformed, match="broke off after 3 of 4"):
        split(b"one", declared=4)
    settings.JOBS = {"MAX_SIZE": 5}
    with pytest.raises(TooLarge, match="more than 5"):
        split(b"one\ntwo")
    with pytest.raises(Malformed, match="could not be read"):
        [*read_lines(Broken(), declared=None, max_line=5)]


@pytest.mark.parametrize(
    ("content", "status", "pointers"),
    [
        (b"\n", 400, [""]),
        (b'{"path": "/"}\nnot json\n{"path": 5}\n', 400, ["/1", "/2/path"]),
        (b'{"path": "/"}\n{"path": "/\xff"}', 400, ["/1"]),
        (b'{"path": "/", "id": "a"}\n{"path": "/", "id": "a"}\n', 400, ["/1/id"]),
        (b'{"path": "/"}\n{"path": "/", "id": "0"}\n', 400, ["/1/id"]),
        (b'{"path": "/", "files": {"a": "b"}}', 400, ["/0/files/a"]),
        (b'{"path": "/", "id": "a", "depends_on": "b"}\n{"path": "/", "id": "b", "depends_on": "a"}', 400, None),
        (b'{"path": "/", "id": "a"}\n{"path": "/", "method": "POST", "body": {"$ref": "a#/x"}}', 400, ["/1/body"]),
        (b'{"path": "/", "idempotency_key": ""}', 400, ["/0/idempotency_key"]),
        (b'{"path": "/", "idempotency_key": "a", "atomicity_group": "g"}', 400, ["/0/idempotency_key"]),
        (b'{"path": "/", "idempotency_key": "a"}\n' * 2, 400, ["/1/idempotency_key"]),
        (b'{"path": "/"}\n' * 31, 413, [""]),
    ],
)
def test_wrong_lines_are_refused_with_their_places(shop, ada, settings, content, status, pointers) -> None:
    settings.JOBS = {**settings.JOBS, "MAX_ITEMS": 30}
    found = refused(ada.lines(content), status)
    assert pointers is None or found == pointers


def test_body_with_a_reference_to_no_item_is_a_body(shop, ada) -> None:
    line = {"path": "/api/echo/", "method": "POST", "body": {"$ref": "elsewhere#/x"}}
    assert ada.lines([line]).status_code == 202


def test_first_thousand_mistakes_are_told(shop, ada) -> None:
    assert len(refused(ada.lines([{"paht": "/"}] * 1_200))) == 1_000


def test_other_types_are_refused(shop, ada) -> None:
    for content_type in ("application/json", "application/jsonl; charset=utf-16"):
        response = ada.post("/batch/jobs/", b'{"path": "/"}', content_type=content_type)
        refused(response, 415)


def test_full_disk_keeps_nothing(shop, ada) -> None:
    with patch("django_batch.jobs.lines.store_chunks", side_effect=OperationalError("database or disk is full")):
        response = ada.lines([ME, ME])
        assert response.json()["code"] == "storage_failed"
        refused(response, 503)
    with (
        patch("django_batch.jobs.lines.store_chunks", side_effect=OperationalError("down")),
        patch("django_batch.jobs.lines.delete", side_effect=OperationalError("down")),
    ):
        assert ada.lines([ME]).status_code == 503
    with patch("django_batch.jobs.accepting.store_chunks", side_effect=OperationalError("full")):
        assert ada.later([ME]).status_code == 503


def test_many_lines_are_stored_in_portions(shop, ada, settings) -> None:
    settings.JOBS = {**settings.JOBS, "CHUNK": 7}
    with patch.object(lines, "_PORTION", 5), patch.object(lines, "_PORTION_SIZE", 200):
        items = [write(f"n{number:02}", idempotency_key=f"k{number}") for number in range(23)]
        first = ada.get(ada.lines(items).headers["Location"]).json()
        assert (first["total"], first["succeeded"]) == (23, 23)
        shuffled = [*items[20:], write("new"), *items[:2]]
        second = ada.get(ada.lines(shuffled).headers["Location"]).json()
        assert second["succeeded"] == 6
    assert names() == [*(f"n{number:02}" for number in range(23)), "new"]


def test_lines_run_side_by_side_wait_only_for_what_they_need(shop, ada, settings) -> None:
    settings.JOBS = {**settings.JOBS, "CHUNK": 1}
    items = [ME, {**ME, "id": "a"}, {**ME, "depends_on": "a"}, ME]
    response = ada.lines(items, "/batch/jobs/?parallel=true")
    assert response.status_code == 202
    assert [each.after for each in Chunk.objects.all()] == [[], [], [1], []]
    plain = ada.lines([ME] * 3, "/batch/jobs/?parallel=1")
    assert ada.get(plain.headers["Location"]).json()["succeeded"] == 3
    assert [each.after for each in Chunk.objects.filter(job=Job.objects.first())] == [[]] * 3


def test_job_of_lines_answers_as_a_whole(shop, ada) -> None:
    job = ada.get(ada.lines([ME, {"path": "/api/missing/"}]).headers["Location"])
    whole = ada.get(job.json()["answers"], headers={"Accept": "application/json"})
    assert [each["status"] for each in whole.json()["responses"]] == [200, 404]


def items(number: int) -> Iterable[dict[str, str]]:
    return ({"path": f"/{place}/"} for place in range(number))


def test_lines_may_be_one_batch_with_a_key(shop, ada) -> None:
    content = b"".join(json.dumps(each).encode() + b"\n" for each in items(3))
    assert ada.lines(content).status_code == 202
