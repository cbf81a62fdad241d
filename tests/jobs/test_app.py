"""The app as a site has it: installed or not, its settings and checks, its tables, and the admin."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from contextlib import contextmanager
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections
from django.test import Client, RequestFactory
from django.urls import include, path
from django.utils import timezone

from django_batch import keeping
from django_batch.jobs.checks import check_settings, check_urls
from django_batch.jobs.conf import SETTINGS
from django_batch.jobs.models import Answer, Chunk, Item, ItemKey, Job
from django_batch.views import BatchView
from tests.jobs.conftest import sender
from tests.jobs.engines import Inline
from tests.jobs.test_exactly_once import names, write
from tests.markdown import ROOT
from tests.services import SERVICES, connected, database_or_skip

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
ME = {"path": "/api/me/"}

WITHOUT = """
import sys
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x", ALLOWED_HOSTS=["testserver"], ROOT_URLCONF="django_batch.urls",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "django_batch"],
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": []},
)
django.setup()
from django.core.checks import run_checks
from django.test import Client
assert not run_checks(), run_checks()
send = lambda content, **headers: Client().post("/", content, content_type="application/json", headers=headers)
assert send([{"path": "/"}], Prefer="respond-async", **{"Idempotency-Key": "k"}).status_code == 207
refused = send([{"path": "/", "idempotency_key": "k"}])
assert (refused.status_code, refused.json()["code"]) == (400, "cannot_be_kept"), refused.content
from django_batch.views import BatchView
from django.core.exceptions import ImproperlyConfigured
for ask in (lambda: BatchView.as_view(keep=True), lambda: BatchView().restore_sender("", {})):
    try:
        ask()
    except ImproperlyConfigured as error:
        assert "django_batch.jobs" in str(error)
    else:
        raise AssertionError
print([name for name in sys.modules if name.startswith("django_batch.jobs")])
"""


def test_nothing_of_the_app_is_imported_where_it_is_not_installed() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run([sys.executable, "-c", WITHOUT], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_view_cannot_promise_what_nobody_keeps(monkeypatch) -> None:
    monkeypatch.setattr(keeping, "keeper", None)
    with pytest.raises(ImproperlyConfigured, match=r"django_batch\.jobs"):
        BatchView.as_view(keep=True)


def test_item_key_is_refused_where_nobody_keeps_it(monkeypatch, shop, ada) -> None:
    monkeypatch.setattr(keeping, "keeper", None)
    assert ada.batch([{**ME, "idempotency_key": "k"}]).json()["code"] == "cannot_be_kept"
    assert ada.batch([ME]).status_code == 207


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], ["django_batch.E005"]),
        ({"CHUNKS": 5}, ["django_batch.E006"]),
        ({"CHUNK": 0, "LEASE": "1", "KEEP": 1}, ["django_batch.E007"] * 3),
        ({"ENGINE": "nothing.Here"}, ["django_batch.E007"]),
        ({"ENGINE": 5}, ["django_batch.E007"]),
        ({"COOKIES": ["sessionid"], "DATABASE": "nowhere"}, ["django_batch.E007"] * 2),
        ({"COOKIES": None, "DATABASE": ["default"]}, ["django_batch.E007"]),
        ({"COOKIES": ["theme"], "ENGINE": Inline, "KEEP": True, "MAX_JOBS": 1, "DATABASE": "archive"}, []),
    ],
)
def test_wrong_settings_are_found(settings, value, expected) -> None:
    settings.JOBS = value
    found = check_settings()
    assert [each.id for each in found] == expected
    assert "CHUNKS" not in str(value) or found[0].hint == "Did you mean 'CHUNK'?"
    assert SETTINGS["CHUNK"].__get__(None) in (100, 0)


def test_urls_of_jobs_are_looked_for(settings) -> None:
    assert check_urls() == []
    settings.ROOT_URLCONF = (path("own/", include("django_batch.jobs.urls")),)
    assert check_urls() == []
    settings.ROOT_URLCONF = (path("own/", BatchView.as_view()),)
    assert [each.id for each in check_urls()] == ["django_batch.W003"]


def test_urls_of_jobs_by_themselves(shop, ada, settings) -> None:
    from tests.jobs import urls

    own = (path("b/", BatchView.as_view()), path("b/jobs/", include("django_batch.jobs.urls")))
    settings.ROOT_URLCONF = (*own, *[each for each in urls.urlpatterns if "batch/" not in str(each.pattern)])
    job = ada.get(ada.later([ME], "/b/").headers["Location"])
    assert (job.json()["state"], job.json()["answers"][:8]) == ("done", "/b/jobs/")


def test_migrations_are_complete() -> None:
    call_command("makemigrations", "django_batch_jobs", check=True, dry_run=True, verbosity=0)


@contextmanager
def database(server: str):
    if server == "sqlite":
        yield "default"
        return
    with database_or_skip(server) as found, connected("elsewhere", found):
        yield "elsewhere"


def plans(alias: str) -> str:
    connection = connections[alias]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = off")
    jobs, chunks, answers = (model.objects.using(alias) for model in (Job, Chunk, Answer))
    queries = [
        jobs.filter(user_key="1").order_by("-pk"),
        jobs.filter(state="queued", background=True),
        jobs.filter(key="k"),
        chunks.filter(job=1, done=False),
        answers.filter(job=1, position__gt=5).order_by("position"),
        answers.filter(job=1, outcome=2, position__gt=5).order_by("position"),
    ]
    return "\n".join(each.explain() for each in queries)


@pytest.mark.parametrize("server", ["sqlite", *SERVICES])
def test_tables_are_made_and_dropped_on_every_database(server, django_db_blocker) -> None:
    with database(server) as alias, django_db_blocker.unblock():
        call_command("migrate", "django_batch_jobs", database=alias, verbosity=0)
        call_command("migrate", "django_batch_jobs", "zero", database=alias, verbosity=0)
        names = connections[alias].introspection.table_names()
        assert not [name for name in names if name.startswith("django_batch")]
        call_command("migrate", "django_batch_jobs", database=alias, verbosity=0)
        found = plans(alias)
        for index in ("job_sender", "chunk", "answer"):
            assert index in found, found
        assert Job.objects.using(alias).count() == 0


@pytest.fixture
def tables_elsewhere(shop):
    """The tables of the app on another database."""
    models = (Job, Chunk, Item, Answer, ItemKey)
    with connections["archive"].schema_editor() as editor:
        for model in models:
            editor.create_model(model)
    yield "archive"
    with connections["archive"].schema_editor() as editor:
        for model in reversed(models):
            editor.delete_model(model)


def test_jobs_are_kept_on_a_database_of_their_own(tables_elsewhere, ada, settings, engine) -> None:
    settings.JOBS = {"ENGINE": engine, "DATABASE": tables_elsewhere, "CHUNK": 2, "KEEP": True}
    group = {"atomicity_group": "g"}
    items = [write("one"), {**ME, "id": "me"}, write("two", **group), write("three", "?then=400", **group)]
    job = ada.get(ada.later([*items, write("four", "?then=raise")]).headers["Location"])
    assert [each["status"] for each in ada.answers(job)] == [201, 200, 424, 400, 500]
    assert names() == ["four", "one"]  # on another database, what raised is not rolled back
    kept = ada.batch([write("five"), {**ME, "idempotency_key": "a"}], "/kept/", **{"Idempotency-Key": "k"})
    assert kept.status_code == 207
    assert ada.lines([ME]).status_code == 202
    assert not Job.objects.exists()
    Job.objects.using(tables_elsewhere).update(expires=timezone.now())
    output = StringIO()
    call_command("prune_jobs", stdout=output)
    assert output.getvalue() == "3 jobs were deleted.\n"


@pytest.fixture
def staff(shop, settings) -> object:
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django.contrib.admin"]
    user = get_user_model().objects.get(username="staff")
    user.user_permissions.add(*Permission.objects.filter(content_type__app_label="django_batch_jobs"))
    return user


def test_admin_shows_jobs_and_changes_nothing(shop, ada, staff) -> None:
    job = ada.later([ME, {"path": "/api/missing/"}]).json()
    from django.contrib import admin

    from django_batch.jobs.admin import AnswerAdmin, JobAdmin

    request = RequestFactory().get("/")
    request.user = staff
    jobs, answers = JobAdmin(Job, admin.site), AnswerAdmin(Answer, admin.site)
    row = jobs.get_queryset(request).get()
    assert str(row) == job["id"]
    assert jobs.shown_state(row) == "done"
    assert 'max="2" value="2"' in jobs.progress(row)
    assert jobs.outcomes(row) == "1 succeeded, 1 failed, 0 not run, 0 unknown"
    assert not jobs.has_add_permission(request)
    assert not jobs.has_delete_permission(request)
    assert not answers.has_change_permission(request)
    assert answers.get_queryset(request).count() == 2


def test_admin_cancels_and_runs_again(shop, ada, staff, settings) -> None:
    from django.contrib import admin

    settings.ROOT_URLCONF = (
        path("admin/", admin.site.urls),
        *__import__("tests.jobs.urls", fromlist=["x"]).urlpatterns,
    )
    client = Client(SERVER_NAME="localhost", raise_request_exception=False)
    client.force_login(staff)
    ada.later([write("one", "?then=400"), ME])
    ada.later([ME])
    rows = [*Job.objects.all()]
    page = client.get("/admin/django_batch_jobs/job/")
    assert page.status_code == 200, page.content
    detail = client.get(f"/admin/django_batch_jobs/job/{rows[-1].pk}/change/")
    assert "/admin/django_batch_jobs/answer/?job__id__exact=" in detail.content.decode()
    failed = client.get(f"/admin/django_batch_jobs/answer/?job__id__exact={rows[-1].pk}&outcome__exact=2")
    assert failed.status_code == 200
    for action, told in (("retry_jobs", "1 jobs run again."), ("cancel_jobs", "2 jobs were cancelled.")):
        data = {"action": action, "_selected_action": [row.pk for row in rows]}
        answer = client.post("/admin/django_batch_jobs/job/", data, follow=True)
        assert told in answer.content.decode()


def test_rows_are_named_for_logs(shop, ada) -> None:
    ada.lines([{**ME, "idempotency_key": "k"}])
    job = Job.objects.get()
    assert [str(model.objects.get()) for model in (Chunk, Item, ItemKey)] == [f"{job.pk}/0"] * 3
    assert str(Answer.objects.get()) == f"{job.pk}/0: 200"
    assert apps.get_app_config("django_batch_jobs").verbose_name == "Batch jobs"
    assert sender is not None


def test_urls_of_a_site_without_the_app_are_those_of_batches_alone(monkeypatch) -> None:
    source = str(ROOT / "django_batch" / "urls.py")
    assert len(runpy.run_path(source)["urlpatterns"]) == 2
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "django_batch")
    assert len(runpy.run_path(source)["urlpatterns"]) == 1
