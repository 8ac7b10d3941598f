"""What the shopper was about to buy: put in the cart, wished for, or looked at again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from reco_plugin.retrieval.base import Answers, Lookup, Query
from reco_plugin.retrieval.events import LOOKED, turned_down
from reco_plugin.stores.base import PastEvent
from reco_plugin.types import Candidate, EventKind, Key, Rung

CART, WISH, LOOKS = 3.0, 2.0, 1.0
FADING = 0.95
"""What an event counts beside the next newer one."""
AGAIN = 2
"""Looks that tell more than one does."""


class ContinueShopping:
    """Whatever was bought since, is in the cart, or was turned down, is not in it."""

    name: ClassVar[str] = "continue_shopping"
    rung: ClassVar[Rung] = Rung.PERSONAL
    goes_by: ClassVar[frozenset[str]] = frozenset({"anchors", "cart", "events"})

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return ()

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        left_out = {*query.anchors, *query.cart, *turned_down(query.events)}
        found = [
            candidate
            for key, events in _by_product(query.events).items()
            if key not in left_out and (candidate := self._candidate(key, events))
        ]
        return sorted(found, key=lambda candidate: -candidate.score)

    def _candidate(self, key: Key, events: Sequence[tuple[int, PastEvent]]) -> Candidate | None:
        """None for what was not seriously wanted, or was bought since."""
        place = events[0][0]
        kinds = [event.kind for _, event in events]
        if EventKind.PURCHASE in kinds:
            kinds = kinds[: kinds.index(EventKind.PURCHASE)]
        looks = sum(kind in LOOKED for kind in kinds)
        strength, reason = 0.0, ""
        if _stayed(kinds):
            strength, reason = CART, "in_cart_before"
        elif EventKind.ADD_TO_WISHLIST in kinds:
            strength, reason = WISH, "wished_for"
        elif looks >= AGAIN:
            strength, reason = LOOKS, "looked_at_again"
        if not reason:
            return None
        score = (strength + 0.1 * looks) * FADING**place
        return Candidate(key=key, score=score, source=self.name, rung=self.rung, reason=reason)


def _stayed(kinds: Sequence[EventKind]) -> bool:
    """Was it put in the cart and not taken out again? `kinds` are newest first."""
    of_cart = [
        kind for kind in kinds if kind in (EventKind.ADD_TO_CART, EventKind.REMOVE_FROM_CART)
    ]
    return bool(of_cart) and of_cart[0] is EventKind.ADD_TO_CART


def _by_product(events: Sequence[PastEvent]) -> dict[Key, list[tuple[int, PastEvent]]]:
    """Each product's events with their place in the whole, newest first."""
    found: dict[Key, list[tuple[int, PastEvent]]] = {}
    for place, event in enumerate(events):
        found.setdefault(event.key, []).append((place, event))
    return found
