"""What a merchandiser linked to the page's product, or to what is in the cart."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.base import Answers, Linked, Lookup, Query
from reco_plugin.retrieval.events import basket
from reco_plugin.types import Candidate, Key, Rung


class Manual:
    """In the merchandiser's order; of several products the first links of each come first."""

    name: ClassVar[str] = "manual"
    rung: ClassVar[Rung] = Rung.CONTEXTUAL
    goes_by: ClassVar[frozenset[str]] = frozenset({"anchors", "cart", "events", "now"})

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return tuple(Linked(key=key) for key in basket(query))

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        anchors = basket(query)
        found: dict[Key, tuple[int, Candidate]] = {}
        for anchor in anchors:
            for place, scored in enumerate(answers.get(Linked(key=anchor), ())):
                known = found.get(scored.key)
                if scored.key not in anchors and (known is None or place < known[0]):
                    found[scored.key] = (place, self._candidate(scored.key, anchor, place))
        return [candidate for _, candidate in sorted(found.values(), key=lambda pair: pair[0])]

    def _candidate(self, key: Key, anchor: Key, place: int) -> Candidate:
        return Candidate(
            key=key,
            score=1 / (1 + place),
            source=self.name,
            rung=self.rung,
            reason=f"linked:{anchor}",
        )
