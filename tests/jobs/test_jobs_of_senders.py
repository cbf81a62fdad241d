"""The URLs of jobs: what each shows, to whom, and how a job is ended before its time."""

from __future__ import annotations

import re
from datetime import timedelta
from random import Random
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_batch.jobs.models import Answer, Chunk, Item, ItemKey, Job
from django_batch.jobs.signals import job_accepted, job_finished
from tests.jobs.conftest import sender
from tests.jobs.engines import Forgetful
from tests.jobs.test_exactly_once import names, write
from tests.jobs.urls import during
from tests.roads import NIGHTLY

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
ME = {"path": "/api/me/"}


@pytest.fixture
def lost(shop, settings):
    """An engine that runs nothing."""
    engine = Forgetful()
    settings.JOBS = {**settings.JOBS, "ENGINE": engine}
    return engine


def test_list_is_paginated_newest_first(shop, ada) -> None:
    made = [ada.later([ME]).json()["id"] for _ in range(52)]
    first = ada.get("/batch/jobs/").json()
    second = ada.get(first["next"].replace("http://localhost", "")).json()
    assert [each["id"] for each in first["results"] + second["results"]] == made[::-1]
    assert first["previous"] is None


def test_cancelled_job_runs_nothing_more(lost, ada, settings, engine) -> None:
    settings.JOBS = {**settings.JOBS, "CHUNK": 2}
    job = ada.later([write(f"n{number}") for number in range(5)]).json()
    settings.JOBS = {**settings.JOBS, "ENGINE": engine}
    during.append(lambda: during.clear() or Job.objects.update(cancelled=True))
    Chunk.objects.update(submitted=None)
    shown = ada.get(f"/batch/jobs/{job['id']}/").json()
    assert (shown["state"], shown["succeeded"], shown["not_run"]) == ("cancelled", 1, 4)
    assert names() == ["n0"]
    assert ada.delete(f"/batch/jobs/{job['id']}/").status_code == 204
    assert ada.post(f"/batch/jobs/{job['id']}/retry/").status_code == 202
    assert ada.get(f"/batch/jobs/{job['id']}/").json()["succeeded"] == 5


def test_waiting_job_is_cancelled(lost, ada, settings, engine) -> None:
    job = ada.later([write("one")]).json()
    url = f"/batch/jobs/{job['id']}/"
    response = ada.delete(url)
    assert (response.status_code, response.headers["Retry-After"]) == (202, "2")
    assert ada.post(f"{url}retry/").status_code == 409
    assert ada.get(f"{url}answers/", headers={"Accept": "application/json"}).json()["code"] == "in_progress"
    settings.JOBS = {**settings.JOBS, "ENGINE": engine}
    assert ada.delete(url).status_code == 204
    assert (ada.get(url).json()["state"], names()) == ("cancelled", [])


@pytest.mark.parametrize("query", ["?status=wrong", "?after=-1", "?after=x", "?after=1234567890"])
def test_wrong_question_for_answers_is_refused(shop, ada, query) -> None:
    job = ada.later([ME]).json()
    assert ada.get(job["answers"] + query).status_code == 400


def test_expired_job_says_so_and_is_pruned(shop, ada, capsys) -> None:
    key = {"Idempotency-Key": "k"}
    item = write("one", idempotency_key="i")
    job = ada.later([ME]).json()
    ada.batch([item], "/kept/", **key)
    Job.objects.update(expires=timezone.now())
    url = f"/batch/jobs/{job['id']}/"
    assert ada.get(url).json()["state"] == "expired"
    for answer in (ada.get(f"{url}answers/"), ada.get(f"{url}monitor/"), ada.post(f"{url}retry/")):
        assert (answer.status_code, answer.json()["code"]) == (410, "job_expired")
    again = ada.batch([write("two", idempotency_key="i")], "/kept/", **key)
    assert [each["status"] for each in again.json()] == [201]
    Job.objects.filter(expires__gt=timezone.now()).update(key=None)
    ada.batch([write("three", idempotency_key="j")], "/kept/")
    Job.objects.update(expires=timezone.now())
    assert ada.batch([write("four", idempotency_key="j")], "/kept/").status_code == 207
    Job(state="accepting", created=timezone.now() - timedelta(days=2), expires=timezone.now() + timedelta(1)).save()
    call_command("prune_jobs")
    assert capsys.readouterr().out == "4 jobs were deleted.\n"
    assert [model.objects.count() for model in (Job, Chunk, Item, ItemKey, Answer)] == [1, 1, 0, 1, 1]


def test_sender_has_few_open_jobs(lost, ada, ben, settings) -> None:
    settings.JOBS = {**settings.JOBS, "MAX_JOBS": 2}
    assert [ada.later([ME]).status_code for _ in range(2)] == [202, 202]
    for response in (ada.later([ME]), ada.lines([ME])):
        assert (response.status_code, response.json()["code"]) == (429, "too_many_jobs")
        assert response.headers["Retry-After"]
    assert ben.later([ME]).status_code == 202


def test_large_answer_is_kept_without_its_body(shop, ada, settings) -> None:
    settings.JOBS = {**settings.JOBS, "MAX_ANSWER": 100}
    job = ada.get(ada.later([write("one", "?size=200"), write("two", "?size=5")]).headers["Location"])
    first, second = ada.answers(job)
    assert (first["status"], first["body"]["code"]) == (201, "body_too_large")
    assert second["body"]["padding"] == "xxxxx"
    settings.BATCH = {"MAX_RESPONSE_SIZE": 10}
    assert ada.get(job.json()["answers"], headers={"Accept": "application/json"}).status_code == 413


def test_progress_is_one_query_over_chunks(shop, ada) -> None:
    ada.later([ME] * 5)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert Job.objects.only("pk").get().counts().succeeded == 5
    assert len(queries) == 2
    assert "chunk" in queries[1]["sql"]
    assert not re.search("answer|item", queries[1]["sql"])


def test_signals_and_log_lines_tell_of_a_job(shop, ada, caplog) -> None:
    told = []

    def tell(*, job, signal, **kwargs) -> None:
        told.append((signal, job.shown_state))

    job_accepted.connect(tell)
    job_finished.connect(tell)
    try:
        with caplog.at_level("INFO", "django_batch.jobs"):
            ada.later([ME, {"path": "/api/missing/"}])
    finally:
        job_accepted.disconnect(tell)
        job_finished.disconnect(tell)
    assert told == [(job_accepted, "queued"), (job_finished, "done")]
    first, second = [record.getMessage() for record in caplog.records if record.name == "django_batch.jobs"]
    assert first.endswith("accepted: 2 items")
    assert second.endswith("done: 1 succeeded, 1 failed, 0 not run, 0 unknown")


def test_senders_see_their_own_and_staff_with_the_permission_all(lost, settings, engine) -> None:
    settings.JOBS = {**settings.JOBS, "MAX_JOBS": 10_000}
    random, clients = Random(7), {name: sender(name) for name in ("ada", "ben", "partner", "staff")}
    staff = get_user_model().objects.get(username="staff")
    staff.user_permissions.add(*Permission.objects.filter(codename__in=["view_job", "change_job"]))
    owners: dict[str, str] = {}
    for number in range(10_000 if NIGHTLY else 150):
        name = random.choice([*clients])
        client = clients[name]
        if not owners or random.random() < 0.2:
            ask = client.later([ME]) if random.random() < 0.5 else client.lines([ME])
            owners[ask.json()["id"]] = name
            continue
        asked = random.choice([*owners, str(uuid4())])
        verb, path = random.choice(
            [("get", ""), ("get", "answers/"), ("get", "monitor/"), ("post", "retry/"), ("delete", "")]
        )
        response = getattr(client, verb)(f"/batch/jobs/{asked}/{path}")
        seen = owners.get(asked) == name or (asked in owners and name == "staff")
        assert (response.status_code != 404) == seen, (number, name, verb, path)
        listed = client.get("/batch/jobs/").json()["results"]
        assert {owners[each["id"]] for each in listed} <= {name}


def test_staff_that_may_only_look_changes_nothing(shop, ada) -> None:
    url = f"/batch/jobs/{ada.later([ME]).json()['id']}/"
    get_user_model().objects.get(username="staff").user_permissions.add(Permission.objects.get(codename="view_job"))
    client = sender("staff")
    assert [client.get(url).status_code, client.delete(url).status_code, client.post(f"{url}retry/").status_code] == [
        200,
        404,
        404,
    ]


def test_staff_without_the_permission_sees_its_own(shop, ada) -> None:
    job = ada.later([ME]).json()
    assert sender("staff").get(f"/batch/jobs/{job['id']}/").status_code == 404


def test_job_answers_as_odata_says(lost, ada, settings, engine) -> None:
    batch = {"requests": [{"id": "1", "method": "get", "url": "/api/me/"}]}
    response = ada.later(batch, "/odata/")
    assert response.status_code == 202
    monitor = response.headers["Location"]
    assert monitor.endswith("/monitor/")
    waiting = ada.get(monitor)
    assert (waiting.status_code, waiting.headers["Location"]) == (202, monitor)
    settings.JOBS = {**settings.JOBS, "ENGINE": engine}
    Chunk.objects.update(submitted=None)
    done = ada.get(monitor)
    assert (done.status_code, done.headers["AsyncResult"]) == (200, "200")
    assert done.json()["responses"][0]["status"] == 200
    assert ada.get(response.json()["answers"]).status_code == 200
    assert ada.delete(monitor).status_code == 204


def test_dialect_that_cannot_wait_says_so_in_its_own_form(shop, ada) -> None:
    part = b"--b\r\nContent-Type: application/http\r\n\r\nGET /api/me/ HTTP/1.1\r\n\r\n\r\n--b--\r\n"
    headers = {"Prefer": "respond-async"}
    response = ada.post("/google/", part, content_type="multipart/mixed; boundary=b", headers=headers)
    assert response.status_code == 400
    assert b"cannot be kept" in response.content


def test_url_without_the_urls_of_jobs_answers_at_once(shop, ada, settings) -> None:
    from tests.jobs import urls

    settings.ROOT_URLCONF = tuple(each for each in urls.urlpatterns if "batch/" not in str(each.pattern))
    assert ada.later([ME], "/forgotten/").status_code == 207


@pytest.mark.parametrize(
    ("batch", "pointer"),
    [
        ({"dry_run": True, "requests": [ME]}, "/dry_run"),
        ({"atomic": True, "requests": [{**ME, "idempotency_key": "k"}]}, None),
    ],
)
def test_batch_that_cannot_be_kept_is_refused(shop, ada, batch, pointer) -> None:
    response = ada.later(batch)
    assert (response.status_code, response.json()["code"]) == (400, "cannot_be_kept")
    assert pointer is None or response.json()["errors"][0]["pointer"] == pointer


def test_batch_with_files_cannot_be_kept(shop, ada) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    data = {
        "batch": '[{"method": "POST", "path": "/api/echo/", "files": {"a": "f"}}]',
        "f": SimpleUploadedFile("f", b"x"),
    }
    response = ada.post("/batch/", data, headers={"Prefer": "respond-async"})
    assert response.status_code == 400


def test_key_on_a_url_that_keeps_nothing(shop, ada) -> None:
    assert ada.batch([write("one")], "/forgotten/", **{"Idempotency-Key": "k"}).status_code == 207
    assert not Job.objects.exists()
    response = ada.batch([{**ME, "idempotency_key": "k"}], "/forgotten/")
    assert (response.status_code, response.json()["code"]) == (400, "cannot_be_kept")


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "ä", '"open'])
def test_key_that_is_none_is_refused(shop, ada, key) -> None:
    if key != '"open':  # which is a bare key
        assert ada.batch([ME], "/kept/", **{"Idempotency-Key": key}).status_code == 400


def test_key_in_the_background_is_answered_with_its_job(shop, ada, settings, engine) -> None:
    key = {"Idempotency-Key": '"a\\"b"'}
    batch = [write("one"), {"path": "/api/broken/"}]
    first = ada.later(batch, "/kept/", **key)
    second = ada.later(batch, "/kept/", **key)
    assert first.json()["id"] == second.json()["id"]
    assert names() == ["one"]
    settings.JOBS = {**settings.JOBS, "ENGINE": Forgetful()}
    assert ada.batch(batch, "/kept/", **key).status_code == 409
    settings.JOBS = {**settings.JOBS, "ENGINE": engine}
    assert ada.later([write("x")], "/kept/", **key).status_code == 422
    good = [write("two")]
    ada.later(good, "/kept/", **{"Idempotency-Key": "g"})
    assert ada.batch(good, "/kept/", **{"Idempotency-Key": "g"}).headers["Idempotent-Replayed"] == "true"
    assert ada.later(good, "/kept/", **{"Idempotency-Key": "g"}).status_code == 202


def test_view_that_is_gone_runs_nothing(lost, ada, settings, engine, caplog) -> None:
    from tests.jobs import urls

    ada.later([write("one")], "/kept/")
    kept = next(each for each in urls.urlpatterns if "kept/" in str(each.pattern))
    from django.urls import path

    for others in ([], [path("kept/", urls.page)]):
        settings.ROOT_URLCONF = (*others, *[each for each in urls.urlpatterns if each is not kept])
        from django_batch.jobs.running import run_chunk_safely

        run_chunk_safely(lost.lost[0])
        assert "could not be run" in caplog.text
        Chunk.objects.update(lease_expires=None)
    assert names() == []


def test_kept_batch_on_the_loop_is_stored(shop, ada) -> None:
    first = ada.batch([write("one")], "/loop/", **{"Idempotency-Key": "k"})
    second = ada.batch([write("one")], "/loop/", **{"Idempotency-Key": "k"})
    assert (first.status_code, second.content) == (207, first.content)
    assert names() == ["one"]
