"""Products like the anchors: those of the page, or what the shopper last looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from reco_plugin.retrieval.base import Answers, Lookup, Neighbours, Query
from reco_plugin.stores.base import Scored
from reco_plugin.types import Candidate, Key, Rung


class Similar:
    name: ClassVar[str] = "similar"
    rung: ClassVar[Rung] = Rung.CONTEXTUAL

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return tuple(Neighbours(key=key, k=query.k) for key in query.anchors)

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        """Each product with its best cosine to any anchor; the reason names that anchor."""
        best: dict[Key, Candidate] = {}
        for lookup, answer in answers.items():
            if isinstance(lookup, Neighbours):
                self._keep_best(best, lookup.key, answer)
        left_out = set(query.anchors)
        found = [candidate for candidate in best.values() if candidate.key not in left_out]
        return sorted(found, key=lambda candidate: -candidate.score)

    def _keep_best(self, best: dict[Key, Candidate], anchor: Key, answer: Sequence[Scored]) -> None:
        for scored in answer:
            known = best.get(scored.key)
            if known is None or known.score < scored.score:
                best[scored.key] = Candidate(
                    key=scored.key,
                    score=scored.score,
                    source=self.name,
                    rung=self.rung,
                    reason=f"similar_to:{anchor}",
                )
