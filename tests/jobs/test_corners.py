"""Moments that take two at once, and databases that fail: each is made to happen here."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from django.db import OperationalError, connections, transaction
from django.urls import path, resolve

from django_batch.core.batch import Subrequest, Subresponse
from django_batch.errors import BatchError
from django_batch.execution.groups.database import Database
from django_batch.jobs import keeper, steps
from django_batch.jobs.finishing import finish_chunk, finish_job
from django_batch.jobs.item_keys import claim_keys
from django_batch.jobs.leases import LeaseLost, claim
from django_batch.jobs.models import Answer, Chunk, ItemKey, Job
from django_batch.jobs.reopening import not_final, reopen
from django_batch.jobs.repeating import may_be_repeated
from django_batch.jobs.running import run_chunk, settle_marks
from django_batch.jobs.storing import Record, subresponse_of
from django_batch.jobs.views import JobsView
from django_batch.throttling import BatchRateThrottle
from django_batch.views import BatchView
from tests.jobs.engines import Forgetful
from tests.jobs.test_exactly_once import die, lease_expires, names, write
from tests.jobs.urls import during, urlpatterns

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
ME = {"path": "/api/me/"}
KEY = {"Idempotency-Key": "k"}
GROUP = {"atomicity_group": "g"}


@pytest.fixture
def lost(shop, settings) -> Forgetful:
    engine = Forgetful()
    settings.JOBS = {**settings.JOBS, "ENGINE": engine}
    return engine


def record_of(chunk: Chunk, lease: int | None = None) -> Record:
    return Record(chunk, lease or chunk.lease, {"0": 0})


def test_worker_without_its_lease_can_do_nothing(lost, ada) -> None:
    ada.later([write("one", view="charge")])
    chunk = claim(lost.lost[0])
    stranger, subrequest = record_of(chunk, 1), Subrequest("0", "GET", "/")
    for act in (
        stranger.hold,
        lambda: stranger.store([Subresponse(subrequest, 200)]),
        lambda: stranger.start([subrequest]),
    ):
        with pytest.raises(LeaseLost):
            act()
    Answer.objects.create(job=chunk.job, position=0, chunk=0, lease=1, outcome=4, status=500, started=True)
    chunk.lease += 1
    with pytest.raises(LeaseLost):
        settle_marks(chunk)
    with pytest.raises(LeaseLost):
        finish_chunk(chunk)


def test_answer_that_another_worker_has_stored_is_not_stored_twice(lost, ada) -> None:
    ada.later([write("one")])
    chunk = claim(lost.lost[0])
    Answer.objects.create(job=chunk.job, position=0, chunk=0, lease=1, outcome=1, status=200)
    with pytest.raises(LeaseLost), transaction.atomic():
        record_of(chunk).store([Subresponse(Subrequest("0", "GET", "/"), 200)])
    assert not record_of(chunk).is_stored([Subrequest("0", "GET", "/")])


def test_job_is_ended_by_one(shop, ada) -> None:
    ada.later([ME])
    job = Job.objects.get()
    job.state = "running"
    assert not finish_job(job)


def test_chunk_without_open_items_is_finished(lost, ada) -> None:
    ada.later([ME])
    chunk = Chunk.objects.get()
    Answer.objects.create(job=chunk.job, position=0, chunk=0, lease=1, outcome=1, status=200)
    run_chunk(chunk.pk)
    assert Job.objects.get().state == "done"


def test_error_of_a_class_that_is_not_known_keeps_its_code() -> None:
    row = Answer(status=418, error={"code": "teapot", "status": 418, "detail": "Short and stout.", "pointer": "/0"})
    error = subresponse_of(row, Subrequest("0", "GET", "/")).error
    assert type(error) is BatchError
    assert (error.code, error.status, error.detail) == ("teapot", 418, "Short and stout.")


def test_view_that_is_not_found_may_be_repeated() -> None:
    assert may_be_repeated(None, "POST")
    assert may_be_repeated(resolve("/batch/"), "POST")


def test_only_sqlite_is_written_to_first() -> None:
    held = []
    record = SimpleNamespace(alias="a", hold=lambda: held.append(1))
    for vendor in ("postgresql", "sqlite"):
        with patch.object(steps, "connections", {"a": SimpleNamespace(vendor=vendor)}):
            steps._write_first(record)
    assert held == [1]


@contextmanager
def commits_fail(*, stored: bool):
    """Let the next commit raise, once it is done or without doing it."""
    kind = type(connections["default"])
    commit = kind._commit
    done = []

    def fail(self) -> None:
        if self.alias != "default" or done or not Answer.objects.exists():
            commit(self)
            return
        done.append(True)
        if stored:
            commit(self)
        raise OperationalError("the connection was lost")

    with patch.object(kind, "_commit", fail):
        yield


@pytest.mark.parametrize("members", [{}, GROUP])
@pytest.mark.parametrize("stored", [True, False])
def test_commit_whose_reply_is_lost_is_told_as_it_was(shop, ada, members, stored) -> None:
    with commits_fail(stored=stored):
        job = ada.get(ada.later([write("one", **members)]).headers["Location"])
    [answer] = ada.answers(job)
    assert (answer["status"], names()) == ((201, ["one"]) if stored else (500, []))
    assert stored or answer["body"]["code"] == "commit_failed"


def test_transaction_that_cannot_begin_is_told(shop, ada) -> None:
    def refuse(self, stack) -> None:
        raise OperationalError("no more connections")

    with patch.object(Database, "begin", refuse):
        job = ada.get(ada.later([write("one")]).headers["Location"])
    assert ada.answers(job)[0]["body"]["code"] == "transaction_broken"


def test_reference_that_finds_nothing_in_the_background_is_told(shop, ada) -> None:
    item = {"method": "POST", "path": "/charge/{me#/body/none}/", "depends_on": ["me"]}
    job = ada.get(ada.later([{**ME, "id": "me"}, item]).headers["Location"])
    assert ada.answers(job)[1]["body"]["code"] == "unresolved_reference"


def test_item_key_in_progress_is_a_conflict_and_one_without_an_answer_is_free(lost, ada, settings, engine) -> None:
    item = write("one", "?then=500", idempotency_key="a")
    ada.later([item], "/kept/")
    response = ada.batch([item], "/kept/")
    assert (response.status_code, response.json()["code"]) == (409, "in_progress")
    assert response.json()["errors"][0]["pointer"] == "/0/idempotency_key"
    settings.JOBS = {**settings.JOBS, "ENGINE": engine}
    run_chunk(lost.lost[0])
    assert ItemKey.objects.get().job.is_over
    assert [each["status"] for each in ada.batch([item], "/kept/").json()] == [500]
    assert ItemKey.objects.get().job == Job.objects.first()


def test_item_key_that_is_stored_in_this_moment_is_a_conflict(shop, ada) -> None:
    item = [{**ME, "idempotency_key": "a"}]
    ada.batch(item, "/kept/")
    with patch("django_batch.jobs.item_keys._known", return_value=[]):
        assert ada.batch(item, "/kept/").status_code == 409
    assert Job.objects.count() == 1
    assert claim_keys(Job(), []) == {}


def test_key_that_is_stored_in_this_moment_is_looked_for_again(shop, ada) -> None:
    ada.batch([ME], "/kept/", **KEY)
    known, calls = keeper._known, []

    def late(job):
        calls.append(job)
        return known(job) if len(calls) > 1 else None

    with patch.object(keeper, "_known", late):
        assert ada.batch([ME], "/kept/", **KEY).headers["Idempotent-Replayed"] == "true"
    with patch.object(keeper, "_known", lambda job: None):
        assert ada.batch([ME], "/kept/", **KEY).status_code == 503


def test_batch_that_is_sent_again_twice_is_taken_up_by_one(shop, ada) -> None:
    broken = [{"path": "/api/broken/"}]
    ada.batch(broken, "/kept/", **KEY)
    with patch("django_batch.jobs.replaying.reopen", return_value=False):
        assert ada.batch(broken, "/kept/", **KEY).status_code == 409
    with patch("django_batch.jobs.replaying.claim", return_value=None):
        assert ada.batch(broken, "/kept/", **KEY).status_code == 409
    job = ada.later(broken).json()
    with patch("django_batch.jobs.views.reopen", return_value=False):
        assert ada.post(f"/batch/jobs/{job['id']}/retry/").status_code == 409
    running = Job.objects.first()
    Job.objects.update(state="running")
    assert not reopen(running, not_final(running))


def test_background_job_with_a_key_in_progress(lost, ada) -> None:
    ada.later([ME], "/kept/", **KEY)
    assert ada.batch([ME], "/kept/", **KEY).status_code == 409
    assert ada.later([ME], "/kept/", **KEY).status_code == 202


def test_kept_batch_that_stops_keeps_what_was_not_run(shop, ada) -> None:
    batch = {"continue_on_error": False, "requests": [{"path": "/api/missing/"}, write("one")]}
    assert [each["status"] for each in ada.batch(batch, "/kept/", **KEY).json()["responses"]] == [404, 424]
    again = ada.batch(batch, "/kept/", **KEY)
    assert [each["status"] for each in again.json()["responses"]] == [404, 201]


def test_request_that_was_overtaken_is_a_conflict(shop, ada) -> None:
    def overtake() -> None:
        during.clear()
        Chunk.objects.update(lease=5)

    during.append(overtake)
    assert ada.batch([write("one")], "/kept/", **KEY).status_code == 409
    assert names() == []
    lease_expires()
    during.append(die)
    with pytest.raises(SystemExit):
        ada.batch([write("one")], "/kept/", **KEY)
    assert ada.batch([write("one")], "/kept/", **KEY).status_code == 207


def test_limits_of_a_batch_are_those_of_a_job(shop, ada, settings) -> None:
    settings.BATCH = {"LIMITS": {"tests.jobs.urls.write": 1}}
    items = [write("one"), ME, write("two")]
    for response in (ada.later(items), ada.lines(items), ada.batch(items, "/kept/", **KEY)):
        assert response.status_code in (400, 413, 429), response.content
        assert response.json()["code"] == "batch_limit_exceeded"
        assert not Job.objects.exists()


def test_limit_that_came_later_refuses_what_has_not_run(lost, ada, settings) -> None:
    ada.later([write("one"), write("two")])
    settings.BATCH = {"LIMITS": {"tests.jobs.urls.write": 1}}
    run_chunk(lost.lost[0])
    assert {row.error["code"] for row in Answer.objects.all()} == {"batch_limit_exceeded"}
    assert Job.objects.get().state == "done"


def test_batch_that_only_reads_does_so_in_the_background(shop, ada) -> None:
    assert ada.later({"read_only": True, "requests": [write("one")]}).status_code == 400
    job = ada.get(ada.later({"read_only": True, "requests": [ME]}).headers["Location"])
    assert ada.answers(job)[0]["body"]["username"] == "ada"
    assert Job.objects.get().options["read_only"] is True


class OneItem(BatchRateThrottle):
    rate = "3/day"


def test_throttle_of_batches_counts_the_items_of_jobs(shop, ada, settings) -> None:
    views = (path("slow/", BatchView.as_view(throttle_classes=[OneItem], keep=True)),)
    settings.ROOT_URLCONF = (*views, path("slow/jobs/", JobsView.as_view(throttle_classes=[OneItem])), *urlpatterns)
    assert [ada.later([ME, ME], "/slow/").status_code for _ in range(2)] == [202, 429]
    assert ada.lines([ME, ME], "/slow/jobs/").status_code == 429
    assert Job.objects.count() == 1
