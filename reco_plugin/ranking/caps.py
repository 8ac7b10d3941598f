"""At most so many products of one brand, category or other value."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from reco_plugin.ranking import fields
from reco_plugin.ranking.explore import REASON
from reco_plugin.ranking.select import unique
from reco_plugin.types import Candidate, ItemFacts, Key


class Caps:
    """Counts what a slate holds. A product of which the fact is unknown is never one too many."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = dict(limits)
        self._taken: dict[tuple[str, str], int] = {}

    def __bool__(self) -> bool:
        return bool(self._limits)

    def room(self, facts: ItemFacts | None) -> bool:
        """May one more product with these facts be taken?"""
        return self._fits(self._values(facts))

    def take(self, facts: ItemFacts | None) -> None:
        """Count a product that was taken."""
        self._count(self._values(facts))

    def try_take(self, facts: ItemFacts | None) -> bool:
        """Count a product if there is room for it; was there?"""
        values = self._values(facts)
        fits = self._fits(values)
        if fits:
            self._count(values)
        return fits

    def _values(self, facts: ItemFacts | None) -> list[tuple[str, str]]:
        return [(field, value) for field in self._limits for value in fields.said(facts, field)]

    def _fits(self, values: Sequence[tuple[str, str]]) -> bool:
        return all(self._taken.get(value, 0) < self._limits[value[0]] for value in values)

    def _count(self, values: Sequence[tuple[str, str]]) -> None:
        for value in values:
            self._taken[value] = self._taken.get(value, 0) + 1


def capped(
    candidates: Sequence[Candidate], facts: Mapping[Key, ItemFacts], limits: Mapping[str, int]
) -> tuple[list[Candidate], list[Candidate]]:
    """Those there is room for, in order, and those there is none for."""
    if not limits:
        return list(candidates), []
    caps = Caps(limits)
    kept: list[Candidate] = []
    over: list[Candidate] = []
    for candidate in candidates:
        (kept if caps.try_take(facts.get(candidate.key)) else over).append(candidate)
    return kept, over


def returned(
    chosen: Sequence[Candidate], over: Sequence[Candidate], ranked: Sequence[Candidate]
) -> list[Candidate]:
    """`chosen` with those of `over` back where they were in `ranked`: some that were counted may yet
    turn out to be sold out, and then there is room for what came next."""
    if not over:
        return list(chosen)
    places = {one.key: place for place, one in enumerate(ranked)}
    waiting = deque(over)
    found: list[Candidate] = []
    for candidate in chosen:
        place = places.get(candidate.key, 0) if candidate.reason != REASON else 0
        while waiting and places[waiting[0].key] < place:
            found.append(waiting.popleft())
        found.append(candidate)
    return unique([*found, *waiting])
