"""Statements that look and change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from reco_plugin import conf

TIMEOUT_MS = 5_000
"""Longest that one statement of the doctor may take."""


def is_postgresql() -> bool:
    return connections[conf.settings.DATABASE].vendor == "postgresql"


@contextmanager
def looking() -> Iterator[CursorWrapper]:
    """A cursor in a transaction (or savepoint) that is read-only, short of time and rolled back."""
    using = conf.settings.DATABASE
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        if is_postgresql():
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true), "
                "set_config('transaction_read_only', 'on', true)",
                [str(TIMEOUT_MS)],
            )
        yield cursor
        transaction.set_rollback(True, using=using)


def rows(sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
    """Every row of one SELECT."""
    with looking() as cursor:
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
