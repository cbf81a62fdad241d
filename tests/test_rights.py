"""The second law: no batch does what its sender could not do with single requests.

Every attack is sent as a batch, and one request after another. Each answer of the batch is exactly the one that is
expected here, is no success that the sender would not have had alone, and no row changes that would not have alone.
"""

from __future__ import annotations

import json
import re
import sqlite3
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections

from django_batch.testing import BatchClient
from example_project.bookshop.models import Author

from .attacks.senders import CSRF_TOKEN, UPLOAD, WRONG_TOKEN, Attack, get, post
from .attacks.table import ATTACKS, GUESS
from .equivalence.client import Client
from .equivalence.senders import Sender, connect
from .equivalence.sites import Site
from .forms import form, part
from .roads import SOME

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.urls("tests.attacks.site"),
]

DOC = Path(__file__).parent.parent / "docs" / "explanation" / "security.md"
HEADING = "## What a batch cannot do"

Rows = set[tuple[object, ...]]


def rows() -> Rows:
    for connection in connections.all():
        connection.ensure_connection()
    return {row for connection in connections.all() for row in rows_of(connection.connection)}


def rows_of(database: sqlite3.Connection) -> Rows:
    """All that is in it, but for sessions and what differs each time that it is written."""
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {
        (table, *row)
        for table in tables
        if table != Session._meta.db_table
        for row in database.execute(f"SELECT {', '.join(columns_of(table, database))} FROM {table}")
    }


def columns_of(table: str, database: sqlite3.Connection) -> list[str]:
    columns = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
    return [name for name in columns if name not in ("password", "last_login")]


def answers_in_a_group(answers: list[int | str]) -> list[int | str]:
    """What becomes of `answers` where all is undone, and the rest not done, at the first failure."""
    failed = next((place for place, answer in enumerate(answers) if answer not in range(400)), None)
    if failed is None:
        return answers
    return ["rolled_back"] * failed + [answers[failed]] + ["not_run"] * (len(answers) - failed - 1)


def outcomes(response: Any) -> list[int | str]:
    """Of each item its status, or the code of its refusal."""
    return [outcome(answer["status"], answer["body"]) for answer in response.json()["responses"]]


def outcome(status: int, body: Any) -> int | str:
    return body["code"] if isinstance(body, dict) and "code" in body else status


def assert_refused(response: Any, attack: Attack) -> None:
    """The whole batch, and if by its code, with something to say of each item, or of each that is too many."""
    body = response.json() if response["Content-Type"].endswith("json") else {}
    assert outcome(response.status_code, body) == attack.answers
    expected = {"batch_limit_exceeded": len(attack.items) - 1, "too_many_requests": 1}
    assert len(body.get("errors", attack.items)) == expected.get(str(attack.answers), len(attack.items))


def assert_no_better(answers: Sequence[dict[str, Any]], alone: Sequence[Any]) -> None:
    """Each success was one alone too, with the same content."""
    for answer, response in zip(answers, alone, strict=True):
        assert "Set-Cookie" not in answer["headers"]
        if answer["status"] < 400:
            assert answer["status"] == response.status_code
            assert content(answer) in readings(response)


def content(answer: dict[str, Any]) -> object:
    if "body_base64" in answer:
        return b64decode(answer["body_base64"])
    return b"" if answer["body"] is None else answer["body"]


def readings(response: Any) -> list[object]:
    """What the body of `response` can be understood as."""
    found: list[object] = [response.content, urlsafe_b64encode(response.content).decode()]
    with suppress(ValueError, RecursionError):
        found.append(json.loads(response.content))
    with suppress(ValueError, LookupError):
        found.append(response.content.decode(response.charset))
    return found


def assert_no_gain(attack: Attack, restore: Callable[[], None], **members: bool) -> None:
    """`attack`, sent in a batch with these `members`, does what it is expected to, and what it does alone at most."""
    restore()
    before = rows()
    response = attack.sender.send_batch(attack.items, **attack.members, **members)
    changed = rows() ^ before
    restore()
    if not isinstance(attack.answers, list):
        assert_refused(response, attack)
        assert not changed
        return
    alone = attack.sender.send_alone(attack.items)
    assert outcomes(response) == (answers_in_a_group(attack.answers) if "atomic" in members else attack.answers)
    assert_no_better(response.json()["responses"], alone)
    assert changed <= (set() if "dry_run" in members else rows() ^ before)


MEMBERS = {"each": {}, "atomic": {"atomic": True}, "dry_run": {"dry_run": True}}


# In order, threads do what the serial executor does.
@pytest.mark.parametrize("road", [road for road in SOME if road.executor != "threads"], ids=str)
@pytest.mark.parametrize("members", MEMBERS.values(), ids=MEMBERS)
@pytest.mark.parametrize("name", ATTACKS)
def test_attack_does_no_better_in_a_batch_than_alone(bookshop, caplog, subtests, name, members, road):
    caplog.set_level("DEBUG", "django_batch")
    for number, attack in enumerate(each.on(road) for each in ATTACKS[name]):
        has_groups = any("atomicity_group" in item for item in attack.items)
        if members.keys() & attack.members.keys() or ("atomic" in members and has_groups):
            continue
        with subtests.test(number=number), attack.on_site():
            assert_no_gain(attack, bookshop, **members)
    assert all(len(record.getMessage().splitlines()) == 1 for record in caplog.records)


# A throttle may count requests that come at once as one, and the database of a tenant is in the memory of one thread.
@pytest.mark.parametrize("road", [road for road in SOME if road.executor != "serial"], ids=str)
@pytest.mark.parametrize("name", [name for name in ATTACKS if "throttle" not in name and "tenant" not in name])
def test_attack_does_no_better_side_by_side_than_alone(bookshop_in_files, subtests, name, road):
    for number, attack in enumerate(each.on(road) for each in ATTACKS[name]):
        with subtests.test(number=number), attack.on_site():
            assert_no_gain(attack, bookshop_in_files, parallel=True)


def test_every_attack_has_its_line_in_the_docs():
    section = DOC.read_text().partition(HEADING)[2].partition("\n## ")[0]
    assert re.findall(r"^\| (.+?) \|", section, re.MULTILINE)[2:] == [*ATTACKS]


# What remains, as the docs have it.


def guesses() -> int:
    return Author.objects.filter(name="a wrong guess").count()


@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=["atomic", "dry_run"])
def test_guess_that_is_rolled_back_is_not_counted(bookshop, members):
    client = BatchClient()
    assert [client.batch([GUESS])[0]["status"], guesses()] == [403, 1]
    assert [client.batch([GUESS], **members)[0]["status"], guesses()] == [403, 1]


@pytest.mark.parametrize("members", [{"atomic": True}, {"dry_run": True}], ids=["atomic", "dry_run"])
def test_guess_that_is_counted_outside_of_the_atomic_databases_is_counted_always(bookshop, settings, members):
    settings.BATCH = {"ATOMIC_DATABASES": ["archive"], "DRY_RUN": True}
    assert [BatchClient().batch([GUESS], **members)[0]["status"], guesses()] == [403, 1]


def test_throttle_counts_the_address_that_the_server_sees(bookshop):
    tries = [get("/api/recommendations/")] * 3
    near, far = BatchClient(REMOTE_ADDR="203.0.113.9"), BatchClient(REMOTE_ADDR="203.0.113.10")
    assert [answer["status"] for answer in near.batch(tries)] == [200, 200, 200]
    assert [answer["status"] for answer in far.batch(tries)] == [200, 200, 200]
    assert [answer["status"] for answer in near.batch(tries)] == [200, 200, 429]


PROFILE = {"method": "POST", "path": "/accounts/profile/", "body": "email=eve@example.org"}
EXCUSED_BATCH = json.dumps([{**PROFILE, "headers": {"Content-Type": "application/x-www-form-urlencoded"}}]).encode()


@pytest.mark.parametrize(
    ("content_type", "content", "answer"),
    [("application/json", EXCUSED_BATCH, (207, [403])), (UPLOAD, form(part("batch", EXCUSED_BATCH)), (403, []))],
    ids=["json", "form"],
)
def test_middleware_that_excuses_the_batch_from_the_csrf_check_excuses_nothing_in_it(
    bookshop, settings, content_type, content, answer
):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.attacks.site.ExcusingMiddleware"]
    client = connect(WSGIHandler(), Site(), Sender(login="ada", csrf="missing"))  # a test client sets the same mark
    found = client.exchange("POST", "/batch/", {"Content-Type": content_type}, content)
    assert (found.status, [each["status"] for each in json.loads(found.body) if found.status == 207]) == answer


def test_middleware_that_excuses_the_batch_makes_no_wrong_token_right(bookshop, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.attacks.site.ExcusingMiddleware"]
    client = Client(WSGIHandler(), headers={"Cookie": f"csrftoken={CSRF_TOKEN}", "X-CSRFToken": WRONG_TOKEN})
    items = [post("/enter/staff/"), post("/api/authors/", {"name": "Eve"})]
    found = client.exchange("POST", "/batch/", {"Content-Type": "application/json"}, json.dumps(items).encode())
    assert [each["status"] for each in json.loads(found.body)] == [200, 403]
