"""What shoppers buy some time after they bought this."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.base import Query
from reco_plugin.retrieval.events import basket
from reco_plugin.retrieval.related import BehaviourSource
from reco_plugin.types import Key


class BoughtBought(BehaviourSource):
    """Of the page's product, or of the order just made."""

    name: ClassVar[str] = "bought_bought"
    relation: ClassVar[str] = "bought_bought"
    says: ClassVar[str] = "bought_after"
    goes_by: ClassVar[frozenset[str]] = frozenset({"anchors", "cart", "events", "now"})

    def anchors(self, query: Query) -> tuple[Key, ...]:
        return basket(query)
