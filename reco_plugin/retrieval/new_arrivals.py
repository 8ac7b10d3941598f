"""What became available last, in the shopper's own order where their taste is known."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.base import Answers, Lookup, Newest, Query
from reco_plugin.types import Candidate, Key, Rung


class NewArrivals:
    """Of the page's category first, then of those above it, then of the whole shop."""

    name: ClassVar[str] = "new_arrivals"
    rung: ClassVar[Rung] = Rung.POPULAR
    goes_by: ClassVar[frozenset[str]] = frozenset({"categories", "vector"})
    by_taste: ClassVar[bool] = True

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return tuple(Newest(k=query.k, category=path) for path in (*query.categories, ""))

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        found: dict[Key, Candidate] = {}
        for path in (*query.categories, ""):
            for scored in answers.get(Newest(k=query.k, category=path), ()):
                candidate = Candidate(
                    key=scored.key,
                    score=scored.score,
                    source=self.name,
                    rung=Rung.POPULAR_IN_CATEGORY if path else self.rung,
                    reason=f"new_in:{path}" if path else "new",
                    facts=scored.facts,
                )
                found.setdefault(scored.key, candidate)
        return list(found.values())
