"""Products nearest to the shopper's own vector."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.base import Answers, Lookup, Nearest, Query
from reco_plugin.types import Candidate, Rung


class Personal:
    name: ClassVar[str] = "personal"
    rung: ClassVar[Rung] = Rung.PERSONAL

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return () if query.vector is None else (Nearest(vector=query.vector, k=query.k),)

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        return [
            Candidate(key=scored.key, score=scored.score, source=self.name, rung=self.rung)
            for answer in answers.values()
            for scored in answer
        ]
