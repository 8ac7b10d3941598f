"""Reads with a time limit that cannot leak into the shop's own queries (see `bounded`).

The limit holds for each statement, and a slate has an allowance for all of them: once that is used
up, the rest must do with less, and in the end with nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from django.db import Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from reco_plugin import outages
from reco_plugin.bounded import Preamble, is_alone, kept_usable, set_config
from reco_plugin.stores import in_force

ALLOWANCE = 4 / 3
"""Database time of a whole slate, in limits of one statement."""
STEP = 10
"""Milliseconds a shrinking limit is rounded up to, lest each statement has a text of its own."""


class Unavailable(Exception):
    """The database cannot be read now: it is down, or the shop's transaction is already broken."""

    @property
    def is_outage(self) -> bool:
        return self.__cause__ is not None and outages.is_outage(self.__cause__)


class Allowance:
    """The database time that is left to one slate. An `execute_wrapper` that counts it down."""

    def __init__(self, milliseconds: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.limit = milliseconds
        self._clock = clock
        self._left = milliseconds * ALLOWANCE
        self.answered = 0
        """Statements that were answered."""

    @property
    def milliseconds(self) -> int:
        """What the next statement may take; 0 when the allowance is used up."""
        if self._left >= self.limit:
            return self.limit
        return min(self.limit, STEP * math.ceil(max(0.0, self._left / STEP - 1e-6)))

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        began = self._clock()
        try:
            answer = execute(sql, params, many, context)
        finally:
            self._left -= (self._clock() - began) * 1_000
        self.answered += 1
        return answer


@contextmanager
def bounded(
    using: str,
    allowed: Allowance | int,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[None]:
    """Statements in here may take `allowed` (milliseconds) each; afterwards the connection is as before.

    `settings` are made for the same statements (see `stores.in_force`). Raises Unavailable when no
    statement can be run at all. Databases other than PostgreSQL are read plainly.
    """
    connection = connections[using]
    allowance = allowed if isinstance(allowed, Allowance) else Allowance(allowed)
    if connection.in_atomic_block and connection.needs_rollback:
        raise Unavailable("the transaction of this request is broken")
    if connection.vendor != "postgresql":
        with connection.execute_wrapper(allowance):
            yield
        return
    alone = _alone(connection)
    wrappers = connection.execute_wrappers
    around = (allowance, Preamble(_made(allowance, settings), always=alone))
    with kept_usable(connection) if alone else _opened(using):
        wrappers.extend(around)
        token = in_force.make(using, settings)
        try:
            yield
            if not alone:
                transaction.set_rollback(True, using=using)
        finally:
            in_force.unmake(token)
            del wrappers[-len(around) :]


def _made(allowance: Allowance, settings: Mapping[str, str]) -> Callable[[], str]:
    rest = tuple(settings.items())

    def made() -> str:
        milliseconds = allowance.milliseconds
        if not milliseconds:
            raise Unavailable("out of time")
        return set_config(("statement_timeout", str(milliseconds)), *rest)

    return made


def _alone(connection: BaseDatabaseWrapper) -> bool:
    try:
        return is_alone(connection)
    except Error as error:
        raise _unavailable(error) from error


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


def is_lost(using: str) -> bool:
    """Has the connection itself gone, so that further reads can only fail?"""
    connection = connections[using]
    raw = connection.connection
    return (
        raw is None or bool(getattr(raw, "closed", False)) or bool(connection.closed_in_transaction)
    )
