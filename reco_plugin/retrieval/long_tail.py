"""What is rarely shown, those first that fit the shopper where their taste is known."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.ranked import ListSource


class LongTail(ListSource):
    name: ClassVar[str] = "long_tail"
    of: ClassVar[str] = "tail"
    says: ClassVar[str] = "seldom_shown"
    goes_by: ClassVar[frozenset[str]] = frozenset({"categories", "vector"})
    by_taste: ClassVar[bool] = True
