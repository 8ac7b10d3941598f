"""Which errors mean that the database is out, and what is said of them."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
)
from psycopg import errors

from reco_plugin.exceptions import StoreError
from reco_plugin.outages import in_words, is_of_database, is_outage, is_passing, sqlstate


def wrapped(kind: type[Exception], cause: Exception) -> Exception:
    error = kind(str(cause))
    error.__cause__ = cause
    return error


OUT = [
    wrapped(OperationalError, errors.QueryCanceled("canceling statement")),
    wrapped(OperationalError, errors.LockNotAvailable("canceling statement due to lock timeout")),
    wrapped(OperationalError, errors.AdminShutdown("terminating connection")),
    wrapped(OperationalError, errors.CannotConnectNow("the database system is starting up")),
    wrapped(OperationalError, errors.TooManyConnections("sorry, too many clients already")),
    wrapped(OperationalError, errors.DiskFull("could not extend file")),
    wrapped(InternalError, errors.ReadOnlySqlTransaction("cannot execute INSERT")),
    wrapped(OperationalError, psycopg.OperationalError("connection refused")),
    InterfaceError("the connection is closed"),
    OperationalError("database is locked"),
]
WRONG = [
    wrapped(IntegrityError, errors.UniqueViolation("duplicate key")),
    wrapped(ProgrammingError, errors.SyntaxError("syntax error")),
    wrapped(DataError, errors.NumericValueOutOfRange("out of range")),
    ValueError("a bug of the shop"),
    KeyError("another"),
]


@pytest.mark.parametrize("error", OUT, ids=str)
def test_an_outage(error):
    assert is_outage(error)
    assert is_passing(error)


@pytest.mark.parametrize("error", WRONG, ids=str)
def test_a_mistake_is_none(error):
    assert not is_outage(error)
    assert not is_passing(error)


@pytest.mark.parametrize(
    "cause", [errors.DeadlockDetected("x"), errors.UndefinedTable("x"), errors.UndefinedColumn("x")]
)
def test_what_may_pass_but_is_no_outage(cause):
    error = wrapped(OperationalError, cause)
    assert is_passing(error)
    assert not is_outage(error)


def test_sqlite_tells_a_mistake_from_an_outage():
    connection = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError) as told:
        connection.execute("SELECT 1 FROM no_such_table")
    connection.close()
    assert not is_outage(wrapped(OperationalError, told.value))


def test_a_pool_that_has_no_connection_left_is_an_outage():
    pool = pytest.importorskip("psycopg_pool")
    assert is_outage(wrapped(OperationalError, pool.PoolTimeout("couldn't get a connection")))


def test_a_stores_error_is_known_by_its_cause():
    cause = wrapped(OperationalError, errors.QueryCanceled("too slow"))
    error = StoreError("Could not read")
    error.__cause__ = cause
    assert sqlstate(error) == "57014"
    assert is_outage(error)
    assert in_words(error) == "statement timeout"


def test_words_quote_nothing():
    error = wrapped(
        IntegrityError, errors.UniqueViolation("Key (email)=(ann@example.com) already exists.")
    )
    assert in_words(error) == "IntegrityError 23505"
    assert in_words(ValueError("ann@example.com")) == "ValueError"
    assert is_of_database(error)
    assert not is_of_database(ValueError("x"))
