"""What sells now: in the category first, then in the whole shop."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.base import Query
from reco_plugin.retrieval.ranked import ListSource
from reco_plugin.stores.base import Scored
from reco_plugin.types import Rung

SEVERAL = 1.0
"""Shoppers that make nothing popular. The newest products, which stand in before the first event, have
scores up to this too."""


class _Popular(ListSource):
    name: ClassVar[str] = "popular"
    of: ClassVar[str] = "popular"
    says: ClassVar[str] = "popular"

    def reason(self, path: str, scored: Scored) -> str:
        return super().reason(path, scored) if scored.score > SEVERAL else ""


class PopularInCategory(_Popular):
    """The narrowest category that has a list comes first, then its ancestors; never the whole shop."""

    rung: ClassVar[Rung] = Rung.POPULAR_IN_CATEGORY

    def paths(self, query: Query) -> tuple[str, ...]:
        return query.categories


class Popular(_Popular):
    goes_by: ClassVar[frozenset[str]] = frozenset()

    def paths(self, query: Query) -> tuple[str, ...]:
        return ("",)
