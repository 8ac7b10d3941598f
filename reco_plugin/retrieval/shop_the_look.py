"""What completes a look: bought with a product, of another category, and a match to the eye.

The first is looked up here. Whether it is a match is seen where the placement's order is made, since the
pictures of all that is offered have to be known: see `ranking.looks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from reco_plugin.retrieval.base import Answers, Lookup, Neighbours, Query, Related
from reco_plugin.retrieval.events import basket
from reco_plugin.retrieval.related import best_of
from reco_plugin.stores.base import Scored
from reco_plugin.types import Candidate, Key, Rung

LINES = 12
"""Cart lines, the newest, that something is to go with."""
TWINS = 8
"""Products of about the same look that speak for one that nobody has bought anything with yet."""
LIKE = 3
"""Lines, the first, whose twins are looked up."""


class ShopTheLook:
    """Where nobody has bought anything with a product yet, what its twins are bought with, each believed
    as far as it looks alike. Those lists are read in a second go, and only then."""

    name: ClassVar[str] = "shop_the_look"
    rung: ClassVar[Rung] = Rung.CONTEXTUAL
    goes_by: ClassVar[frozenset[str]] = frozenset({"anchors", "cart", "events", "now"})
    of: ClassVar[str] = "visual"
    needs: ClassVar[str] = "visual"
    is_sparing: ClassVar[bool] = True

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        lines = _lines(query)
        return (
            *(_together(key) for key in lines),
            *(_twins(key) for key in lines[:LIKE]),
        )

    def following(self, query: Query, answers: Answers) -> tuple[Lookup, ...]:
        found = (
            _together(twin.key)
            for key in _lines(query)[:LIKE]
            if not answers.get(_together(key))
            for twin in answers.get(_twins(key), ())
        )
        return tuple(dict.fromkeys(found))

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        """By the confidence that it is bought with one of the lines; the reason names that line."""
        lines = _lines(query)
        return best_of(
            _lists(lines, answers),
            source=self.name,
            rung=self.rung,
            says="goes_with_look",
            without=frozenset(lines),
        )


def _lines(query: Query) -> tuple[Key, ...]:
    return basket(query)[:LINES]


def _together(key: Key) -> Related:
    return Related(relation="bought_together", key=key)


def _twins(key: Key) -> Neighbours:
    return Neighbours(key=key, k=TWINS, of="visual")


def _lists(lines: Sequence[Key], answers: Answers) -> Mapping[Key, Sequence[Scored]]:
    """What each line is bought with, or is bought with its twins."""
    return {key: answers.get(_together(key)) or list(_of_twins(key, answers)) for key in lines}


def _of_twins(key: Key, answers: Answers) -> list[Scored]:
    return [
        Scored(key=scored.key, score=scored.score * twin.score)
        for twin in answers.get(_twins(key), ())
        if twin.score > 0
        for scored in answers.get(_together(twin.key), ())
    ]
