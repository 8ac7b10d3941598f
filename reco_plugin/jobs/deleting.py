"""Delete many rows a few at a time, so that nobody waits for it and nobody notices.

Each batch is a short transaction of its own; after it comes a pause twice as long as the batch took, so
that at most a third of one of the database's cores is ever ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeAlias

from django.db import OperationalError, connections, transaction
from django.db.models import QuerySet

BATCH = 1_000
PAUSE = 2.0
"""Seconds of rest for each second of work."""
LOCK_TIMEOUT_MS = 200
"""Longest a batch waits for a row that somebody else is changing."""
ATTEMPTS = 5

Rows: TypeAlias = QuerySet[Any, Any]


def in_batches(
    rows: Rows,
    by: str,
    *,
    batch: int = BATCH,
    pause: float = PAUSE,
    done: Callable[[int], object] | None = None,
) -> int:
    """Delete `rows` in the order of the column `by`, which an index must give; returns how many.

    `done(n)` is called in the transaction of each batch: what it writes stands if, and only if, those
    `n` rows are gone. Each batch begins where the last one ended, so that no dead row is looked at
    twice. Raises OperationalError when a row stays locked by another transaction.
    """
    removed, at = 0, None
    while True:
        began = time.monotonic()
        n, at, is_last = _attempt(rows, by, at, batch, done)
        removed += n
        if is_last:
            return removed
        time.sleep(pause * (time.monotonic() - began))


def _attempt(
    rows: Rows, by: str, at: Any, batch: int, done: Callable[[int], object] | None
) -> tuple[int, Any, bool]:
    for left in reversed(range(ATTEMPTS)):
        try:
            return _batch(rows, by, at, batch, done)
        except OperationalError:
            if not left or connections[rows.db].in_atomic_block:
                raise
            time.sleep(0.2)
    raise AssertionError("unreachable")


def _batch(
    rows: Rows, by: str, at: Any, batch: int, done: Callable[[int], object] | None
) -> tuple[int, Any, bool]:
    """How many went (another process may have been faster), where to go on, and was it the last?"""
    ahead = rows if at is None else rows.filter(**{f"{by}__gte": at})
    everything = rows.model._default_manager.using(rows.db)
    is_own = not connections[rows.db].in_atomic_block
    with transaction.atomic(using=rows.db):
        if is_own:
            wait_briefly(rows.db)
        doomed = list(ahead.order_by(by).values_list("pk", by)[:batch])
        if not doomed:
            return 0, at, True
        removed = everything.filter(pk__in=[pk for pk, _ in doomed]).delete()[0]
        if done is not None:
            done(removed)
    return removed, doomed[-1][1], len(doomed) < batch


def wait_briefly(using: str) -> None:
    """Until this transaction ends, wait for no lock for long."""
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_TIMEOUT_MS}ms"])


def oldest_first(
    rows: Rows,
    is_old: Callable[[Any], bool],
    *,
    batch: int = BATCH,
    pause: float = PAUSE,
) -> int:
    """Delete those of `rows` that are old, from the lowest number up; for tables with no index by time.

    Numbers grow with time, so the first batch without an old row is the last one looked at.
    """
    removed, at = 0, 0
    while True:
        began = time.monotonic()
        found = list(rows.filter(pk__gt=at).order_by("pk")[:batch])
        old = [row.pk for row in found if is_old(row)]
        if not old:
            return removed
        with transaction.atomic(using=rows.db):
            removed += rows.filter(pk__in=old).delete()[0]
        at = found[-1].pk
        time.sleep(pause * (time.monotonic() - began))
