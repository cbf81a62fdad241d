"""What is stored is not run again, and what is run again was not stored."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from django_batch.jobs.leases import LeaseLost, claim
from django_batch.jobs.models import Answer, Chunk, Job
from django_batch.jobs.resuming import resume_all
from django_batch.jobs.running import run_chunk
from example_project.bookshop.models import Subscriber
from tests.jobs.conftest import Sender, sender
from tests.jobs.engines import Forgetful, Lossy
from tests.jobs.urls import during

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class Killed(BaseException):
    """The process has ended."""


def write(name: str, query: str = "", view: str = "write", **members: object) -> dict[str, object]:
    return {"method": "POST", "path": f"/{view}/{name}/{query}", **members}


def names() -> list[str]:
    return sorted(each.email.partition("@")[0] for each in Subscriber.objects.all())


def die() -> None:
    during.clear()
    raise SystemExit


def lease_expires() -> None:
    Chunk.objects.filter(done=False).update(lease_expires=timezone.now() - timedelta(hours=1))


def job_of(client: Sender, response: object) -> dict[str, object]:
    return client.get(response.headers["Location"]).json()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("then", "status", "stays"),
    [("", 201, True), ("?then=400", 400, True), ("?then=500", 500, True), ("?then=raise", 500, False)],
)
def test_single_item_is_committed_unless_its_view_raises(shop, ada, then, status, stays) -> None:
    job = ada.get(ada.later([write("one", then)]).headers["Location"])
    assert [each["status"] for each in ada.answers(job)] == [status]
    assert names() == ["one"] * stays


@pytest.mark.parametrize(
    ("then", "code"), [("swallow", "transaction_broken"), ("hook", "on_commit_failed"), ("commit", None)]
)
def test_transaction_of_single_item_that_went_wrong_is_told(shop, ada, then, code) -> None:
    job = ada.get(ada.later([write("one", f"?then={then}"), write("two")]).headers["Location"])
    first, second = ada.answers(job)
    assert (first["status"], second["status"]) == (500, 201)
    assert code is None or first["body"]["code"] == code
    assert names() == (["one", "two"] if then == "hook" else ["two"])
    assert job.json()["failed"] == 1


def test_hook_of_an_item_that_was_refused_is_told_too(shop, ada) -> None:
    job = ada.get(ada.later([write("one", "?then=hook&status=400")]).headers["Location"])
    assert ada.answers(job)[0]["body"]["code"] == "on_commit_failed"
    assert (job.json()["failed"], names()) == (1, ["one"])


@pytest.mark.parametrize("then", ["400", "raise", "hook"])
def test_group_is_done_or_not_and_told_so(shop, ada, then) -> None:
    group = {"atomicity_group": "g"}
    job = ada.get(ada.later([write("one", **group), write("two", f"?then={then}", **group)]).headers["Location"])
    statuses = [each["status"] for each in ada.answers(job)]
    assert statuses == {"400": [424, 400], "raise": [424, 500], "hook": [201, 500]}[then]
    assert names() == (["one", "two"] if then == "hook" else [])


@pytest.mark.parametrize("group", [{}, {"atomicity_group": "g"}])
def test_item_whose_worker_dies_is_run_again(shop, ada, settings, group) -> None:
    lost = Forgetful()
    settings.JOBS = {**settings.JOBS, "ENGINE": lost}
    response = ada.later([write("one"), write("two", **group), write("three", **group)])
    during.append(lambda: names() == ["one", "two"] and die())
    with pytest.raises(SystemExit):
        run_chunk(lost.lost[0])
    assert names() == ["one"]
    shown = job_of(ada, response)
    assert (shown["state"], shown["succeeded"]) == ("running", 1)
    run_chunk(lost.lost[0])  # another worker comes too early
    assert names() == ["one"]
    lease_expires()
    assert job_of(ada, response)["succeeded"] == 1
    run_chunk(lost.lost[0])
    assert job_of(ada, response)["succeeded"] == 3
    assert names() == ["one", "three", "two"]


@pytest.mark.parametrize("group", [{}, {"atomicity_group": "g"}])
def test_worker_that_was_taken_for_dead_changes_nothing(shop, ada, settings, group) -> None:
    lost = Forgetful()
    settings.JOBS = {**settings.JOBS, "ENGINE": lost}
    response = ada.later([write("one", **group), {"path": "/api/me/"}])

    def overtake() -> None:
        during.clear()
        Chunk.objects.update(lease=5)

    during.append(overtake)
    run_chunk(lost.lost[0])
    assert Chunk.objects.get().lease != 5  # rolled back with the item in this database of one connection
    assert not Answer.objects.exists()
    assert names() == []
    lease_expires()
    run_chunk(lost.lost[0])
    assert job_of(ada, response)["succeeded"] == 2


def test_view_that_must_not_be_repeated_is_told_as_unknown(shop, ada, settings) -> None:
    lost = Forgetful()
    settings.JOBS = {**settings.JOBS, "ENGINE": lost}
    response = ada.later([write("card", view="charge"), write("two")])
    during.append(die)
    with pytest.raises(SystemExit):
        run_chunk(lost.lost[0])
    assert job_of(ada, response)["unknown"] == 0
    lease_expires()
    run_chunk(lost.lost[0])
    job = ada.get(response.headers["Location"])
    assert (job.json()["unknown"], job.json()["succeeded"]) == (1, 1)
    first, second = ada.answers(job)
    assert (first["status"], first["body"]["code"], second["status"]) == (500, "outcome_unknown", 201)
    assert [each["id"] for each in ada.answers(job, "?status=unknown")] == ["0"]
    assert ada.post(f"/batch/jobs/{job.json()['id']}/retry/").json()["unknown"] == 1
    assert names() == ["two"]


def test_view_that_must_not_be_repeated_is_answered_as_others(shop, ada) -> None:
    group = {"atomicity_group": "g"}
    items = [write("card", view="charge"), write("a", view="charge", **group), write("b", view="charge", **group)]
    job = ada.get(ada.later(items).headers["Location"])
    assert [each["status"] for each in ada.answers(job)] == [201, 201, 201]
    assert (job.json()["unknown"], job.json()["succeeded"]) == (0, 3)
    assert not Answer.objects.filter(started=True).exists()


def test_engine_that_loses_and_doubles_runs_each_item_once(shop, ada, settings) -> None:
    lossy = Lossy()
    settings.JOBS = {**settings.JOBS, "ENGINE": lossy, "CHUNK": 1}
    response = ada.lines([write(f"n{number:02}") for number in range(60)])
    for _ in range(60):
        if job_of(ada, response)["state"] == "done":
            break
        Chunk.objects.update(submitted=timezone.now() - timedelta(hours=1))
        call_command("resume_jobs", stdout=StringIO())
    assert job_of(ada, response)["succeeded"] == 60
    assert names() == [f"n{number:02}" for number in range(60)]
    assert lossy.runs > 60


def test_lost_answer_of_a_kept_batch_is_given_when_it_is_sent_again(shop, ada) -> None:
    key = {"Idempotency-Key": '"k 1"'.replace(" ", "-")}
    during.append(lambda: names() == ["one", "two"] and die())
    batch = [write("one"), write("two"), write("three")]
    with pytest.raises(SystemExit):
        ada.batch(batch, "/kept/", **key)
    again = ada.batch(batch, "/kept/", **key)
    assert [each["status"] for each in again.json()] == [201, 201, 201]
    assert "Idempotent-Replayed" not in again.headers
    assert names() == ["one", "three", "two"]
    Subscriber.objects.all().delete()
    replayed = ada.batch(batch, "/kept/", **key)
    assert (replayed.content, replayed.headers["Idempotent-Replayed"]) == (again.content, "true")
    assert names() == []


def test_kept_batch_in_progress_is_a_conflict(shop, ada) -> None:
    found = []
    batch = [write("one"), {"path": "/api/me/"}]

    def same() -> None:
        during.clear()
        found.append(Context().run(lambda: ada.batch(batch, "/kept/", **{"Idempotency-Key": "k"})))

    during.append(same)
    # The same connection is in the transaction of the item, so the second request sees what the first has stored.
    assert ada.batch(batch, "/kept/", **{"Idempotency-Key": "k"}).status_code == 207
    assert found[0].status_code == 409
    assert found[0].json()["code"] == "in_progress"
    assert int(found[0].headers["Retry-After"]) > 0


def test_fifty_senders_of_one_key_run_it_once(shop, bookshop_in_files, settings) -> None:
    def send(number: int) -> tuple[int, bool]:
        try:
            answer = sender("ada").batch([write("one")], "/kept/", **{"Idempotency-Key": "k"})
            return answer.status_code, answer.headers.get("Idempotent-Replayed") == "true"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        answers = [*pool.map(send, range(50))]
    assert names() == ["one"]
    assert answers.count((207, False)) == 1
    assert {*answers} <= {(207, False), (207, True), (409, False)}


def test_lease_belongs_to_one_worker(shop, ada, settings) -> None:
    lost = Forgetful()
    settings.JOBS = {**settings.JOBS, "ENGINE": lost}
    ada.later([write("one")])
    assert claim(lost.lost[0])
    assert claim(lost.lost[0]) is None
    assert claim(10**9) is None
    assert resume_all() == 0
    lease_expires()
    assert resume_all() == 1
    assert issubclass(LeaseLost, Exception)
    assert Job.objects.get().state == "queued"
