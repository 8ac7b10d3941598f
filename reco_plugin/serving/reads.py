"""Reads with a time limit that cannot leak into the shop's own queries.

A SET LOCAL outlives a released savepoint, so ours is never released with work in it: it is rolled
back, and with it the setting. Our reads write nothing, so there is nothing to lose.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, Error, connections, transaction

QUERY_CANCELED = "57014"


class Unavailable(Exception):
    """The database cannot be read now: it is down, or the shop's transaction is already broken."""


@contextmanager
def bounded(using: str, milliseconds: int) -> Iterator[None]:
    """Statements in here may take `milliseconds` each; whatever happens, the connection is as before.

    Raises Unavailable when no statement can be run at all. Databases other than PostgreSQL are read
    plainly.
    """
    connection = connections[using]
    if connection.in_atomic_block and connection.needs_rollback:
        raise Unavailable("the transaction of this request is broken")
    if connection.vendor != "postgresql":
        yield
        return
    with _opened(using), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])
        yield
        transaction.set_rollback(True, using=using)


@contextmanager
def _opened(using: str) -> Iterator[None]:
    """A transaction of our own, or a savepoint in the shop's."""
    entered = False
    try:
        with transaction.atomic(using=using):
            entered = True
            yield
    except Error as error:
        if not entered:
            raise Unavailable(str(error).strip() or type(error).__name__) from error
        raise


def why(error: BaseException) -> str:
    """A database error in few words, fit for a note."""
    if sqlstate(error) == QUERY_CANCELED:
        return "statement timeout"
    return type(error).__name__ if isinstance(error, DatabaseError) else "error"


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of a database error, or ''."""
    cause = error.__cause__
    return str(getattr(cause, "sqlstate", "") or "")


def is_lost(using: str) -> bool:
    """Has the connection itself gone, so that further reads can only fail?"""
    connection = connections[using]
    raw = connection.connection
    return (
        raw is None or bool(getattr(raw, "closed", False)) or bool(connection.closed_in_transaction)
    )
