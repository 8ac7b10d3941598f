"""What goes with given products in shoppers' behaviour: the shape of several sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from reco_plugin.retrieval.base import Answers, Lookup, Query, Related
from reco_plugin.retrieval.fusion import Offer, voted
from reco_plugin.stores.base import Scored
from reco_plugin.types import Candidate, Key, Rung


class BehaviourSource:
    """Products related to the anchors, by their best score to any of them or by the sum of all scores.

    The reason names the anchor that speaks for it loudest.
    """

    name: ClassVar[str]
    relation: ClassVar[str]
    """As in `Related`."""
    says: ClassVar[str]
    """The word before the anchor in the reason."""
    rung: ClassVar[Rung] = Rung.CONTEXTUAL
    goes_by: ClassVar[frozenset[str]] = frozenset({"anchors"})
    adds_up: ClassVar[bool] = False
    """Do the scores of several anchors add up? Otherwise the best one counts."""

    def anchors(self, query: Query) -> tuple[Key, ...]:
        """The products that something is to go with."""
        return query.anchors

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return tuple(Related(relation=self.relation, key=key) for key in self.anchors(query))

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        lists = self.lists(query, answers)
        merge = sum_of if self.adds_up else best_of
        return merge(
            lists, source=self.name, rung=self.rung, says=self.says, without=frozenset(lists)
        )

    def lists(self, query: Query, answers: Answers) -> Mapping[Key, Sequence[Scored]]:
        """What goes with each anchor."""
        anchors = self.anchors(query)
        return {key: answers.get(Related(relation=self.relation, key=key), ()) for key in anchors}


def best_of(
    lists: Mapping[Key, Sequence[Scored]],
    *,
    source: str,
    rung: Rung,
    says: str,
    without: frozenset[Key] = frozenset(),
) -> list[Candidate]:
    """Each product with its best score to any anchor; the reason names that anchor."""
    best: dict[Key, tuple[Scored, Key]] = {}
    for anchor, answer in lists.items():
        for scored in answer:
            known = best.get(scored.key)
            if scored.key not in without and (known is None or known[0].score < scored.score):
                best[scored.key] = (scored, anchor)
    found = [
        Candidate(
            key=scored.key,
            score=scored.score,
            source=source,
            rung=rung,
            reason=f"{says}:{anchor}",
            facts=scored.facts,
        )
        for scored, anchor in best.values()
    ]
    return sorted(found, key=lambda candidate: -candidate.score)


def sum_of(
    lists: Mapping[Key, Sequence[Scored]],
    *,
    source: str,
    rung: Rung,
    says: str,
    without: frozenset[Key] = frozenset(),
) -> list[Candidate]:
    """Each product with the sum of its scores to the anchors; the reason names the one it is closest to."""
    return voted(
        Offer(
            candidates=best_of(
                {anchor: answer}, source=source, rung=rung, says=says, without=without
            )
        )
        for anchor, answer in lists.items()
    )
