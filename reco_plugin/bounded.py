"""Time limits of our own statements, which nobody sees afterwards.

Outside a transaction the settings travel in one message with each statement: PostgreSQL makes one
transaction of it, and a SET LOCAL ends with that. Inside the shop's transaction they would outlive
even a released savepoint: a read is rolled back, and with it the settings; a write puts the old
values back in the message it came with.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from django.db import Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.sql import SQL

Made = Callable[[], str]
"""The statement that makes the settings, asked for each time it is sent."""
_CONTROL = ("SAVEPOINT", "RELEASE", "ROLLBACK")
"""Statements that must also run in a transaction that has failed, and take no time."""


class Preamble:
    """Sends settings in one message with the first statement, or with every one.

    `after` is sent behind the statement. Use it as an `execute_wrapper`.
    """

    def __init__(self, made: Made, *, always: bool, after: str = "") -> None:
        self._made, self._always, self._after = made, always, after
        self._sent = ""

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        if isinstance(sql, str) and sql.startswith(_CONTROL):
            return execute(sql, params, many, context)
        before = self._made()
        if self._sent == before and not self._always:
            return execute(sql, params, many, context)
        self._sent = before
        cursor = context["cursor"].cursor
        if many or not isinstance(sql, str) or not isinstance(cursor, psycopg.ClientCursor):
            with self._apart(before, context["connection"]):
                return execute(sql, params, many, context)
        after = f"; {self._after}" if self._after else ""
        answer = execute(f"{before}; {sql}{after}", params, many, context)
        for _ in range(before.count(";") + 1):
            cursor.nextset()
        return answer

    @contextmanager
    def _apart(self, before: str, connection: BaseDatabaseWrapper) -> Iterator[None]:
        """In a transaction the settings can be made by statements of their own. Outside one such a
        statement (a server-side cursor's, executemany's) runs without them; none of ours is one."""
        inside = connection.in_atomic_block
        if inside:
            _execute(connection, before)
        yield
        if inside and self._after:
            _execute(connection, self._after)


def _execute(connection: BaseDatabaseWrapper, statements: str) -> None:
    with connection.cursor() as own:
        for statement in statements.split("; "):
            own.cursor.execute(statement)


@lru_cache(maxsize=256)
def set_config(*settings: tuple[str, str]) -> str:
    """One statement; its values hold no '%', which would ask for a parameter, and no ';'."""
    made = (SQL("set_config({}, {}, true)").format(*setting) for setting in settings)
    return SQL("SELECT {}").format(SQL(", ").join(made)).as_string(None)


def is_alone(connection: BaseDatabaseWrapper) -> bool:
    """Is each message a transaction of its own, and can it hold two statements? May connect."""
    return (
        connection.get_autocommit()
        and not connection.in_atomic_block
        and not getattr(connection.features, "uses_server_side_binding", True)
    )


@contextmanager
def bounded_writes(using: str, milliseconds: int) -> Iterator[None]:
    """Each statement in here may take `milliseconds`, and wait as long for a lock.

    Inside the shop's transaction it stands in a savepoint: what fails leaves that transaction usable,
    and its own time limits as they were. Databases other than PostgreSQL are written to plainly.
    Raises django.db.Error.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        with savepoint(using):
            yield
        return
    wanted = (("statement_timeout", str(milliseconds)), ("lock_timeout", str(milliseconds)))
    if is_alone(connection):
        made = set_config(*wanted)
        with (
            kept_usable(connection),
            connection.execute_wrapper(Preamble(lambda: made, always=True)),
        ):
            yield
        return
    depth = sum(isinstance(each, Preamble) for each in connection.execute_wrappers)
    before = f"{_remember(depth, *dict(wanted))}; {set_config(*wanted)}"
    around = Preamble(lambda: before, always=True, after=_restore(depth, *dict(wanted)))
    with transaction.atomic(using=using), connection.execute_wrapper(around):
        yield


@lru_cache(maxsize=8)
def _remember(depth: int, *names: str) -> str:
    """Keeps the values in force under names of ours, others at each depth. They are the session's own
    variables."""
    return _copied({f"reco.{name}_{depth}": name for name in names})


@lru_cache(maxsize=8)
def _restore(depth: int, *names: str) -> str:
    return _copied({name: f"reco.{name}_{depth}" for name in names})


def _copied(names: Mapping[str, str]) -> str:
    made = (
        SQL("set_config({}, current_setting({}), true)").format(to, source)
        for to, source in names.items()
    )
    return SQL("SELECT {}").format(SQL(", ").join(made)).as_string(None)


def savepoint(using: str) -> contextlib.AbstractContextManager[None]:
    """A savepoint where a transaction is open; nothing where there is none, which needs none.

    A failure of ours inside the shop's transaction must leave that transaction usable.
    """
    if connections[using].in_atomic_block:
        return transaction.atomic(using=using)
    return contextlib.nullcontext()


@contextmanager
def kept_usable(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """A connection that is lost here is closed, so that the next statement makes a new one."""
    try:
        yield
    except Error:
        if getattr(connection.connection, "closed", False):
            connection.close()
        raise
