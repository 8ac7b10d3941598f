"""Counts of what was left out, and why: kept in this process, flushed rarely, summed when read.

One row per process and flush, never an update of a shared row, so that two workers never wait for
each other. A forked child starts from zero: what its parent had counted, its parent flushes.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import Counter

from reco_plugin import conf
from reco_plugin.bounded import bounded_writes, savepoint
from reco_plugin.models import Dropped
from reco_plugin.signals import events_dropped

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 300.0
FLUSH_MS = 1_000
"""What writing the counts may take: the process may be waiting to end."""
MOST_KEYS = 1_000
"""Distinct (site, reason) pairs held at once; a reason beyond them is counted as 'other'."""


class Counts:
    """Thread-safe counters of one process."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[int, str]] = Counter()
        self._flushed_at = time.monotonic()

    def add(self, reason: str, site: int, n: int) -> None:
        key = (site, reason[:64])
        with self._lock:
            if key not in self._counts and len(self._counts) >= MOST_KEYS:
                key = (site, "other")
            self._counts[key] += n

    def take(self) -> Counter[tuple[int, str]]:
        with self._lock:
            taken, self._counts = self._counts, Counter()
            self._flushed_at = time.monotonic()
        return taken

    def put_back(self, counts: Counter[tuple[int, str]]) -> None:
        with self._lock:
            self._counts.update(counts)

    def pending(self) -> dict[tuple[int, str], int]:
        with self._lock:
            return dict(self._counts)

    def is_due(self) -> bool:
        return bool(self._counts) and time.monotonic() - self._flushed_at >= FLUSH_SECONDS


_counts = Counts()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_counts.reset)


def count(reason: str, site: int = 1, n: int = 1) -> None:
    """Note that `n` events were left out because of `reason` (a short word). Runs no SQL."""
    if n > 0:
        _counts.add(reason, site, n)
        if events_dropped.has_listeners(Dropped):
            events_dropped.send_robust(Dropped, reason=reason, site=site, count=n)


def pending() -> dict[tuple[int, str], int]:
    """What was counted and not flushed yet, by (site, reason)."""
    return _counts.pending()


def flush() -> int:
    """As `write`, but never raises: counting must not hurt anyone."""
    try:
        with bounded_writes(conf.settings.DATABASE, FLUSH_MS):
            return write()
    except Exception:
        logger.debug("Could not write drop counts.", exc_info=True)
        return 0


def write() -> int:
    """Write the counts as rows of `Dropped`, in one INSERT; returns how many rows.

    What cannot be written is counted on. Raises django.db.Error.
    """
    taken = _counts.take()
    if not taken:
        return 0
    rows = [Dropped(site=site, reason=reason, count=n) for (site, reason), n in taken.items()]
    try:
        with savepoint(conf.settings.DATABASE):
            Dropped.objects.using(conf.settings.DATABASE).bulk_create(rows)
    except BaseException:
        _counts.put_back(taken)
        raise
    return len(rows)


def is_due() -> bool:
    """Is there something to flush, and the last flush FLUSH_SECONDS ago?"""
    return _counts.is_due()


@atexit.register
def _at_exit() -> None:
    lost = pending()
    if lost and not flush():
        logger.info("Drop counts lost at exit: %s", lost)
