"""The fallback ladder: personal → contextual → popular in category → popular → nothing.

Each rung reads in a bounded window of its own, so that one that fails or times out costs the slate
nothing but that rung; what a better rung found stays, the next one fills up. A rung that has timed
out is not tried again for the same page, and for a while not at all where it is one of vectors.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType

from django.db import Error, ProgrammingError

from reco_plugin import conf
from reco_plugin.breaker import Breaker, breaker
from reco_plugin.capture.lifecycle import state_of
from reco_plugin.exceptions import StoreError
from reco_plugin.outages import in_words, is_outage
from reco_plugin.serving.asking import Ask
from reco_plugin.serving.filling import Filling
from reco_plugin.serving.reads import Allowance, Unavailable, bounded, is_lost
from reco_plugin.serving.rungs import VECTOR_RUNGS, NothingToGoBy, Rungs
from reco_plugin.types import Rung

logger = logging.getLogger(__name__)


def climb(ask: Ask) -> Filling:
    """Try rung after rung until the slate is full; what a database raises becomes a note."""
    filling = Filling(limit=ask.limit, first=ask.rungs[0])
    ladder = _Ladder(ask, filling)
    for rung in ask.rungs:
        if rung is Rung.NOTHING or filling.missing <= 0:
            break
        try:
            ladder.step(rung)
        except Unavailable as error:
            _unavailable(error, ask, filling)
            break
    filling.was_answered = ladder.allowance.answered > 0
    return filling


def _unavailable(error: Unavailable, ask: Ask, filling: Filling) -> None:
    filling.note(f"database: {error}")
    filling.is_out = filling.is_out or error.is_outage
    if error.is_outage:
        words = in_words(error.__cause__ or error)
        logger.warning(
            "The database cannot be read: %s",
            words,
            extra={"reco": {"placement": ask.placement, "error": words}},
        )


class _Ladder:
    """The rungs of one slate, and the time it may take."""

    def __init__(self, ask: Ask, filling: Filling) -> None:
        self.ask = ask
        self.filling = filling
        self.rungs = Rungs(ask, filling)
        self.allowance = Allowance(conf.settings.STATEMENT_TIMEOUT_MS)
        self._given_up = state_of(ask.request).given_up if ask.request is not None else set()

    def step(self, rung: Rung) -> None:
        """Let `rung` add what it has, unless it has been given up."""
        vectors = breaker("vectors", self.ask.using) if rung in VECTOR_RUNGS else None
        if rung in self._given_up:
            self.filling.note(f"{rung}: timed out before on this page")
        elif vectors is not None and not vectors.allows():
            self.filling.note(f"{rung}: given up for {vectors.seconds_left:.0f} s")
        else:
            self._timed(rung, vectors)

    def _timed(self, rung: Rung, vectors: Breaker | None) -> None:
        began = time.perf_counter()
        found = len(self.filling.items)
        failure: Exception | None = None
        try:
            failure = self._try(rung)
        finally:
            self.filling.timings[rung] = time.perf_counter() - began
            if vectors is not None:
                _judge(vectors, failure, answered=len(self.filling.items) > found)
        if failure is not None:
            self._failed(rung, failure)

    def _try(self, rung: Rung, *, again: bool = True) -> Exception | None:
        """None when the rung was read; else what the database said."""
        try:
            with self._window(self.rungs.settings(rung)):
                self.rungs.fill(rung)
        except NothingToGoBy as reason:
            self.filling.note(f"{rung}: {reason}")
        except (Error, StoreError) as error:
            if again and isinstance(error, ProgrammingError | StoreError) and self._has_moved():
                return self._try(rung, again=False)
            return error
        return None

    def _window(
        self, settings: Mapping[str, str] = MappingProxyType({})
    ) -> AbstractContextManager[None]:
        return bounded(self.ask.using, self.allowance, settings)

    def _has_moved(self) -> bool:
        """A run may have been dropped since this process last looked which is live; look again."""
        before = self.rungs.live
        try:
            with self._window():
                self.rungs.look_again()
        except Error:
            return False
        return before is not None and self.rungs.live != before

    def _failed(self, rung: Rung, error: Exception) -> None:
        words = in_words(error)
        logger.warning(
            "The %s rung did not answer: %s",
            rung,
            words,
            extra={"reco": {"placement": self.ask.placement, "rung": str(rung), "error": words}},
        )
        self.filling.note(f"{rung}: {words}")
        if is_outage(error):
            self.filling.is_out = True
            self._given_up.add(rung)
        if is_lost(self.ask.using):
            raise Unavailable("the connection is lost") from error


def _judge(vectors: Breaker, failure: Exception | None, *, answered: bool) -> None:
    if failure is not None and is_outage(failure):
        vectors.failed()
    elif answered:
        vectors.succeeded()
    else:
        vectors.undecided()
