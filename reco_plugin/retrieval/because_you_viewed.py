"""A row about one product the shopper looked at, named in its heading."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.base import Answers, Lookup, Neighbours, Query, Related
from reco_plugin.retrieval.events import LOOKED, recent
from reco_plugin.retrieval.fusion import Offer, fuse
from reco_plugin.retrieval.related import best_of
from reco_plugin.types import Candidate, EventKind, Key, Rung

TRIED = 3
"""Products looked at last of which one becomes the anchor."""
ENOUGH = 4
"""Candidates that make a row worth its heading."""


class BecauseYouViewed:
    name: ClassVar[str] = "because_you_viewed"
    rung: ClassVar[Rung] = Rung.PERSONAL
    goes_by: ClassVar[frozenset[str]] = frozenset({"anchors", "cart", "events"})

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return tuple(
            lookup
            for key in self._tried(query)
            for lookup in (
                Related(relation="viewed_viewed", key=key),
                Neighbours(key=key, k=query.k),
            )
        )

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        """All of one anchor."""
        anchor = self.anchor(query, answers)
        return [] if anchor is None else self._about(anchor, query, answers)

    def anchor(self, query: Query, answers: Answers) -> Key | None:
        """The newest product with enough to say of it, else the one with the most; None for none."""
        found = {key: len(self._about(key, query, answers)) for key in self._tried(query)}
        enough = (key for key, count in found.items() if count >= ENOUGH)
        most = max(found, key=lambda key: found[key], default=None)
        return next(enough, most if most is not None and found[most] else None)

    def _tried(self, query: Query) -> tuple[Key, ...]:
        """Not what is on the page or in the cart already, and nothing that was bought."""
        bought = recent(query.events, {EventKind.PURCHASE})
        without = {*query.anchors, *query.cart, *bought}
        return recent(query.events, LOOKED, without=without, most=TRIED)

    def _about(self, anchor: Key, query: Query, answers: Answers) -> list[Candidate]:
        lists = (
            answers.get(Related(relation="viewed_viewed", key=anchor), ()),
            answers.get(Neighbours(key=anchor, k=query.k), ()),
        )
        offers = [
            Offer(
                candidates=best_of(
                    {anchor: found},
                    source=self.name,
                    rung=self.rung,
                    says="because_viewed",
                    without=frozenset({anchor}),
                )
            )
            for found in lists
        ]
        return fuse(offers)
