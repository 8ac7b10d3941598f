"""One list for everybody, by category and for the whole shop: the shape of several sources."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.base import Answers, Lookup, Query, Ranked
from reco_plugin.stores.base import Scored
from reco_plugin.types import Candidate, Key, Rung


class ListSource:
    """The list of the narrowest category first, then those of its ancestors, the whole shop's last."""

    name: ClassVar[str]
    of: ClassVar[str]
    """The kind of run, as in `Ranked`."""
    says: ClassVar[str]
    """The reason; of a category's list with '_in:PATH' after it."""
    rung: ClassVar[Rung] = Rung.POPULAR
    goes_by: ClassVar[frozenset[str]] = frozenset({"categories"})

    def paths(self, query: Query) -> tuple[str, ...]:
        """Segments, in the order they are offered in."""
        return (*query.categories, "")

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return tuple(Ranked(segment=path, of=self.of) for path in self.paths(query))

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        found: dict[Key, Candidate] = {}
        for path in self.paths(query):
            for scored in answers.get(Ranked(segment=path, of=self.of), ()):
                candidate = Candidate(
                    key=scored.key,
                    score=scored.score,
                    source=self.name,
                    rung=Rung.POPULAR_IN_CATEGORY if path else self.rung,
                    reason=self.reason(path, scored),
                    facts=scored.facts,
                )
                found.setdefault(scored.key, candidate)
        return list(found.values())

    def reason(self, path: str, scored: Scored) -> str:
        """What may be said of an entry of the list of `path`."""
        return f"{self.says}_in:{path}" if path else self.says
