"""The ladder of a slate: what it is of first, then what fills up, then nothing.

Each source reads in a bounded window of its own, so that one that fails or times out costs the slate
nothing but that source; what a better one found stays, the next one fills up. A source that has timed
out is not tried again for the same page, and for a while not at all where it is one of vectors.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from types import MappingProxyType

from django.db import Error, ProgrammingError

from reco_plugin import conf
from reco_plugin.breaker import Breaker, breaker
from reco_plugin.exceptions import StoreError
from reco_plugin.outages import in_words, is_outage
from reco_plugin.serving.asking import Ask
from reco_plugin.serving.filling import Filling
from reco_plugin.serving.reads import Allowance, Unavailable, bounded, is_lost
from reco_plugin.serving.rungs import VECTOR_SOURCES, NothingToGoBy, Rungs
from reco_plugin.serving.shared import Shared
from reco_plugin.serving.ways import Step
from reco_plugin.types import Candidate, KindShare

logger = logging.getLogger(__name__)


def climb(ask: Ask, shared: Shared) -> Filling:
    """Try step after step until the slate is full; what a database raises becomes a note."""
    ladder = Ladder(ask, shared)
    ladder.climb()
    return ladder.filling


class Ladder:
    """The steps of one slate, and the time it may take."""

    def __init__(self, ask: Ask, shared: Shared, allowance: Allowance | None = None) -> None:
        self.ask = ask
        self.shared = shared
        self.filling = Filling(limit=ask.limit, groups=shared.groups)
        self.rungs = Rungs(ask, self.filling, shared)
        self.allowance = allowance or Allowance(conf.settings.STATEMENT_TIMEOUT_MS)

    def climb(self) -> None:
        """Fill the slate; a product that another slate of the page shows is passed over."""
        answered = self.allowance.answered
        try:
            self._each(self.step)
            if self.rungs.screens:
                self._each(self._rest)
        except Unavailable as error:
            self._unavailable(error)
        self.filling.was_answered |= self.allowance.answered > answered

    def _each(self, work: Callable[[Step], None]) -> None:
        for step in self.ask.steps:
            if self.filling.missing <= 0:
                return
            if not self.skips(step):
                work(step)

    def skips(self, step: Step) -> bool:
        """Is it of no use to try what was only to fill up?"""
        return step.is_fallback and all(self.rungs.is_idle(name) for name in step.sources)

    def _rest(self, step: Step) -> None:
        if len(step.sources) == 1:
            self._guarded(step.sources[0], partial(self.rungs.take_rest, step))

    def step(self, step: Step) -> None:
        """Let the sources of `step` add what they have, each unless it has been given up."""
        if len(step.offers) == 1:
            ((share, name),) = step.offers
            self._guarded(name, lambda: self.rungs.serve(step, [(share, self.rungs.offer(name))]))
            return
        offers = list(self._offers(step))
        if offers:
            self._timed("together", lambda: self.rungs.serve(step, offers))

    def _offers(self, step: Step) -> Iterator[tuple[KindShare, list[Candidate]]]:
        """What each of several sources proposes; one that fails costs the others nothing."""
        for share, name in step.offers:
            found: list[Candidate] = []
            self._guarded(name, partial(self._extend, found, name))
            if found:
                yield share, found

    def _extend(self, found: list[Candidate], name: str) -> None:
        found += self.rungs.offer(name)

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        vectors = breaker("vectors", self.ask.using) if name in VECTOR_SOURCES else None
        if name in self.shared.given_up:
            self.filling.note(f"{name}: timed out before on this page")
        elif self.rungs.is_idle(name):
            self.filling.note(f"{name}: no run is live")
        elif vectors is not None and not vectors.allows():
            self.filling.note(f"{name}: given up for {vectors.seconds_left:.0f} s")
        else:
            self._timed(name, work, vectors)

    def _timed(self, name: str, work: Callable[[], None], vectors: Breaker | None = None) -> None:
        began = time.perf_counter()
        found = len(self.filling.items)
        failure: Exception | None = None
        try:
            failure = self._try(name, work)
        finally:
            spent = time.perf_counter() - began
            self.filling.timings[name] = self.filling.timings.get(name, 0.0) + spent
            if vectors is not None:
                _judge(vectors, failure, answered=len(self.filling.items) > found)
        if failure is not None:
            self._failed(name, failure)

    def _try(self, name: str, work: Callable[[], None], *, again: bool = True) -> Exception | None:
        """None when the source was read; else what the database said."""
        given_up = len(self.shared.given_up)
        try:
            with self.window(self.rungs.settings(name)):
                work()
        except NothingToGoBy as reason:
            self.filling.note(f"{name}: {reason}")
        except (Error, StoreError) as error:
            does_without = len(self.shared.given_up) > given_up
            if again and (does_without or (_may_move(error) and self._has_moved())):
                return self._try(name, work, again=False)
            return error
        except Unavailable:
            raise
        except Exception as error:  # a source may be the shop's own
            if conf.settings.DEBUG_RAISE:
                raise
            logger.exception("The source %r raised; the slate is made without it.", name)
            self.filling.note(f"{name}: error: {type(error).__name__}")
        return None

    def window(
        self, settings: Mapping[str, str] = MappingProxyType({})
    ) -> AbstractContextManager[None]:
        """Reads in here are bounded; see `reads.bounded`."""
        return bounded(self.ask.using, self.allowance, settings)

    def _has_moved(self) -> bool:
        """A run may have been dropped since this process last looked which is live; look again."""
        before = self.shared.pointers
        try:
            with self.window():
                self.rungs.look_again()
        except Error:
            return False
        return before is not None and self.shared.pointers != before

    def _failed(self, name: str, error: Exception) -> None:
        words = in_words(error)
        logger.warning(
            "The source %r did not answer: %s",
            name,
            words,
            extra={"reco": {"placement": self.ask.placement, "rung": name, "error": words}},
        )
        self.filling.note(f"{name}: {words}")
        if is_outage(error):
            self.filling.is_out = True
            self.shared.given_up.add(name)
        if is_lost(self.ask.using):
            raise Unavailable("the connection is lost") from error

    def _unavailable(self, error: Unavailable) -> None:
        self.filling.note(f"database: {error}")
        self.filling.is_out = self.filling.is_out or error.is_outage
        if error.is_outage:
            words = in_words(error.__cause__ or error)
            logger.warning(
                "The database cannot be read: %s",
                words,
                extra={"reco": {"placement": self.ask.placement, "error": words}},
            )


def _may_move(error: Exception) -> bool:
    """What is said of tables that are not there (any more)."""
    return isinstance(error, ProgrammingError | StoreError)


def _judge(vectors: Breaker, failure: Exception | None, *, answered: bool) -> None:
    if failure is not None and is_outage(failure):
        vectors.failed()
    elif answered:
        vectors.succeeded()
    else:
        vectors.undecided()
