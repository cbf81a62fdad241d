"""Everything that can go wrong in a view once it has written, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from threading import Barrier, get_ident

from django.db import DatabaseError, Error, IntegrityError, connections, transaction
from django.http import HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.utils.translation import get_language

from tests.bank.models import Entry

NOBODY = 999_999  # the id of no account
DUPLICATE = "INSERT {} INTO bank_entry (reference, amount) VALUES (%s, 0)"

END_OWN = {"postgresql": "SELECT pg_terminate_backend(pg_backend_pid())", "mysql": "KILL CONNECTION_ID()"}

Mishap = Callable[[str, str], HttpResponseBase]
MISHAPS: dict[str, Mishap] = {}


def mishap(function: Mishap) -> Mishap:
    MISHAPS[function.__name__] = function
    return function


def created(status: int = 201) -> HttpResponse:
    return HttpResponse(status=status)


@mishap
def nothing(alias: str, reference: str) -> HttpResponse:
    return created()


@mishap
def refuse(alias: str, reference: str) -> HttpResponse:
    return HttpResponse("No, on second thoughts.", status=400)


@mishap
def redirect(alias: str, reference: str) -> HttpResponse:
    return HttpResponse(status=302, headers={"Location": "/"})


@mishap
def moved(alias: str, reference: str) -> HttpResponse:
    return HttpResponse(status=301, headers={"Location": "/elsewhere/"})


@mishap
def crash(alias: str, reference: str) -> HttpResponse:
    raise RuntimeError(reference)


@mishap
def interrupt(alias: str, reference: str) -> HttpResponse:
    raise KeyboardInterrupt


@mishap
def stream(alias: str, reference: str) -> StreamingHttpResponse:
    """Fails when the view has long been left."""

    def chunks() -> Iterator[bytes]:
        yield b"half of it"
        raise RuntimeError(reference)

    return StreamingHttpResponse(chunks())


@mishap
def swallow(alias: str, reference: str) -> HttpResponse:
    """What the ORM does without a savepoint, Django marks for rollback."""
    with suppress(IntegrityError):
        Entry.objects.using(alias).create(reference=reference)
    return created()


@mishap
def swallow_raw(alias: str, reference: str) -> HttpResponse:
    """What a cursor does, Django does not mark: PostgreSQL alone knows that nothing more can be done."""
    with suppress(IntegrityError), connections[alias].cursor() as cursor:
        cursor.execute(DUPLICATE.format(""), [reference])
    return created()


@mishap
def swallow_driver(alias: str, reference: str) -> HttpResponse:
    """What is done with the driver's own connection, no wrapper of Django's sees."""
    connection = connections[alias]
    cursor = connection.connection.cursor()
    with suppress(connection.Database.Error):
        cursor.execute(f"INSERT INTO bank_entry (reference, amount) VALUES ('{reference}', 0)")
    cursor.close()
    return created()


@mishap
def rollback_driver(alias: str, reference: str) -> HttpResponse:
    connections[alias].connection.rollback()
    return created()


@mishap
def commit_driver(alias: str, reference: str) -> HttpResponse:
    connections[alias].connection.commit()
    return created()


@mishap
def commit_and_crash(alias: str, reference: str) -> HttpResponse:
    connections[alias].connection.commit()
    raise RuntimeError(reference)


@mishap
def commit_and_begin_driver(alias: str, reference: str) -> HttpResponse:
    driver = connections[alias].connection
    driver.commit()
    driver.execute("BEGIN")
    return created()


@mishap
def close_driver(alias: str, reference: str) -> HttpResponse:
    connections[alias].connection.close()
    return created()


@mishap
def insert_or_rollback(alias: str, reference: str) -> HttpResponse:
    """SQLite ends the whole transaction here, and Django does not know."""
    with suppress(IntegrityError), connections[alias].cursor() as cursor:
        cursor.execute(DUPLICATE.format("OR ROLLBACK"), [reference])
    return created()


@mishap
def begin(alias: str, reference: str) -> HttpResponse:
    return _execute(alias, "begin")


@mishap
def commit(alias: str, reference: str) -> HttpResponse:
    return _execute(alias, "COMMIT")


@mishap
def rollback(alias: str, reference: str) -> HttpResponse:
    return _execute(alias, " Rollback Work")


@mishap
def commented_commit(alias: str, reference: str) -> HttpResponse:
    return _execute(alias, "/* as some\ntools do */ COMMIT")


@mishap
def define(alias: str, reference: str) -> HttpResponse:
    """MySQL commits before it defines a table."""
    return _execute(alias, "CREATE TABLE bank_plan (id INTEGER)")


@mishap
def swallow_commit(alias: str, reference: str) -> HttpResponse:
    with suppress(Error):
        _execute(alias, "COMMIT")
    return created()


def _execute(alias: str, statement: str) -> HttpResponse:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
    return created()


@mishap
def mark(alias: str, reference: str) -> HttpResponse:
    transaction.set_rollback(True, using=alias)
    return created()


@mishap
def close(alias: str, reference: str) -> HttpResponse:
    connections[alias].close()
    return created()


@mishap
def connect(alias: str, reference: str) -> HttpResponse:
    connections[alias].close()
    connections[alias].connect()
    return created()


@mishap
def left_open(alias: str, reference: str) -> HttpResponse:
    """Begins what it never ends."""
    transaction.atomic(using=alias).__enter__()
    return created()


@mishap
def crash_left_open(alias: str, reference: str) -> HttpResponse:
    transaction.atomic(using=alias).__enter__()
    raise RuntimeError(reference)


@mishap
def durable(alias: str, reference: str) -> HttpResponse:
    with transaction.atomic(using=alias, durable=True):
        return created()


@mishap
def savepoint(alias: str, reference: str) -> HttpResponse:
    """Takes back a part of its own work only."""
    with suppress(RuntimeError), transaction.atomic(using=alias):
        Entry.objects.using(alias).create(reference=f"{reference}-undone")
        raise RuntimeError(reference)
    return created()


@mishap
def savepoint_conflict(alias: str, reference: str) -> HttpResponse:
    """Lives with the error of its own savepoint."""
    with suppress(IntegrityError), transaction.atomic(using=alias):
        Entry.objects.using(alias).create(reference=reference)
    return created()


@mishap
def orphan(alias: str, reference: str) -> HttpResponse:
    """Leaves a row that refers to none, which a deferred constraint finds at the end."""
    Entry.objects.using(alias).create(reference=f"{reference}-orphan", account_id=NOBODY)
    return created()


@mishap
def hidden_orphan(alias: str, reference: str) -> HttpResponse:
    """The same, so that only the commit itself can find it."""
    cursor = connections[alias].connection.cursor()
    columns, values = "reference, amount, account_id", f"'{reference}-orphan', 0, {NOBODY}"
    cursor.execute(f"INSERT INTO bank_entry ({columns}) VALUES ({values})")
    cursor.close()
    return created()


@mishap
def hook(alias: str, reference: str) -> HttpResponse:
    """What is done after the commit is written down, with the language it was done in."""
    transaction.on_commit(partial(_note, alias, f"{reference}-hook"), using=alias)
    return created()


@mishap
def nested_hook(alias: str, reference: str) -> HttpResponse:
    def outer() -> None:
        _note(alias, f"{reference}-outer")
        transaction.on_commit(partial(_note, alias, f"{reference}-inner"), using=alias)

    transaction.on_commit(outer, using=alias)
    return created()


@mishap
def raising_hook(alias: str, reference: str) -> HttpResponse:
    """As alone, its own hook that follows is lost."""
    transaction.on_commit(partial(_note, alias, f"{reference}-before"), using=alias)
    transaction.on_commit(lambda: crash(alias, reference), using=alias)
    transaction.on_commit(partial(_note, alias, f"{reference}-after"), using=alias)
    return created()


@mishap
def robust_hook(alias: str, reference: str) -> HttpResponse:
    transaction.on_commit(lambda: crash(alias, reference), using=alias, robust=True)
    return hook(alias, reference)


@mishap
def savepoint_hook(alias: str, reference: str) -> HttpResponse:
    """A hook of what was taken back is dropped with it."""
    with suppress(RuntimeError), transaction.atomic(using=alias):
        hook(alias, reference)
        raise RuntimeError(reference)
    return created()


@mishap
def looking_hook(alias: str, reference: str) -> HttpResponse:
    """Notes whether a transaction is in progress on any database."""

    def look() -> None:
        _note(alias, f"{reference}-{any(each.in_atomic_block for each in connections.all())}")

    transaction.on_commit(look, using=alias)
    return created()


def _note(alias: str, reference: str) -> None:
    Entry.objects.using(alias).create(reference=f"{reference}-{get_language()}")


@mishap
def lose(alias: str, reference: str) -> HttpResponse:
    """The server ends the connection."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        cursor.execute(END_OWN[connection.vendor])
    return created()


@mishap
def swallow_lose(alias: str, reference: str) -> HttpResponse:
    with suppress(Error):
        lose(alias, reference)
    return created()


@mishap
def lose_server(alias: str, reference: str) -> HttpResponse:
    """The server ends the connection, and takes no other."""
    connections[alias].settings_dict["PORT"] = 1
    return lose(alias, reference)


@mishap
def copy(alias: str, reference: str) -> HttpResponse:
    """PostgreSQL's own COPY, which no wrapper of Django's sees."""
    statement = "COPY bank_entry (reference, amount) FROM STDIN"
    swallowed = suppress(connections[alias].Database.Error)
    with swallowed, connections[alias].cursor() as cursor, cursor.copy(statement) as rows:
        rows.write_row((f"{reference}-copied", 0))
        rows.write_row((f"{reference}-copied", 0))
    return created()


@mishap
def autocommit_off(alias: str, reference: str) -> HttpResponse:
    """Begins what it never ends."""
    connections[alias].set_autocommit(False)
    Entry.objects.using(alias).create(reference=f"{reference}-pending")
    return created()


@mishap
def lose_unseen(alias: str, reference: str) -> HttpResponse:
    """The server ends the connection, which nobody has noticed yet."""
    connection = connections[alias]
    if connection.vendor == "postgresql":
        execute_elsewhere(alias, f"SELECT pg_terminate_backend({connection.connection.info.backend_pid}, 5000)")
    else:
        execute_elsewhere(alias, f"KILL {connection.connection.thread_id()}")
    return created()


@mishap
def lose_after_commit(alias: str, reference: str) -> HttpResponse:
    """The server ends the connection as soon as it has committed."""
    _lose_after(alias, "commit")
    return created()


@mishap
def lose_reply(alias: str, reference: str) -> HttpResponse:
    """The server commits, and nobody hears that it has."""
    driver, lost = connections[alias].connection, connections[alias].Database.OperationalError

    def commit() -> None:
        type(driver).commit(driver)
        lose_unseen(alias, "")
        raise lost("The connection is lost.")

    driver.commit = commit
    return created()


def _lose_after(alias: str, ending: str) -> None:
    driver = connections[alias].connection

    def end() -> None:
        getattr(type(driver), ending)(driver)
        lose_unseen(alias, "")

    setattr(driver, ending, end)


def execute_elsewhere(alias: str, statement: str) -> None:
    """Execute `statement` and commit, on a connection of its own."""
    connection = connections.create_connection(alias)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


class Meeting:
    """Where two threads wait for each other, the first time that each of them comes."""

    def __init__(self) -> None:
        self._barrier = Barrier(2)
        self._came: set[int] = set()

    def attend(self) -> None:
        if get_ident() not in self._came:
            self._came.add(get_ident())
            self._barrier.wait(timeout=20)


meeting = Meeting()  # a test puts its own here
conflicts: list[DatabaseError] = []  # what the server is made to say, one each time that it is asked


@mishap
def conflict(alias: str, reference: str) -> HttpResponse:
    """Another transaction is in the way, as often as the test says."""

    def say(execute: Callable[..., object], *args: object) -> object:
        if conflicts:
            raise conflicts.pop(0)
        return execute(*args)

    with connections[alias].execute_wrapper(say):
        Entry.objects.using(alias).count()
    return created()


@mishap
def conflict_lost(alias: str, reference: str) -> HttpResponse:
    """Another transaction is in the way, and the server ends the connection as soon as it has rolled back."""
    if conflicts:
        _lose_after(alias, "rollback")
    return conflict(alias, reference)


@mishap
def swallow_conflict(alias: str, reference: str) -> HttpResponse:
    with suppress(DatabaseError):
        conflict(alias, reference)
    return created()


said: tuple[object, object] = ("SELECT 1", None)  # a test puts its own statement and parameters here


@mishap
def say(alias: str, reference: str) -> HttpResponse:
    with connections[alias].cursor() as cursor:
        cursor.execute(*said)
    return created()


@mishap
def tell_settings(alias: str, reference: str) -> HttpResponse:
    """Whose rights PostgreSQL looks at, and what two settings are."""
    with connections[alias].cursor() as cursor:
        settings = "coalesce(current_setting('bank.tenant', true), ''), current_setting('statement_timeout')"
        cursor.execute(f"SELECT current_user::text = session_user::text, {settings}")
        return JsonResponse({"settings": cursor.fetchone()}, status=201)


@mishap
def swallow_timeout(alias: str, reference: str) -> HttpResponse:
    """A lock wait timeout with which the server rolls the whole transaction back."""
    response = swallow_conflict(alias, reference)
    connections[alias].connection.rollback()
    return response
