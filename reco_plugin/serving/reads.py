"""Reads with a time limit that cannot leak into the shop's own queries.

Outside a transaction the settings travel in one message with each statement: PostgreSQL makes one
transaction of it, and a SET LOCAL ends with that. Inside the shop's transaction they would outlive
even a released savepoint, so ours is rolled back, and with it the settings; they travel with the
first statement, and our reads write nothing, so there is nothing to lose. Either way the clock starts
anew for each statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import psycopg
from django.db import DatabaseError, Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.sql import SQL

from reco_plugin.stores import in_force

QUERY_CANCELED = "57014"


class Unavailable(Exception):
    """The database cannot be read now: it is down, or the shop's transaction is already broken."""


@contextmanager
def bounded(
    using: str, milliseconds: int, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[None]:
    """Statements in here may take `milliseconds` each; whatever happens, the connection is as before.

    `settings` are made for the same statements (see `stores.in_force`). Raises Unavailable when no
    statement can be run at all. Databases other than PostgreSQL are read plainly.
    """
    connection = connections[using]
    if connection.in_atomic_block and connection.needs_rollback:
        raise Unavailable("the transaction of this request is broken")
    if connection.vendor != "postgresql":
        yield
        return
    made = _set_config(("statement_timeout", str(milliseconds)), *settings.items())
    alone = _alone(connection)
    with (
        _kept_usable(connection) if alone else _opened(using),
        connection.execute_wrapper(_Preamble(made, always=alone)),
        in_force.made(using, settings),
    ):
        yield
        if not alone:
            transaction.set_rollback(True, using=using)


def _alone(connection: BaseDatabaseWrapper) -> bool:
    """Is each message a transaction of its own, and can it hold two statements?"""
    try:
        autocommit = connection.get_autocommit()
    except Error as error:
        raise _unavailable(error) from error
    return (
        autocommit
        and not connection.in_atomic_block
        and not getattr(connection.features, "uses_server_side_binding", True)
    )


class _Preamble:
    """Makes settings in one message with the first statement, or with every one."""

    def __init__(self, sql: str, *, always: bool) -> None:
        self._sql, self._always, self._sent = sql, always, False

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        if self._sent and not self._always:
            return execute(sql, params, many, context)
        self._sent = True
        cursor = context["cursor"].cursor
        if many or not isinstance(sql, str) or not isinstance(cursor, psycopg.ClientCursor):
            return self._apart(execute, sql, params, many, context)
        answer = execute(f"{self._sql}; {sql}", params, many, context)
        cursor.nextset()
        return answer

    def _apart(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        """In a transaction the settings can be made by a statement of their own. Outside one such a
        statement (a server-side cursor's, executemany's) runs without them; none of ours is one."""
        if not self._always:
            with context["connection"].cursor() as own:
                own.execute(self._sql)
        return execute(sql, params, many, context)


@lru_cache(maxsize=256)
def _set_config(*settings: tuple[str, str]) -> str:
    """One statement; its values hold no '%', which would ask for a parameter."""
    made = (SQL("set_config({}, {}, true)").format(*setting) for setting in settings)
    return SQL("SELECT {}").format(SQL(", ").join(made)).as_string(None)


@contextmanager
def _kept_usable(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """A connection that is lost here is closed, so that the next read makes a new one."""
    try:
        yield
    except Error:
        if getattr(connection.connection, "closed", False):
            connection.close()
        raise


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
            raise _unavailable(error) from error
        raise


def _unavailable(error: Error) -> Unavailable:
    return Unavailable(str(error).strip() or type(error).__name__)


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
