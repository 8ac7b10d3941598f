"""What the shopper looked at last, as of this moment."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.base import Answers, Lookup, Query
from reco_plugin.retrieval.events import LOOKED, recent
from reco_plugin.types import Candidate, Rung


class RecentlyViewed:
    name: ClassVar[str] = "recently_viewed"
    rung: ClassVar[Rung] = Rung.PERSONAL
    goes_by: ClassVar[frozenset[str]] = frozenset({"anchors", "events"})

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return ()

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        """The newest first; the page's own product is no news."""
        return [
            Candidate(key=key, score=1 / place, source=self.name, rung=self.rung, reason="recent")
            for place, key in enumerate(
                recent(query.events, LOOKED, without=query.anchors), start=1
            )
        ]
