"""What sells now: in the category first, then in the whole shop."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.base import Query
from reco_plugin.retrieval.ranked import ListSource
from reco_plugin.types import Rung


class PopularInCategory(ListSource):
    """The narrowest category that has a list comes first, then its ancestors; never the whole shop."""

    name: ClassVar[str] = "popular"
    of: ClassVar[str] = "popular"
    says: ClassVar[str] = "popular"
    rung: ClassVar[Rung] = Rung.POPULAR_IN_CATEGORY

    def paths(self, query: Query) -> tuple[str, ...]:
        return query.categories


class Popular(ListSource):
    name: ClassVar[str] = "popular"
    of: ClassVar[str] = "popular"
    says: ClassVar[str] = "popular"
    goes_by: ClassVar[frozenset[str]] = frozenset()

    def paths(self, query: Query) -> tuple[str, ...]:
        return ("",)
