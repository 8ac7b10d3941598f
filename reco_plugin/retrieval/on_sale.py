"""What costs less than it did, in the shopper's own order where their taste is known."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.ranked import ListSource


class OnSale(ListSource):
    name: ClassVar[str] = "on_sale"
    of: ClassVar[str] = "sale"
    says: ClassVar[str] = "on_sale"
    goes_by: ClassVar[frozenset[str]] = frozenset({"categories", "vector"})
    by_taste: ClassVar[bool] = True
