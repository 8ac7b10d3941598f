"""What the shopper buys again and again, when it is due: by each product's own interval.

A product that people buy but once has no interval, and is never offered here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import ClassVar

from reco_plugin.retrieval.base import Answers, Lookup, Query, Related
from reco_plugin.retrieval.events import purchases, turned_down
from reco_plugin.stores.base import Scored
from reco_plugin.types import Candidate, Key, Rung

MOST = 60
"""Products bought last that are looked up."""
BELIEF = 2.0
"""Own repurchases that the product's usual interval counts as."""
EARLIEST = 0.5
"""Share of the interval before which nobody wants to hear of it."""
DUE = 0.9
"""Share of the interval from which it is due."""
FORGOTTEN = 3.0
"""Intervals after which nobody says that it is time: they may have stopped."""
DAY = 86_400.0


class BuyAgain:
    """Due now first, then overdue and soon due, the further off the later."""

    name: ClassVar[str] = "buy_again"
    rung: ClassVar[Rung] = Rung.PERSONAL
    goes_by: ClassVar[frozenset[str]] = frozenset({"cart", "events", "bought", "now"})

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return tuple(Related(relation="buy_again", key=key) for key in _times(query))

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        if query.now is None:
            return []
        found = []
        for key, times in _times(query).items():
            answer = answers.get(Related(relation="buy_again", key=key), ())
            candidate = self._candidate(key, times, answer, query.now)
            if candidate is not None:
                found.append(candidate)
        return sorted(found, key=lambda candidate: -candidate.score)

    def _candidate(
        self, key: Key, times: Sequence[dt.datetime], answer: Sequence[Scored], now: dt.datetime
    ) -> Candidate | None:
        usual = next((scored for scored in answer if scored.key == key), None)
        if usual is None or usual.score <= 0:
            return None
        days = interval(times, usual.score)
        passed = (now - times[0]).total_seconds() / DAY / days
        if passed < EARLIEST:
            return None
        return Candidate(
            key=key,
            score=passed if passed <= 1 else 1 / passed,
            source=self.name,
            rung=self.rung,
            reason=f"due:{round(days)}" if DUE <= passed <= FORGOTTEN else "bought_before",
            facts={**usual.facts, "days": days, "passed": passed},
        )


def interval(times: Sequence[dt.datetime], usual: float) -> float:
    """Days until it is wanted again: the shopper's own mean gap, drawn to the `usual` one.

    `times` are newest first; two of one day are one.
    """
    days = sorted({time.date() for time in times})
    gaps = len(days) - 1
    own = (days[-1] - days[0]).days
    return (own + BELIEF * usual) / (gaps + BELIEF)


def _times(query: Query) -> Mapping[Key, list[dt.datetime]]:
    """When each product was bought, newest first, of what is not in the cart already and was not sent back."""
    left_out = turned_down(query.events).union(query.cart)
    found: dict[Key, list[dt.datetime]] = {}
    for event in purchases(query):
        if event.key in found or len(found) < MOST:
            found.setdefault(event.key, []).append(event.occurred_at)
    return {key: times for key, times in found.items() if key not in left_out}
