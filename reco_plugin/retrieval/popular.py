"""What sells now: in the category first, then in the whole shop."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.base import Answers, Lookup, Query, Ranked
from reco_plugin.types import Candidate, Rung


class PopularInCategory:
    """The narrowest category that has a list comes first, then its ancestors."""

    name: ClassVar[str] = "popular"
    rung: ClassVar[Rung] = Rung.POPULAR_IN_CATEGORY

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return tuple(Ranked(segment=path) for path in query.categories)

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        return [
            Candidate(
                key=scored.key,
                score=scored.score,
                source=self.name,
                rung=self.rung,
                reason=f"popular_in:{lookup.segment}",
            )
            for lookup, answer in answers.items()
            if isinstance(lookup, Ranked) and lookup.segment
            for scored in answer
        ]


class Popular:
    name: ClassVar[str] = "popular"
    rung: ClassVar[Rung] = Rung.POPULAR

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return (Ranked(segment=""),)

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        return [
            Candidate(key=scored.key, score=scored.score, source=self.name, rung=self.rung)
            for scored in answers.get(Ranked(segment=""), ())
        ]
