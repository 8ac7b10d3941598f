"""Products like the anchors: those of the page, or what the shopper last looked at."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.base import Answers, Lookup, Neighbours, Query
from reco_plugin.retrieval.events import WANTED, recent
from reco_plugin.retrieval.related import best_of
from reco_plugin.types import Candidate, Key, Rung

RECENT_ANCHORS = 3
"""Newest products of a shopper that stand in for a page's product."""


class Similar:
    """By content, image and behaviour at once: whatever the live run's item vectors hold."""

    name: ClassVar[str] = "similar"
    rung: ClassVar[Rung] = Rung.CONTEXTUAL
    goes_by: ClassVar[frozenset[str]] = frozenset({"anchors", "events"})

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return tuple(Neighbours(key=key, k=query.k) for key in self._anchors(query))

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        """Each product with its best cosine to any anchor; the reason names that anchor."""
        anchors = self._anchors(query)
        return best_of(
            {key: answers.get(Neighbours(key=key, k=query.k), ()) for key in anchors},
            source=self.name,
            rung=self.rung,
            says="similar_to",
            without=frozenset(anchors),
        )

    def _anchors(self, query: Query) -> tuple[Key, ...]:
        return query.anchors or recent(query.events, WANTED, most=RECENT_ANCHORS)
