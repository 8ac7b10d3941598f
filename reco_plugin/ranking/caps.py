"""At most so many products of one brand, category or other value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from reco_plugin.ranking import fields
from reco_plugin.types import Candidate, ItemFacts, Key


class Caps:
    """Counts what a slate holds. A product of which the fact is unknown is never one too many."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = dict(limits)
        self._taken: Counter[tuple[str, str]] = Counter()

    def __bool__(self) -> bool:
        return bool(self._limits)

    def room(self, facts: ItemFacts | None) -> bool:
        """May one more product with these facts be taken?"""
        return all(
            self._taken[field, value] < limit
            for field, limit in self._limits.items()
            for value in fields.said(facts, field)
        )

    def take(self, facts: ItemFacts | None) -> None:
        """Count a product that was taken."""
        for field in self._limits:
            self._taken.update((field, value) for value in fields.said(facts, field))


def capped(
    candidates: Sequence[Candidate], facts: Mapping[Key, ItemFacts], limits: Mapping[str, int]
) -> tuple[list[Candidate], list[Candidate]]:
    """Those there is room for, in order, and those there is none for."""
    caps = Caps(limits)
    kept: list[Candidate] = []
    over: list[Candidate] = []
    for candidate in candidates:
        known = facts.get(candidate.key)
        if caps.room(known):
            caps.take(known)
            kept.append(candidate)
        else:
            over.append(candidate)
    return kept, over
