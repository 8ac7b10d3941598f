"""Lists over tables of millions of rows: nothing counts them, nothing runs for long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.paginator import Paginator
from django.db import OperationalError, connections, transaction
from django.utils.functional import cached_property

MOST = 1_000
"""Rows one can page through; from there one narrows down, or goes on with older ones."""
PATIENCE_MS = 5_000


class TookTooLong(Exception):
    """The statement was cancelled."""


class ShortPaginator(Paginator):  # type: ignore[type-arg]
    """Counts to MOST and no further."""

    @cached_property
    def count(self) -> int:
        return min(self._some, MOST)

    @property
    def is_cut(self) -> bool:
        """Are there more?"""
        return self._some > MOST

    @cached_property
    def _some(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: MOST + 1].count())


@contextmanager
def patiently(database: str, milliseconds: int = PATIENCE_MS) -> Iterator[None]:
    """Statements in this block are cancelled by PostgreSQL after a while. Raises TookTooLong.

    The timeout in force before is so again afterwards, whatever happens; other databases have none.
    """
    if connections[database].vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic(using=database), connections[database].cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            before = cursor.fetchone()[0]
            _limit(cursor, f"{milliseconds}ms")
            yield
            _limit(cursor, before)  # after an error, the savepoint takes it back
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != "57014":
            raise
        raise TookTooLong from error


def _limit(cursor: Any, value: str) -> None:
    cursor.execute("SELECT set_config('statement_timeout', %s, true)", [value])
