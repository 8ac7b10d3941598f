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
    says: ClassVar[str] = "similar_to"
    """The word before the anchor in the reason."""
    of: ClassVar[str] = "personal"
    """The kind of run whose neighbours it looks up."""
    rung: ClassVar[Rung] = Rung.CONTEXTUAL
    goes_by: ClassVar[frozenset[str]] = frozenset({"anchors", "events"})

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return tuple(self._near(key, query) for key in self._anchors(query))

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        """Each product with its best cosine to any anchor; the reason names that anchor."""
        anchors = self._anchors(query)
        return best_of(
            {key: answers.get(self._near(key, query), ()) for key in anchors},
            source=self.name,
            rung=self.rung,
            says=self.says,
            without=frozenset(anchors),
        )

    def _near(self, key: Key, query: Query) -> Neighbours:
        return Neighbours(key=key, k=query.k, of=self.of)

    def _anchors(self, query: Query) -> tuple[Key, ...]:
        return query.anchors or recent(query.events, WANTED, most=RECENT_ANCHORS)
