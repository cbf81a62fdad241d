"""Batches whose time is over before all of it is run, by a clock that only a view moves."""

from __future__ import annotations

from functools import partial

import pytest
from django.http import HttpResponse
from django.urls import include, path

from django_batch.execution.executors.deadline import Deadline
from django_batch.testing import BatchClient
from example_project.bookshop.models import Order
from tests.bank.batches import fates

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]


class Clock:
    now = 0.0


def late(request):
    """After this, it is later."""
    Clock.now += 10
    return HttpResponse()


urlpatterns = [path("late/", late), path("", include("example_project.urls"))]


@pytest.fixture(autouse=True)
def clock(settings, monkeypatch):
    settings.BATCH = {"TIMEOUT": 5, "DRY_RUN": True}
    monkeypatch.setattr("django_batch.runs.Deadline", partial(Deadline, clock=lambda: Clock.now))


@pytest.fixture
def ada():
    client = BatchClient()
    client.credentials(HTTP_AUTHORIZATION="Token ada-token")
    return client


LATE = {"path": "/late/"}


def put(number: int, **members: object) -> dict[str, object]:
    return {"method": "PUT", "path": f"/api/orders/N-{number}/", "body": {}, **members}


def numbers() -> set[str]:
    return {*Order.objects.filter(number__startswith="N-").values_list("number", flat=True)}


def test_what_has_not_started_is_not_run(ada, bookshop):
    answers = ada.batch([put(1), LATE, put(2), put(3)])
    assert fates(answers) == ["201", "200", "424 not_run", "424 not_run"]
    assert answers[2]["body"]["detail"] == "Not run because the time of the batch was over."
    assert numbers() == {"N-1"}


@pytest.mark.parametrize("whole", [False, True])
def test_group_in_progress_is_rolled_back(ada, bookshop, whole):
    group = {} if whole else {"atomicity_group": "g"}
    answers = ada.batch([put(1, **group), {**LATE, **group}, put(2, **group)], atomic=whole)
    assert fates(answers) == ["424 rolled_back", "424 rolled_back", "424 not_run"]
    assert numbers() == set()


def test_group_whose_last_member_is_late_is_committed(ada, bookshop):
    group = {"atomicity_group": "g"}
    answers = ada.batch([put(1, **group), {**LATE, **group}, put(2)])
    assert fates(answers) == ["201", "200", "424 not_run"]
    assert numbers() == {"N-1"}


def test_dry_run_is_answered_as_far_as_it_came(ada, bookshop):
    assert fates(ada.batch([put(1), LATE, put(2)], dry_run=True)) == ["201", "200", "424 not_run"]
    assert numbers() == set()


def test_steps_on_threads_are_not_started_either(ada, bookshop, settings):
    settings.BATCH = {**settings.BATCH, "EXECUTOR": "django_batch.execution.executors.ThreadExecutor"}
    answers = ada.batch([LATE, put(1, depends_on="0"), put(2)], parallel=True)
    assert fates(answers)[1:] == ["424 not_run"] * 2


def test_batch_in_time_is_run_to_its_end(ada, bookshop):
    assert fates(ada.batch([put(1), put(2), LATE])) == ["201", "201", "200"]
