"""Stop asking a database that does not answer, and ask again a little later.

A breaker is closed while all is well. After RECO_BREAKER_FAILURES outages in a row it opens: whoever
asks is refused at once. After RECO_BREAKER_SECONDS (and up to a fifth more, so that processes do not
ask all together) one caller is let through as a probe; its success closes the breaker, its failure
opens it anew. There is one breaker per process, subject and database; it holds no connection.
"""

from __future__ import annotations

import enum
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reco_plugin import conf
from reco_plugin.outages import is_outage
from reco_plugin.signals import breaker_changed

logger = logging.getLogger(__name__)

JITTER = 0.2
PROBE_SECONDS = 60.0
"""A probe that has said nothing for so long is given up: its thread has died."""


class State(enum.StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Refused(Exception):
    """The breaker is open: nothing was tried."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"{name} are given up for {seconds:.0f} s")
        self.seconds = seconds


class Breaker:
    """Thread-safe. `clock` gives monotonic seconds."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Closed and without a past, as in a forked child: locks do not survive a fork."""
        self._lock = threading.Lock()
        self._state = State.CLOSED
        self._failures = 0
        self._until = 0.0

    @property
    def state(self) -> State:
        return self._state

    @property
    def failures(self) -> int:
        """Outages in a row."""
        return self._failures

    @property
    def seconds_left(self) -> float:
        """Until the next probe; 0 unless open."""
        return max(0.0, self._until - self._clock()) if self._state is State.OPEN else 0.0

    def allows(self) -> bool:
        """May something be tried now? True binds the caller to report what became of it."""
        if self._state is State.CLOSED:
            return True
        with self._lock:
            is_closed = self._is(State.CLOSED)
            if is_closed or self._clock() < self._until:
                return is_closed
            changed = self._to(State.HALF_OPEN)
            self._until = self._clock() + PROBE_SECONDS
        self._tell(changed)
        return True

    def succeeded(self) -> None:
        """The database answered."""
        if self._state is State.CLOSED and not self._failures:
            return
        with self._lock:
            self._failures = 0
            changed = self._to(State.CLOSED)
        self._tell(changed)

    def failed(self) -> None:
        """The database did not answer."""
        with self._lock:
            self._failures += 1
            is_probe = self._state is State.HALF_OPEN
            changed = None
            if is_probe or (
                self._state is State.CLOSED and self._failures >= conf.settings.BREAKER_FAILURES
            ):
                pause = conf.settings.BREAKER_SECONDS * (1 + JITTER * random.random())  # noqa: S311
                self._until = self._clock() + pause
                changed = self._to(State.OPEN)
        self._tell(changed)

    def undecided(self) -> None:
        """Nothing was learnt of the database: the next caller may be the probe."""
        with self._lock:
            if self._state is State.HALF_OPEN:
                self._until = self._clock()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Try what is in the block, and remember whether the database was out. Raises Refused."""
        if not self.allows():
            raise Refused(self.name, self.seconds_left)
        try:
            yield
        except BaseException as error:
            if is_outage(error):
                self.failed()
            else:
                self.undecided()
            raise
        self.succeeded()

    def _is(self, state: State) -> bool:
        return self._state is state

    def _to(self, state: State) -> State | None:
        """The new state, or None where it is the old one."""
        before, self._state = self._state, state
        return state if before is not state else None

    def _tell(self, changed: State | None) -> None:
        if changed is None:
            return
        level = logging.WARNING if changed is State.OPEN else logging.INFO
        logger.log(
            level,
            "Recommendations: %s are now %s.",
            self.name,
            changed,
            extra={"reco": {"breaker": self.name, "state": str(changed)}},
        )
        breaker_changed.send_robust(Breaker, name=self.name, state=str(changed))


_breakers: dict[str, Breaker] = {}


def breaker(subject: str, using: str) -> Breaker:
    """The breaker of this process for `subject` ('reads', 'writes' …) of the database `using`."""
    name = f"{subject} of {using}"
    return _breakers.get(name) or _breakers.setdefault(name, Breaker(name))


def states() -> dict[str, State]:
    """How each breaker of this process stands, by name ('reads of default')."""
    return {name: found.state for name, found in list(_breakers.items())}


def reset() -> None:
    """Close every breaker and forget what was."""
    for found in list(_breakers.values()):
        found.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=reset)
