"""What those who look at it go on to buy."""

from __future__ import annotations

from typing import ClassVar

from reco_plugin.retrieval.ranked import ListSource


class BestConverting(ListSource):
    name: ClassVar[str] = "best_converting"
    of: ClassVar[str] = "converting"
    says: ClassVar[str] = "converting"
