"""A thread that beats while a job works, on a database connection of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import Error, connections

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds the job waits for a beat it asked for, or for the last one."""


class Heartbeat(threading.Thread):
    """Calls `beat` every `pause` seconds until it returns False or `end` is called.

    A lost connection is replaced; until then it tries more often.
    """

    def __init__(self, beat: Callable[[], bool], pause: float, database: str) -> None:
        super().__init__(name="reco-heartbeat", daemon=True)
        self._beat = beat
        self._pause = pause
        self._database = database
        self._is_ended = False
        self._wake = threading.Event()
        self._tried = threading.Event()

    def run(self) -> None:
        wait = self._pause
        try:
            while wait:
                self._wake.wait(wait)
                if self._is_ended:
                    break
                self._wake.clear()
                wait = self._once()
                self._tried.set()
        finally:
            self._tried.set()
            connections[self._database].close()

    def _once(self) -> float:
        """Seconds until the next beat; 0 for none."""
        try:
            return self._pause if self._beat() else 0.0
        except Error as error:
            log.warning("a heartbeat was lost: %s", error)
            connections[self._database].close()
            return self._pause / 4

    def hurry(self) -> None:
        """Beat now; returns when that was tried."""
        self._tried.clear()
        self._wake.set()
        self._tried.wait(PATIENCE)

    def end(self) -> None:
        """Stop; a beat under way is waited for, but not for ever."""
        self._is_ended = True
        self._wake.set()
        if self.is_alive() and self is not threading.current_thread():
            self.join(PATIENCE)
