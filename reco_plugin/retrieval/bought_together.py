"""What is bought in one order with the page's product, with the cart, or with the order just made."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.base import Query
from reco_plugin.retrieval.events import basket
from reco_plugin.retrieval.related import BehaviourSource
from reco_plugin.types import Key


class BoughtTogether(BehaviourSource):
    """Of a cart: the best of any of its newest lines."""

    name: ClassVar[str] = "bought_together"
    relation: ClassVar[str] = "bought_together"
    says: ClassVar[str] = "bought_with"
    goes_by: ClassVar[frozenset[str]] = frozenset({"anchors", "cart", "events", "now"})

    def anchors(self, query: Query) -> tuple[Key, ...]:
        return basket(query)
