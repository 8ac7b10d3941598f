"""Recommended for you: several ways to know a shopper, blended by reciprocal rank.

Taste is the vector folded in from their events; beside it stand what others looked at or bought after
the same products, what is like them, and what the shopper said they like. Whoever is new has only the
last of these, and that acts at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from reco_plugin.retrieval.base import (
    Answers,
    Lookup,
    Nearest,
    Neighbours,
    Query,
    Ranked,
    Related,
    segment_of,
)
from reco_plugin.retrieval.events import WANTED, recent
from reco_plugin.retrieval.fusion import Offer, fuse
from reco_plugin.types import Candidate, EventKind, Key, Rung

LAST = 5
"""Newest products whose successors are looked up."""
LIKE = 3
"""Newest products whose neighbours are looked up."""
LIKED = 6
"""Declared interests that are looked up, the newest."""
FADING = 0.8
"""What a product counts beside the next newer one."""

TASTE, FOLLOWS, ALIKE, DECLARED = 1.0, 1.0, 0.5, 1.0
"""How far each way is believed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One lookup, what it is worth, and the reason of what it finds."""

    lookup: Lookup
    weight: float
    reason: str


class Personal:
    name: ClassVar[str] = "personal"
    rung: ClassVar[Rung] = Rung.PERSONAL
    goes_by: ClassVar[frozenset[str]] = frozenset({"vector", "events", "interests"})

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return tuple(dict.fromkeys(way.lookup for way in _ways(query)))

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        return fuse(
            Offer(candidates=self._found(way, answers), weight=way.weight) for way in _ways(query)
        )

    def _found(self, way: Way, answers: Answers) -> list[Candidate]:
        return [
            Candidate(
                key=scored.key,
                score=scored.score,
                source=self.name,
                rung=self.rung,
                reason=way.reason,
                facts=scored.facts,
            )
            for scored in answers.get(way.lookup, ())
        ]


def _ways(query: Query) -> Iterator[Way]:
    if query.vector is not None:
        yield Way(lookup=Nearest(vector=query.vector, k=query.k), weight=TASTE, reason="taste")
    bought = recent(query.events, {EventKind.PURCHASE}, most=LAST)
    yield from _after("bought_bought", "bought_after", bought)
    looked = recent(query.events, WANTED - {EventKind.PURCHASE}, without=bought, most=LAST)
    yield from _after("viewed_viewed", "viewed_after", looked)
    for place, key in enumerate(recent(query.events, WANTED, most=LIKE)):
        yield Way(
            lookup=Neighbours(key=key, k=query.k),
            weight=ALIKE * FADING**place,
            reason=f"similar_to:{key}",
        )
    yield from _declared(query)


def _after(relation: str, says: str, keys: tuple[Key, ...]) -> Iterator[Way]:
    for place, key in enumerate(keys):
        yield Way(
            lookup=Related(relation=relation, key=key),
            weight=FOLLOWS * FADING**place,
            reason=f"{says}:{key}",
        )


def _declared(query: Query) -> Iterator[Way]:
    for facet, value in query.interests[:LIKED]:
        yield Way(
            lookup=Ranked(segment=segment_of(facet, value)),
            weight=DECLARED,
            reason=f"liked_{facet}:{value}",
        )
