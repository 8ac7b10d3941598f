"""One bounded background thread: for writes that come from an event loop, and for those that failed.

It starts with the first work, waits for what is due, lingers a moment and ends. It holds a connection
only while it works, so that a pool of one is left to the shop. Work that fails because the database
is out is tried again; when the queue is full, or after the last try, it is dropped and counted.
"""

from __future__ import annotations

import asyncio
import atexit
import heapq
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import close_old_connections, connections

from reco_plugin.breaker import Refused
from reco_plugin.capture import drops
from reco_plugin.outages import in_words, is_of_database, is_passing

logger = logging.getLogger(__name__)

CAPACITY = 1_000
LINGER_SECONDS = 1.0
EXIT_SECONDS = 2.0
PAUSES = (0.5, 2.0, 8.0, 30.0, 60.0)
"""Seconds before the second try, the third … ; after the last one the work is dropped."""
REFUSED_SECONDS = 2.0
"""Least seconds in which nothing is tried once an open breaker has refused; that is no try."""
OLDEST_SECONDS = 600.0
"""Work that is older than this is dropped, refused or not."""

Work = Callable[[], object]


def in_event_loop() -> bool:
    """True when the calling code runs inside an event loop, where Django forbids SQL."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@dataclass(kw_only=True, order=True)
class _Task:
    due: float
    number: int
    work: Work = field(compare=False)
    site: int = field(compare=False)
    size: int = field(compare=False)
    """Events that are lost with it."""
    tries: int = field(compare=False, default=0)
    since: float = field(compare=False, default_factory=time.monotonic)


class Worker:
    """A queue and at most one thread that empties it."""

    def __init__(self, capacity: int = CAPACITY, linger: float = LINGER_SECONDS) -> None:
        self._capacity = capacity
        self._linger = linger
        self._numbers = itertools.count()
        self.reset()

    def reset(self) -> None:
        """Start afresh, as a forked child must: threads and locks do not survive a fork."""
        self._heap: list[_Task] = []
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._last: threading.Thread | None = None
        self._hurry_until = 0.0
        self._refused_until = 0.0

    def __len__(self) -> int:
        """How much is waiting."""
        return len(self._heap)

    def submit(self, work: Work, *, site: int = 1, size: int = 1, delay: float = 0.0) -> bool:
        """Queue `work`; False (and counted, as `size` events) when the queue is full."""
        due = time.monotonic() + delay
        task = _Task(due=due, number=next(self._numbers), work=work, site=site, size=size)
        with self._changed:
            if is_queued := len(self._heap) < self._capacity:
                self._push(task)
        if not is_queued:
            drops.count("queue_full", site, size)
        return is_queued

    def join(self, timeout: float) -> bool:
        """Try all that is queued now, end the thread; False when `timeout` seconds were not enough."""
        if (thread := self._last) is None:
            return True
        with self._changed:
            self._hurry_until = time.monotonic() + timeout
            self._changed.notify()
        thread.join(timeout)
        self._hurry_until = 0.0
        return not thread.is_alive()

    @property
    def _is_hurried(self) -> bool:
        return time.monotonic() < self._hurry_until

    def _push(self, task: _Task) -> None:
        if self._thread is None:  # first: where none can be started, nothing may be left queued
            thread = threading.Thread(target=self._run, name="reco", daemon=True)
            thread.start()
            self._thread = self._last = thread
        heapq.heappush(self._heap, task)
        if self._heap[0] is task:  # else nothing is due any earlier
            self._changed.notify()

    def _run(self) -> None:
        while (task := self._next()) is not None:
            self._try(task)
            if not self._is_due():
                _let_go()

    def _is_due(self) -> bool:
        with self._changed:
            return bool(self._heap) and self._wait() <= 0

    def _wait(self) -> float:
        """Seconds until the first task may be tried."""
        if self._is_hurried:
            return 0.0
        return max(self._heap[0].due, self._refused_until) - time.monotonic()

    def _next(self) -> _Task | None:
        """The first task, once it is due; None ends the thread."""
        lingers_until = time.monotonic() + self._linger
        with self._changed:
            while True:
                if self._heap:
                    if (wait := self._wait()) <= 0:
                        return heapq.heappop(self._heap)
                else:
                    wait = lingers_until - time.monotonic()
                    if wait <= 0 or self._is_hurried:
                        self._thread = None
                        return None
                self._changed.wait(wait)

    def _try(self, task: _Task) -> None:
        try:
            close_old_connections()
            task.work()
            self._refused_until = 0.0
        except Refused as refused:
            # so would be all the others, and asking each takes the requests' time
            self._refused_until = time.monotonic() + max(REFUSED_SECONDS, refused.seconds)
            self._again(task, 0.0, "database_out")
        except Exception as error:  # noqa: BLE001 - a thread that ends would take the queue with it
            if is_passing(error):
                task.tries += 1
                pause = PAUSES[task.tries - 1] if task.tries <= len(PAUSES) else None
                self._again(task, pause, "write_failed")
            else:
                _lost(task, "error", error)

    def _again(self, task: _Task, pause: float | None, reason: str) -> None:
        now = time.monotonic()
        if pause is None or self._is_hurried or now - task.since > OLDEST_SECONDS:
            _lost(task, reason)
            return
        task.due = now + pause
        with self._changed:
            heapq.heappush(self._heap, task)


def _let_go() -> None:
    """Close this thread's connections; one that is broken may not even let itself be closed."""
    try:
        connections.close_all()
    except Exception:
        logger.debug("A connection could not be closed.", exc_info=True)


def _lost(task: _Task, reason: str, error: Exception | None = None) -> None:
    drops.count(reason, task.site, task.size)
    words = in_words(error) if error else reason
    logger.error(
        "Background work of recommendations failed: %s",
        words,
        exc_info=None if is_of_database(error) else error,
        extra={"reco": {"reason": reason, "site": task.site, "lost": task.size, "error": words}},
    )


_worker = Worker()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_worker.reset)


def submit(work: Work, *, site: int = 1, size: int = 1, delay: float = 0.0) -> bool:
    """Hand `work` to this process's background thread, in `delay` seconds at the earliest.

    Never blocks, never raises. Work that raises because the database is out is tried again.
    """
    try:
        return _worker.submit(work, site=site, size=size, delay=delay)
    except RuntimeError:  # no new threads: the interpreter is shutting down, or there are too many
        drops.count("no_thread", site, size)
        return False


def join(timeout: float = EXIT_SECONDS) -> bool:
    """Wait for the background thread to try what is queued."""
    return _worker.join(timeout)


def waiting() -> int:
    """How many pieces of work this process has queued."""
    return len(_worker)


atexit.register(join)
