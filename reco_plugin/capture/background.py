"""One bounded background thread, for writes that come from an event loop.

It starts with the first work, lingers a moment, closes its connections and ends, so that an idle
process holds no connection of ours. When the queue is full, work is dropped and counted.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import queue
import threading
from collections.abc import Callable

from django.db import close_old_connections, connections

from reco_plugin.capture import drops

logger = logging.getLogger(__name__)

CAPACITY = 1_000
LINGER_SECONDS = 1.0
EXIT_SECONDS = 2.0

Work = Callable[[], object]


def in_event_loop() -> bool:
    """True when the calling code runs inside an event loop, where Django forbids SQL."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Worker:
    """A queue and at most one thread that empties it."""

    def __init__(self, capacity: int = CAPACITY, linger: float = LINGER_SECONDS) -> None:
        self._capacity = capacity
        self._linger = linger
        self.reset()

    def reset(self) -> None:
        """Start afresh, as a forked child must: threads and locks do not survive a fork."""
        self._queue: queue.Queue[Work] = queue.Queue(self._capacity)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._last: threading.Thread | None = None
        self._is_hurried = False

    def submit(self, work: Work) -> bool:
        """Queue `work`; False (and counted) when the queue is full."""
        with self._lock:
            try:
                self._queue.put_nowait(work)
            except queue.Full:
                drops.count("queue_full")
                return False
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="reco", daemon=True)
                thread.start()
                self._thread = self._last = thread
        return True

    def join(self, timeout: float) -> bool:
        """Empty the queue, end the thread; False when `timeout` seconds were not enough."""
        if (thread := self._last) is None:
            return True
        self._is_hurried = True
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(lambda: None)  # wakes a thread that lingers
        thread.join(timeout)
        self._is_hurried = False
        return not thread.is_alive()

    def _run(self) -> None:
        try:
            while work := self._next():
                close_old_connections()
                _guarded(work)
        finally:
            connections.close_all()

    def _next(self) -> Work | None:
        try:
            return self._queue.get(timeout=0.001 if self._is_hurried else self._linger)
        except queue.Empty:
            pass
        with self._lock:  # nothing can be queued between this look and the thread's end
            try:
                return self._queue.get_nowait()
            except queue.Empty:
                self._thread = None
                return None


def _guarded(work: Work) -> None:
    try:
        work()
    except Exception:
        drops.count("error")
        logger.exception("Background work of recommendations failed.")


_worker = Worker()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_worker.reset)


def submit(work: Work) -> bool:
    """Hand `work` to this process's background thread; never blocks, never raises."""
    try:
        return _worker.submit(work)
    except RuntimeError:  # the interpreter is shutting down: no new threads
        drops.count("shutdown")
        return False


def join(timeout: float = EXIT_SECONDS) -> bool:
    """Wait for the background thread to finish what is queued."""
    return _worker.join(timeout)


atexit.register(join)
