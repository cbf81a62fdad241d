"""What is noticed of the statements in a group: those that end its transaction, and the errors that mean a conflict."""

from types import SimpleNamespace

import psycopg
import psycopg.errors
import psycopg.sql
import pymysql
import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection
from django.db.transaction import TransactionManagementError

from django_batch.execution.groups.statements import Statements, is_conflict

pytestmark = pytest.mark.django_db


class Psycopg2Error(Exception):
    """psycopg2 says `pgcode` where psycopg 3 says `sqlstate`."""

    pgcode = "40P01"


def caused_by(cause: Exception, *args: object) -> DatabaseError:
    error = OperationalError(*args)
    error.__cause__ = cause
    return error


def execute(sql: object, vendor: str = "sqlite") -> Statements:
    """What `sql` leaves behind; it is not sent anywhere."""
    statements = Statements()
    statements(lambda *args: None, sql, None, False, {"connection": fake(vendor)})
    return statements


def fake(vendor: str) -> SimpleNamespace:
    """A connection on which a transaction is in progress."""
    return SimpleNamespace(vendor=vendor, connection=SimpleNamespace(in_transaction=True))


def fail(error: Exception, *before: str) -> Statements:
    """What the statements `before` and a SELECT that ends with `error` leave behind."""

    def raise_error(*args: object) -> None:
        raise error

    statements, context = Statements(), {"connection": fake("mysql")}
    for sql in before:
        statements(lambda *args: None, sql, None, False, context)
    with pytest.raises(type(error)):
        statements(raise_error, "SELECT 1", None, False, context)
    return statements


@pytest.mark.parametrize("sql", ["SELECT 1", " select 1", "SAVEPOINT a", "RELEASE SAVEPOINT a"])
def test_statement_that_changes_nothing_is_not_suspicious(sql):
    assert not execute(sql).suspicious


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO a VALUES (1)",
        "/* why */ SELECT 1",
        "WITH a AS (DELETE FROM b RETURNING *) SELECT * FROM a",
        "SELECTED",
        psycopg.sql.SQL("SELECT 1"),
        "ROLLBACK TO SAVEPOINT a",
        "ROLLBACK WORK TO a",
        "rollback transaction to savepoint a",
        "BEGIN dbms_stats.gather(); END;",
        "COMMITTED",
        "ENDOW",
        "BEGINNING",
        "/* COMMIT */ INSERT INTO a VALUES (1)",
        "CREATE TABLE a (b INTEGER)",
    ],
    ids=str,
)
def test_any_other_statement_is_suspicious_until_it_is_accepted(sql):
    statements = execute(sql)
    assert statements.suspicious
    statements.accept()
    assert not statements.suspicious


@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT",
        " commit;",
        "COMMIT AND CHAIN",
        "END",
        "END TRANSACTION",
        "ABORT",
        "ROLLBACK",
        "\nRollback Work;",
        "ROLLBACK TRANSACTION",
        "BEGIN",
        "begin work;",
        "START TRANSACTION READ ONLY",
        "START  TRANSACTION",
        "/* who */ -- why\nCOMMIT",
        "/* BEGIN\n */BEGIN",
    ],
)
def test_statement_that_controls_the_transaction_is_refused_and_not_sent(sql):
    refused = pytest.raises(TransactionManagementError, match="forbidden in the transaction of a batch")
    with connection.execute_wrapper(Statements()), connection.cursor() as cursor, refused:
        cursor.execute(sql)
    assert connection.connection.in_transaction


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE a (b INTEGER)",
        "create or replace table a (b integer)",
        "/* why */ TRUNCATE a",
        "ALTER TABLE a ADD b INTEGER",
        "DROP TABLE a",
        "UNLOCK TABLES",
        "SET autocommit = 1",
        "set @@session.autocommit=0",
        "ANALYZE TABLE a",
        "optimize local table a",
        "CHECK TABLE a",
        "REPAIR TABLE a",
        "FLUSH STATUS",
    ],
)
def test_statement_before_which_mysql_commits_is_refused_there(sql):
    with pytest.raises(TransactionManagementError, match="forbidden in the transaction of a batch"):
        execute(sql, "mysql")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TEMPORARY TABLE a (b INTEGER)",
        "CREATE OR REPLACE TEMPORARY TABLE a (b INTEGER)",
        "drop temporary table a",
        "SET NAMES utf8mb4",
        "ANALYZE SELECT 1",
    ],
)
def test_any_other_is_not(sql):
    assert execute(sql, "mysql").suspicious


@pytest.mark.parametrize(
    "error",
    [
        caused_by(psycopg.errors.SerializationFailure()),
        caused_by(psycopg.errors.DeadlockDetected()),
        caused_by(Psycopg2Error()),
        OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction"),
        OperationalError(1205, "Lock wait timeout exceeded; try restarting transaction"),
        OperationalError(1020, "Record has changed since last read in table 'a'; try restarting transaction"),
        caused_by(pymysql.err.OperationalError(1205, "", sqlstate="HY000"), 1205, ""),
    ],
    ids=repr,
)
def test_error_of_another_transaction_in_the_way_is_a_conflict(error):
    assert is_conflict(error)
    assert fail(error).conflict is error


@pytest.mark.parametrize(
    "error",
    [
        caused_by(psycopg.errors.UniqueViolation()),
        caused_by(psycopg.errors.LockNotAvailable()),
        caused_by(ValueError(1213)),
        IntegrityError(1062, "Duplicate entry"),
        OperationalError("1213"),
        OperationalError(),
    ],
    ids=repr,
)
def test_any_other_error_is_no_conflict_but_suspicious(error):
    assert not is_conflict(error)
    statements = fail(error)
    assert statements.conflict is None
    assert statements.suspicious


@pytest.mark.parametrize(("code", "rolled_back"), [(1213, True), (1020, True), (1205, False), (1062, False)])
def test_error_with_which_mysql_ends_the_transaction_is_known(code, rolled_back):
    assert fail(OperationalError(code, "")).rolled_back is rolled_back


@pytest.mark.parametrize(
    "odd",
    [
        "EXECUTE IMMEDIATE 'COMMIT'",
        "/*!50000 COMMIT */",
        "# why\nCOMMIT",
        "BEGIN NOT ATOMIC COMMIT; END",
        "CALL a()",
        "SET STATEMENT max_statement_time = 1 FOR CHECK TABLE a",
        "UPDATE a SET b = 1; COMMIT",
    ],
)
def test_rollback_by_mysql_is_not_known_after_what_may_have_committed(odd):
    assert not fail(OperationalError(1213, ""), odd).rolled_back
    assert not fail(OperationalError(1205, ""), odd).timed_out


@pytest.mark.parametrize(
    "usual", ["INSERT INTO a VALUES (1)", " update a set b = 1", "ROLLBACK TO SAVEPOINT a", "SET @a = 1"]
)
def test_rollback_by_mysql_is_known_after_what_ends_nothing(usual):
    assert fail(OperationalError(1213, ""), usual).rolled_back
    assert fail(OperationalError(1205, ""), usual).timed_out


def test_rollback_by_sqlite_is_known():
    statements = Statements()
    with connection.execute_wrapper(statements), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE once (a INTEGER PRIMARY KEY)")
        cursor.execute("INSERT INTO once VALUES (1)")
        with pytest.raises(IntegrityError):
            cursor.execute("INSERT INTO once VALUES (1)")
        assert not statements.rolled_back
        statements.accept()
        with pytest.raises(IntegrityError):
            cursor.execute("INSERT OR ROLLBACK INTO once VALUES (1)")
    assert statements.rolled_back


def test_accepted_conflict_is_no_reason_to_run_the_group_again():
    statements = fail(OperationalError(1205, "Lock wait timeout exceeded"))
    statements.accept()
    assert statements.conflict is None


def test_error_that_is_not_of_the_database_passes_unnoticed():
    assert not fail(ValueError("1213")).suspicious
