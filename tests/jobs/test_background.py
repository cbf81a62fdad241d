"""A batch that is sent to the background: accepted, run in chunks, and asked for."""

from __future__ import annotations

import pytest

from django_batch.jobs.models import Chunk
from example_project.bookshop.models import Subscriber

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def subscribe(name: str, **members: object) -> dict[str, object]:
    return {"method": "POST", "path": "/api/newsletter/", "body": {"email": f"{name}@example.com"}, **members}


def test_batch_is_accepted_and_run(shop, ada) -> None:
    response = ada.later({"requests": [subscribe("one"), {"path": "/api/me/"}]})

    assert response.status_code == 202, response.content
    assert response.headers["Preference-Applied"] == "respond-async"
    job = ada.get(response.headers["Location"])
    shown = job.json()
    assert shown["state"] == "done", shown
    assert (shown["total"], shown["succeeded"], shown["failed"]) == (2, 2, 0)
    first, second = ada.answers(job)
    assert first["status"] == 200
    assert first["body"]["email"] == "one@example.com"
    assert second["body"]["username"] == "ada"
    assert Subscriber.objects.count() == 1


def test_lines_are_accepted_and_run_in_chunks(shop, ada, settings) -> None:
    settings.JOBS = {**settings.JOBS, "CHUNK": 3}
    response = ada.lines([subscribe(f"s{number}", id=f"i{number}") for number in range(10)])

    assert response.status_code == 202, response.content
    job = ada.get(response.headers["Location"])
    assert job.json()["succeeded"] == 10
    assert [each["id"] for each in ada.answers(job)] == [f"i{number}" for number in range(10)]
    assert Chunk.objects.count() == 4
    assert Subscriber.objects.count() == 10


def test_same_key_runs_a_batch_once(shop, ada) -> None:
    batch = {"requests": [subscribe("one"), {"path": "/api/broken/"}]}
    first = ada.batch(batch, **{"Idempotency-Key": "k1"})
    assert first.status_code == 207, first.content
    assert "Idempotent-Replayed" not in first.headers
    Subscriber.objects.all().delete()
    second = ada.batch(batch, **{"Idempotency-Key": "k1"})
    assert second.status_code == 207
    assert [each["status"] for each in second.json()["responses"]] == [200, 500]
    assert Subscriber.objects.count() == 0
    assert ada.batch([subscribe("two")], **{"Idempotency-Key": "k1"}).status_code == 422


def test_dependencies_and_references_reach_over_chunks(shop, ada, settings) -> None:
    settings.JOBS = {**settings.JOBS, "CHUNK": 2}
    lines = [
        {"id": "last", "path": "/api/echo/?{first#/body/email}", "depends_on": ["first", "group"]},
        subscribe("first", id="first"),
        {"path": "/api/missing/", "id": "missing"},
        {"path": "/api/me/", "id": "never", "depends_on": "missing"},
        subscribe("g1", id="g1", atomicity_group="group"),
        subscribe("g2", id="g2", atomicity_group="group"),
        subscribe("g3", id="g3", atomicity_group="group"),
    ]
    job = ada.get(ada.lines(lines).headers["Location"])
    assert job.json()["state"] == "done"
    answers = {each["id"]: each for each in ada.answers(job)}
    assert answers["last"]["status"] == 200, answers["last"]
    assert "first@example.com" in str(answers["last"]["body"]) or "first%40example.com" in str(answers["last"]["body"])
    assert answers["never"]["status"] == 424
    assert [answers[name]["status"] for name in ("g1", "g2", "g3")] == [200, 200, 200]
    assert [len([p for step in c.steps for p in step]) for c in Chunk.objects.all()] == [2, 1, 3, 1]


def test_failed_items_are_retried_under_their_ids(shop, ada, settings) -> None:
    settings.JOBS = {**settings.JOBS, "CHUNK": 1}
    job = ada.get(
        ada.later([subscribe("one"), subscribe("no-address at all"), {"path": "/api/me/"}]).headers["Location"]
    )
    assert (job.json()["succeeded"], job.json()["failed"]) == (2, 1)
    Subscriber.objects.all().delete()
    again = ada.post(job.json()["answers"].replace("answers", "retry"))
    assert again.status_code == 202
    assert again.json()["failed"] == 1, again.json()
    assert not Subscriber.objects.exists()
    assert [each["id"] for each in ada.answers(job, "?status=failed")] == ["1"]
    assert [each["id"] for each in ada.answers(job, "?after=1")] == ["2"]


def test_first_failure_stops_a_job_that_says_so(shop, ada, settings) -> None:
    settings.JOBS = {**settings.JOBS, "CHUNK": 2}
    items = [{"path": "/api/missing/"}, {"path": "/api/me/"}, {"path": "/api/me/"}]
    job = ada.get(ada.later({"continue_on_error": False, "requests": items}).headers["Location"])
    assert [each["status"] for each in ada.answers(job)] == [404, 424, 424]
    whole = ada.get(job.json()["answers"], headers={"Accept": "application/json"})
    assert whole.status_code == 207
    assert [each["status"] for each in whole.json()["responses"]] == [404, 424, 424]


def test_wrong_lines_are_refused_and_nothing_is_kept(shop, ada) -> None:
    from django_batch.jobs.models import Item, Job

    lines = [{"path": "/api/me/"}, {"paht": "/"}, {"path": "/a", "depends_on": "nobody"}, {"path": "x y"}]
    response = ada.lines(lines)
    assert response.status_code == 400
    assert [each["pointer"] for each in response.json()["errors"]] == ["/1/paht", "/3/path"]
    response = ada.lines([{"path": "/api/me/", "id": "a"}, {"path": "/a", "depends_on": "nobody"}])
    assert response.json()["code"] == "unknown_dependency", response.content
    assert not Job.objects.exists()
    assert not Item.objects.exists()


def test_other_senders_see_nothing(shop, ada, ben, client) -> None:
    job = ada.get(ada.later([{"path": "/api/me/"}]).headers["Location"])
    url = f"/batch/jobs/{job.json()['id']}/"
    assert ada.get("/batch/jobs/").json()["results"][0] == job.json()
    assert ben.get("/batch/jobs/").json()["results"] == []
    for answer in (
        ben.get(url),
        ben.delete(url),
        ben.get(url + "answers/"),
        ben.post(url + "retry/"),
        ben.get(url + "monitor/"),
    ):
        assert answer.status_code == 404
    assert client.get(url, SERVER_NAME="localhost").status_code == 401
    assert client.get("/batch/jobs/", SERVER_NAME="localhost").status_code == 401


def test_item_with_a_key_is_done_once_in_whatever_batch(shop, ada, ben) -> None:
    first = ada.batch([subscribe("one", idempotency_key="a"), subscribe("two", idempotency_key="b")])
    assert first.status_code == 207, first.content
    Subscriber.objects.all().delete()
    mixed = ada.batch([subscribe("three", idempotency_key="c"), subscribe("one", idempotency_key="a")])
    assert [each["response"]["email"] for each in mixed.json()] == ["three@example.com", "one@example.com"]
    assert [each.email for each in Subscriber.objects.all()] == ["three@example.com"]
    alone = ada.batch([subscribe("one", idempotency_key="a")])
    assert alone.headers["Idempotent-Replayed"] == "true"
    assert ada.batch([subscribe("other", idempotency_key="a")]).json()["code"] == "key_reused"
    assert ben.batch([subscribe("other", idempotency_key="a")]).status_code == 207
    assert ada.batch([subscribe("x", idempotency_key="z"), subscribe("y", idempotency_key="z")]).status_code == 400
    job = ada.get(ada.lines([subscribe("one", idempotency_key="a"), subscribe("five")]).headers["Location"])
    assert job.json()["succeeded"] == 2
