"""What is rarely shown, where it fits: in the page's category, or to a shopper whose taste is known."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.base import Query
from reco_plugin.retrieval.ranked import ListSource


class LongTail(ListSource):
    """A stranger is offered nothing of the whole shop: what is rarely wanted would be all they see."""

    name: ClassVar[str] = "long_tail"
    of: ClassVar[str] = "tail"
    says: ClassVar[str] = "seldom_shown"
    goes_by: ClassVar[frozenset[str]] = frozenset({"categories", "vector"})
    by_taste: ClassVar[bool] = True

    def paths(self, query: Query) -> tuple[str, ...]:
        return query.categories if query.vector is None else (*query.categories, "")
